import { CircleCheck, CornerDownRight, Wrench } from "lucide-react";
import { useMemo } from "react";
import { measure } from "@/lib/format";
import type { Json } from "@/lib/graphql";
import { cx } from "@/ui/cx";
import { Badge } from "@/ui/Status";
import { type Call, type Turn, turnsOf } from "./messages";
import { type Reading, VisibleText } from "./VisibleText";

const INK: Record<string, string> = {
  system: "border-line-strong",
  user: "border-accent",
  assistant: "border-live",
  tool: "border-warn",
};
/** Longer results are folded: a page of them hides how the model went on. */
const FOLDED = 600;

/** Messages as they were exchanged: calls of tools with what they were given, results with what they were worth. */
export function Turns({ turns, reading, small }: { turns: readonly Turn[]; reading: Reading; small?: boolean }) {
  const size = small ? "font-mono text-xs leading-5" : "text-sm";
  return (
    <ol className="flex flex-col gap-2">
      {turns.map((turn, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the messages of one conversation never move
        <li key={index} className={cx("min-w-0 border-l-2 pl-2.5", INK[turn.role] ?? "border-line-strong")}>
          <div className="flex flex-wrap items-center gap-1.5 font-medium text-2xs text-ink-3">
            {turn.role === "tool" && <CornerDownRight aria-hidden className="size-3" />}
            <span>{turn.role}</span>
            {turn.name !== null && <code className="font-mono">{turn.name}</code>}
            {turn.reward !== null && (
              <Badge
                mood={turn.reward > 0 ? "good" : turn.reward < 0 ? "bad" : "idle"}
                title="What the environment gave for the call"
              >
                reward {measure(turn.reward)}
              </Badge>
            )}
            {turn.finished && (
              <Badge mood="live" title="The environment said that the task is done">
                <CircleCheck aria-hidden className="size-2.5" />
                finished
              </Badge>
            )}
          </div>
          <Words turn={turn} reading={reading} className={size} />
          {turn.calls.map((call, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the calls of one message never move
            <CallBox key={at} call={call} />
          ))}
          {Object.keys(turn.rest).length > 0 && (
            <pre className="mt-1 overflow-x-auto text-2xs text-ink-3">{JSON.stringify(turn.rest)}</pre>
          )}
        </li>
      ))}
    </ol>
  );
}

function Words({ turn, reading, className }: { turn: Turn; reading: Reading; className: string }) {
  // A message that only calls says nothing, and that is no empty answer.
  if (turn.text === "" && turn.calls.length > 0) return null;
  const text = <VisibleText text={turn.text} reading={reading} className={className} />;
  if (turn.role !== "tool" || turn.text.length <= FOLDED) return text;
  return (
    <details className="text-xs">
      <summary className="cursor-pointer text-ink-2">
        <span className="font-mono">{turn.text.slice(0, 120).replace(/\s+/g, " ")}…</span>{" "}
        <span className="text-ink-3">({turn.text.length.toLocaleString("en-US")} characters)</span>
      </summary>
      {text}
    </details>
  );
}

/** The arguments of a call by name where they are an object, else as they are. */
function CallBox({ call: { name, input } }: { call: Call }) {
  const fields = typeof input === "object" && input !== null && !Array.isArray(input) ? Object.entries(input) : null;
  return (
    <div className="mt-1 flex flex-col gap-0.5 rounded-md border border-line bg-sunken px-2 py-1.5 text-xs">
      <span className="flex items-center gap-1.5 font-medium font-mono">
        <Wrench aria-hidden className="size-3 text-ink-3" />
        <span className="sr-only">calls</span>
        {name}
      </span>
      {fields ? (
        <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-2 font-mono text-2xs">
          {fields.map(([key, value]) => (
            <div key={key} className="contents">
              <dt className="text-ink-3">{key}</dt>
              <dd className="whitespace-pre-wrap break-words">{typeof value === "string" ? value : JSON.stringify(value)}</dd>
            </div>
          ))}
        </dl>
      ) : (
        input !== null && (
          <pre className="whitespace-pre-wrap break-words text-2xs">
            {typeof input === "string" ? input : JSON.stringify(input)}
          </pre>
        )
      )}
    </div>
  );
}

/** A prompt as it was given: messages as a conversation, a text as a text. */
function Conversation({ prompt, reading }: { prompt: Json; reading: Reading }) {
  const turns = useMemo(() => turnsOf(prompt), [prompt]);
  if (turns) return <Turns turns={turns} reading={reading} />;
  return (
    <VisibleText
      text={typeof prompt === "string" ? prompt : JSON.stringify(prompt, null, 2)}
      reading={reading}
      className="text-sm"
    />
  );
}

export function PromptBox({ prompt, reading }: { prompt: Json; reading: Reading }) {
  return (
    <section
      aria-label="Prompt"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      className="max-h-96 overflow-y-auto rounded-md border border-line bg-surface px-3 py-2.5"
    >
      <Conversation prompt={prompt} reading={reading} />
    </section>
  );
}

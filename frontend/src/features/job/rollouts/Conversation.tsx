import type { Json } from "@/lib/graphql";
import { cx } from "@/ui/cx";
import { type Reading, VisibleText } from "./VisibleText";

interface Message {
  role: string;
  content: Json;
  rest: { [name: string]: Json };
}

function messagesOf(prompt: Json): Message[] | null {
  if (!Array.isArray(prompt)) return null;
  const found: Message[] = [];
  for (const one of prompt) {
    if (typeof one !== "object" || one === null || Array.isArray(one)) return null;
    const { role, content, ...rest } = one;
    found.push({ role: typeof role === "string" ? role : "message", content: content ?? "", rest });
  }
  return found;
}

/** The words of a message: parts of text are joined, others named. */
function words(content: Json): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return JSON.stringify(content, null, 2);
  return content
    .map((part) => {
      if (typeof part !== "object" || part === null || Array.isArray(part)) return JSON.stringify(part);
      return typeof part.text === "string" ? part.text : `[${typeof part.type === "string" ? part.type : "part"}]`;
    })
    .join("\n");
}

const INK: Record<string, string> = { system: "border-line-strong", user: "border-accent", assistant: "border-live" };

/** A prompt as it was given: messages as a conversation, a text as a text. */
function Conversation({ prompt, reading }: { prompt: Json; reading: Reading }) {
  const messages = messagesOf(prompt);
  if (!messages)
    return (
      <VisibleText
        text={typeof prompt === "string" ? prompt : JSON.stringify(prompt, null, 2)}
        reading={reading}
        className="text-sm"
      />
    );
  return (
    <ol className="flex flex-col gap-2">
      {messages.map((message, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the messages of one prompt never move
        <li key={index} className={cx("border-l-2 pl-2.5", INK[message.role] ?? "border-line-strong")}>
          <div className="font-medium text-2xs text-ink-3">{message.role}</div>
          <VisibleText text={words(message.content)} reading={reading} className="text-sm" />
          {Object.keys(message.rest).length > 0 && (
            <pre className="mt-1 overflow-x-auto text-2xs text-ink-3">{JSON.stringify(message.rest)}</pre>
          )}
        </li>
      ))}
    </ol>
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

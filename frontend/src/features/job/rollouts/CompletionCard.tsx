import { FlaskConical, Maximize2 } from "lucide-react";
import { useMemo } from "react";
import { count, counted, measure } from "@/lib/format";
import type { Json } from "@/lib/graphql";
import { IconButton } from "@/ui/Button";
import { CopyButton } from "@/ui/Copy";
import { cx } from "@/ui/cx";
import { ScoreBars } from "@/ui/ScoreBars";
import { Badge } from "@/ui/Status";
import { Turns } from "./Conversation";
import type { Completion } from "./documents";
import { after, callCount, type Turn, turnsOf } from "./messages";
import { type Reading, VisibleText } from "./VisibleText";

interface CompletionCardProps {
  completion: Completion;
  /** What it answers: of a whole conversation, only what came after is shown. */
  prompt: Json;
  /** Its place in the group, by advantage, from 1. */
  rank: number;
  scale: number;
  reading: Reading;
  onOpen?: (() => void) | undefined;
  /** Where there is a reward function to try it on. */
  onPlay?: (() => void) | undefined;
}

export const signed = (value: number): string => `${value > 0 ? "+" : value < 0 ? "−" : "±"}${measure(Math.abs(value))}`;

/** Whether a card may not show the whole text, or all turns. */
const isLong = (text: string, turns: readonly Turn[] | null): boolean =>
  turns ? turns.length > 3 || turns.some((turn) => turn.text.length > 350) : text.length > 350 || text.split("\n").length > 12;

/** One completion: what it is worth, and what it says. */
export function CompletionCard({ completion, prompt, rank, scale, reading, onOpen, onPlay }: CompletionCardProps) {
  const turns = useMemo(() => {
    const all = completion.messages === null ? null : turnsOf(completion.messages);
    return all && after(all, prompt);
  }, [completion.messages, prompt]);
  const calls = turns ? callCount(turns) : 0;
  const { advantage, reward } = completion;
  // Rounding leaves a trace of an advantage where there is none.
  const neutral = advantage === null || Math.abs(advantage) < 1e-3;
  const name = `Completion ${rank}`;
  return (
    <article
      aria-label={name}
      tabIndex={onOpen ? 0 : undefined}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || event.target !== event.currentTarget || !onOpen) return;
        event.preventDefault();
        onOpen();
      }}
      className="flex min-w-0 flex-col rounded-md border border-line bg-surface"
    >
      <header className="flex min-h-9 flex-wrap items-center gap-x-2 gap-y-0.5 border-line border-b px-2.5 py-1">
        <span className="text-ink-3 text-xs tabular-nums">{rank}</span>
        <span className="font-semibold text-base tabular-nums" title="Reward">
          {reward === null ? "None" : measure(reward)}
        </span>
        <span
          title="Advantage: how much better than its group"
          className={cx("text-xs tabular-nums", neutral ? "text-ink-3" : advantage > 0 ? "text-good" : "text-bad")}
        >
          {advantage === null ? "no advantage" : `adv ${neutral ? "0" : signed(advantage)}`}
        </span>
        {completion.truncated && (
          <Badge mood="warn" title="Cut at the length limit">
            truncated
          </Badge>
        )}
        {turns && calls === 0 && (
          <Badge mood="warn" title="It called no tool of its environment">
            no call
          </Badge>
        )}
        <span className="flex-1" />
        {calls > 0 && <span className="text-ink-3 text-xs tabular-nums">{counted(calls, "call")}</span>}
        <span className="text-ink-3 text-xs tabular-nums">{count(completion.tokens)} tok</span>
      </header>
      {completion.components.length > 0 && (
        <div className="border-line border-b px-2.5 py-1.5">
          <ScoreBars scores={completion.components} scale={scale} />
        </div>
      )}
      {completion.scoreError !== null && (
        <p
          className={cx(
            "whitespace-pre-wrap break-words border-line border-b bg-bad-soft px-2.5 py-1.5 text-bad text-xs",
            onOpen && "line-clamp-4",
          )}
        >
          {completion.scoreError}
        </p>
      )}
      <div className="flex items-start">
        {turns ? (
          <div className={cx("min-w-0 flex-1 px-2.5 py-2", onOpen && "max-h-80 overflow-hidden")}>
            <Turns turns={turns} reading={reading} small />
          </div>
        ) : (
          <div className="min-w-0 flex-1 px-2.5 py-2 font-mono text-xs leading-5">
            <VisibleText text={completion.text} reading={reading} className={onOpen && "line-clamp-12"} />
          </div>
        )}
        <span className="flex shrink-0 p-1">
          <CopyButton text={turns ? JSON.stringify(completion.messages, null, 2) : completion.text} label={`Copy ${name}`} />
          {onPlay && (
            <IconButton label={`Send ${name} to the reward playground`} onClick={onPlay}>
              <FlaskConical aria-hidden className="size-3.5" />
            </IconButton>
          )}
          {onOpen && (
            <IconButton label={`Open ${name}`} onClick={onOpen}>
              <Maximize2 aria-hidden className="size-3.5" />
            </IconButton>
          )}
        </span>
      </div>
      {onOpen && isLong(completion.text, turns) && (
        <button
          type="button"
          className="border-line border-t px-2.5 py-1 text-left text-accent text-xs hover:underline"
          onClick={onOpen}
        >
          Read all of it
        </button>
      )}
    </article>
  );
}

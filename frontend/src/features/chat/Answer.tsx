import { RotateCw, Sigma, Square } from "lucide-react";
import { useState } from "react";
import { IconButton } from "@/ui/Button";
import { CopyButton } from "@/ui/Copy";
import { ErrorNote } from "@/ui/Empty";
import { Badge, type Mood } from "@/ui/Status";
import { Elapsed } from "@/ui/Time";
import type { Turn } from "./conversation";
import { Tokens } from "./Tokens";

/** How an answer ended; `stop` is what one expects. */
const ENDS: Record<string, { mood: Mood; text: string }> = {
  stop: { mood: "good", text: "stop" },
  length: { mood: "warn", text: "cut at max tokens" },
  content_filter: { mood: "warn", text: "filtered" },
};

interface Props {
  turn: Turn;
  /** Its deployment has no replica that answers: it waits for one. */
  waking: boolean;
  onAgain?: (() => void) | undefined;
  onStop: () => void;
}

/** One answer as it comes, with what it took. */
export function Answer({ turn, waking, onAgain, onStop }: Props) {
  const [asTokens, setAsTokens] = useState(true);
  const probabilities = turn.tokens && asTokens ? turn.tokens : null;
  const streaming = turn.state === "streaming";
  const end = turn.finish ? (ENDS[turn.finish] ?? { mood: "idle" as const, text: turn.finish }) : null;
  return (
    <div className="flex min-w-0 flex-col gap-1.5" aria-busy={streaming}>
      {probabilities ? (
        <Tokens tokens={probabilities} />
      ) : (
        <div className="min-w-0 whitespace-pre-wrap break-words leading-5.5">
          {turn.text}
          {streaming && <span aria-hidden className="ml-0.5 inline-block h-3.5 w-1.5 animate-pulse bg-ink-3 align-text-bottom" />}
          {!streaming && turn.state !== "failed" && turn.text === "" && (
            <span className="text-ink-3 italic">an empty answer</span>
          )}
        </div>
      )}
      {turn.state === "failed" && <ErrorNote {...(onAgain ? { onRetry: onAgain } : {})}>{turn.error}</ErrorNote>}
      <div className="flex min-h-7 flex-wrap items-center gap-x-2.5 gap-y-0.5 text-2xs text-ink-3 tabular-nums">
        {streaming && turn.ttftMs === undefined && turn.askedAt !== undefined && (
          <span role="status" className={waking ? "font-medium text-live" : undefined}>
            {waking ? "Waking" : "Waiting"}, <Elapsed from={new Date(turn.askedAt).toISOString()} />
          </span>
        )}
        {turn.ttftMs !== undefined && <span title="Time to the first token">{Math.round(turn.ttftMs)} ms to first token</span>}
        {turn.completionTokens !== undefined && (
          <span title={turn.promptTokens === undefined ? undefined : `${turn.promptTokens} tokens of prompt`}>
            {turn.completionTokens} {turn.completionTokens === 1 ? "token" : "tokens"}
          </span>
        )}
        {turn.tokensPerSecond !== undefined && (
          <span>{turn.tokensPerSecond.toFixed(turn.tokensPerSecond < 10 ? 1 : 0)} tokens/s</span>
        )}
        {turn.state === "stopped" && <Badge mood="warn">stopped</Badge>}
        {end && <Badge mood={end.mood}>{end.text}</Badge>}
        <span className="flex-1" />
        {streaming && (
          <IconButton label="Stop this answer" onClick={onStop}>
            <Square aria-hidden className="size-3.5" />
          </IconButton>
        )}
        {!streaming && (
          <span className="flex">
            {turn.tokens && (
              <IconButton
                label="Probabilities"
                aria-pressed={asTokens}
                className={asTokens ? "bg-hover" : ""}
                onClick={() => setAsTokens(!asTokens)}
              >
                <Sigma aria-hidden className="size-3.5" />
              </IconButton>
            )}
            {turn.text && <CopyButton text={turn.text} label="Copy the answer" />}
            {onAgain && (
              <IconButton label="Answer again" onClick={onAgain}>
                <RotateCw aria-hidden className="size-3.5" />
              </IconButton>
            )}
          </span>
        )}
      </div>
    </div>
  );
}

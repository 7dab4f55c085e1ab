import { type KeyboardEvent, useState } from "react";
import { cx } from "@/ui/cx";
import type { TokenProbability } from "./complete";

const percent = (probability: number): string => `${(probability * 100).toFixed(probability > 0.995 ? 0 : 1)} %`;
const written = (token: string): string => token.replaceAll("\n", "⏎\n") || "∅";
const ground = (probability: number): string =>
  probability >= 0.9 ? "bg-sunken" : probability >= 0.5 ? "bg-warn-soft" : "bg-bad-soft";

/** Each token on the ground of how sure the model was of it; what else it might have said stands below, of the one looked at. */
export function Tokens({ tokens }: { tokens: readonly TokenProbability[] }) {
  const [at, setAt] = useState<number | null>(null);
  const chosen = at === null ? undefined : tokens[at];
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(tokens.length - 1, at === null ? 0 : at + step)));
  };
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <div
        role="group"
        aria-label="Tokens; arrows walk through them"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrows walk through the tokens
        tabIndex={0}
        onKeyDown={onKeyDown}
        onPointerLeave={() => setAt(null)}
        className="min-w-0 whitespace-pre-wrap break-words rounded-sm leading-6"
      >
        {tokens.map((one, index) => (
          <span
            // biome-ignore lint/suspicious/noArrayIndexKey: tokens are only ever added at the end
            key={index}
            onPointerEnter={() => setAt(index)}
            className={cx("mr-px rounded-xs px-px", ground(one.probability), index === at && "outline-1 outline-line-strong")}
          >
            {written(one.token)}
            <sub className="ml-px text-2xs text-ink-3">{Math.round(one.probability * 100)}</sub>
          </span>
        ))}
      </div>
      <p aria-live="polite" className="flex min-h-5 flex-wrap gap-x-2.5 text-2xs text-ink-3 tabular-nums">
        {chosen
          ? chosen.others.map((other) => (
              <span key={other.token} className={other.token === chosen.token ? "font-semibold text-ink" : undefined}>
                <code className="font-mono">{JSON.stringify(other.token)}</code> {percent(other.probability)}
              </span>
            ))
          : "Point at a token to see what else it might have been."}
      </p>
    </div>
  );
}

import { cx } from "@/ui/cx";
import type { Figures } from "./documents";
import { scoreText, shareOf } from "./figures";

interface Props {
  figures: Pick<Figures, "mean" | "low" | "high">;
  range: readonly [number, number];
  /** Drawn as a line: where two are the same. */
  zero?: boolean;
  className?: string;
}

const at = (share: number): string => `${share * 100}%`;

/** A mean as a dot within its 95 % interval. */
export function Interval({ figures: { mean, low, high }, range, zero = false, className }: Props) {
  const said =
    mean === null
      ? "No score"
      : low === null || high === null
        ? `${scoreText(mean)}, without an interval`
        : `${scoreText(mean)}, with 95 % confidence between ${scoreText(low)} and ${scoreText(high)}`;
  const left = low === null ? 0 : shareOf(low, range);
  return (
    <div role="img" aria-label={said} title={said} className={cx("relative h-4 w-full", className)}>
      <div className="absolute inset-x-0 top-1/2 h-px bg-line-strong" />
      {zero && <div className="absolute inset-y-0 w-px bg-ink-3" style={{ left: at(shareOf(0, range)) }} />}
      {mean !== null && low !== null && high !== null && (
        <div
          className="absolute top-1/2 h-2 min-w-px -translate-y-1/2 rounded-sm bg-accent opacity-35"
          style={{ left: at(left), width: at(shareOf(high, range) - left) }}
        />
      )}
      {mean !== null && (
        <div
          className="absolute top-1/2 size-2.5 -translate-x-1/2 -translate-y-1/2 rounded-full border-2 border-surface bg-accent"
          style={{ left: at(shareOf(mean, range)) }}
        />
      )}
    </div>
  );
}

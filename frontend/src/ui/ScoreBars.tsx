import { measure } from "@/lib/format";
import { cx } from "./cx";

export interface Score {
  name: string;
  value: number | null;
  weight: number;
}

/** The parts of a reward, each as what it adds: its value times its weight, as a share of `scale`. */
export function ScoreBars({ scores, scale, className }: { scores: readonly Score[]; scale: number; className?: string }) {
  if (scores.length === 0) return null;
  return (
    <dl className={cx("grid grid-cols-[auto_minmax(1.5rem,1fr)_auto] items-center gap-x-2 gap-y-0.5 text-2xs", className)}>
      {scores.map(({ name, value, weight }) => {
        const share = scale > 0 && value !== null ? Math.min(1, Math.abs(value * weight) / scale) : 0;
        return (
          <div key={name} className="contents">
            <dt
              className="max-w-28 truncate text-ink-3"
              title={weight === 1 ? name : `${name}, counted ${measure(weight)} times`}
            >
              {name}
              {weight !== 1 && <span className="text-ink-3"> ×{measure(weight)}</span>}
            </dt>
            <dd aria-hidden className="h-1.5 overflow-hidden rounded-full bg-hover">
              <div
                className={cx("h-full rounded-full", (value ?? 0) * weight < 0 ? "bg-bad" : "bg-accent")}
                style={{ width: `${share * 100}%` }}
              />
            </dd>
            <dd className="min-w-9 text-right text-ink-2 tabular-nums">{value === null ? "none" : measure(value)}</dd>
          </div>
        );
      })}
    </dl>
  );
}

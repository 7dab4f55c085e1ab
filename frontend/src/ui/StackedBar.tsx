import { cx } from "./cx";

export interface Part {
  name: string;
  value: number;
}

export interface Mark {
  name: string;
  value: number;
  /** A limit is drawn through the bar's whole height, a measure as a notch above it. */
  kind: "limit" | "measure";
}

interface StackedBarProps {
  label: string;
  parts: readonly Part[];
  marks?: readonly Mark[];
  format: (value: number) => string;
}

// Beside each other in this order, neighbours differ in light and dark, and for most eyes.
const COLORS = [
  "var(--run-2)",
  "var(--run-5)",
  "var(--run-3)",
  "var(--run-4)",
  "var(--run-9)",
  "var(--run-7)",
  "var(--run-8)",
  "var(--run-6)",
  "var(--run-10)",
];

/** Parts of a whole beside each other, with marks on the same scale; what each is stands below. */
export function StackedBar({ label, parts, marks = [], format }: StackedBarProps) {
  const total = parts.reduce((sum, one) => sum + one.value, 0);
  const end = Math.max(1, total, ...marks.map((one) => one.value));
  const place = (value: number): string => `${(100 * value) / end}%`;
  const limit = marks.find((one) => one.kind === "limit");
  const over = limit !== undefined && total > limit.value;
  const said = [`${format(total)} in all`, ...[...marks, ...parts].map((one) => `${one.name} ${format(one.value)}`)].join(", ");
  return (
    <figure className="flex flex-col gap-2">
      <div role="img" aria-label={`${label}: ${said}`} className="relative my-1.5 h-4 rounded-sm bg-hover">
        <div className="flex h-full overflow-hidden rounded-sm">
          {parts.map((one, index) => (
            <div
              key={one.name}
              title={`${one.name}: ${format(one.value)}`}
              className="h-full border-surface not-first:border-l"
              style={{ width: place(one.value), background: COLORS[index % COLORS.length] }}
            />
          ))}
        </div>
        {marks.map((one) => (
          <div
            key={one.name}
            title={`${one.name}: ${format(one.value)}`}
            className={cx(
              "absolute -translate-x-1/2",
              one.kind === "limit"
                ? cx("-inset-y-1.5 w-0.5", over ? "bg-bad" : "bg-ink")
                : "-top-1.5 h-2.5 w-1 rounded-full bg-live",
            )}
            style={{ left: place(one.value) }}
          />
        ))}
      </div>
      <dl className="flex flex-col gap-0.5 text-xs tabular-nums">
        {parts.map((one, index) => (
          <div key={one.name} className="flex items-center gap-2">
            <dt className="flex min-w-0 flex-1 items-center gap-2 text-ink-2">
              <span aria-hidden className="size-2 shrink-0 rounded-xs" style={{ background: COLORS[index % COLORS.length] }} />
              <span className="truncate">{one.name}</span>
            </dt>
            <dd>{format(one.value)}</dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}

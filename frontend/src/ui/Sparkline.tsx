import { type CSSProperties, useMemo } from "react";
import { cx } from "./cx";

const WIDTH = 100;
const HEIGHT = 24;

/** The points of a line through values, each a share of the box; what is no number is left out. */
export function sparkPath(values: readonly (number | null)[], width = WIDTH, height = HEIGHT): string {
  const known = values.flatMap((value, index) => (value !== null && Number.isFinite(value) ? [{ value, index }] : []));
  if (known.length < 2) return "";
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { value } of known) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const last = Math.max(1, values.length - 1);
  const y = (value: number) => (high === low ? height / 2 : height - 1 - ((value - low) / (high - low)) * (height - 2));
  return known
    .map(({ value, index }, at) => `${at ? "L" : "M"}${((index / last) * width).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
}

/** A small line without axes, for a row; `label` says what it shows to those who do not see it. */
export function Sparkline({
  values,
  label,
  className,
  style,
}: {
  values: readonly (number | null)[];
  label: string;
  /** Its size, and its colour as `text-…`. */
  className?: string;
  style?: CSSProperties;
}) {
  const path = useMemo(() => sparkPath(values), [values]);
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      className={cx("block overflow-visible", className ?? "h-6 w-24 text-accent")}
      style={style}
    >
      {path ? (
        <path
          d={path}
          fill="none"
          stroke="currentColor"
          strokeWidth={1.5}
          strokeLinejoin="round"
          strokeLinecap="round"
          vectorEffect="non-scaling-stroke"
        />
      ) : (
        <line
          x1={0}
          x2={WIDTH}
          y1={HEIGHT - 1}
          y2={HEIGHT - 1}
          stroke="currentColor"
          strokeDasharray="2 4"
          opacity={0.4}
          vectorEffect="non-scaling-stroke"
        />
      )}
    </svg>
  );
}

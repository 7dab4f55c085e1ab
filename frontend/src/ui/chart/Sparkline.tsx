import { useMemo } from "react";
import { frame } from "./decimate";
import { type ChartSeries, type Values, valueAt } from "./series";

interface SparklineProps {
  /** What it shows, in words: `reward, from 0.35 to 0.98`. */
  label: string;
  values: Values;
  steps?: ArrayLike<number> | undefined;
  color?: string | undefined;
  width?: number | undefined;
  height?: number | undefined;
  /** What the line's top and bottom stand for, where it is not its own extremes. */
  floor?: number | undefined;
  ceiling?: number | undefined;
}

/** A line without axes, small enough for a row. */
export function Sparkline({ label, values, steps, color = "--accent", width = 80, height = 20, floor, ceiling }: SparklineProps) {
  const path = useMemo(
    () => sparkPath(values, steps, width, height, floor, ceiling),
    [values, steps, width, height, floor, ceiling],
  );
  return (
    <svg
      role="img"
      aria-label={label}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      className="shrink-0 overflow-visible"
    >
      <path
        d={path || `M0 ${height - 1}H${width}`}
        fill="none"
        strokeWidth="1.5"
        // Nothing was measured yet: a line that stands for none.
        {...(path ? {} : { strokeDasharray: "2 4", opacity: 0.4 })}
        strokeLinejoin="round"
        strokeLinecap="round"
        style={{ stroke: `var(${color})` }}
      />
    </svg>
  );
}

export function sparkPath(
  values: Values,
  steps: ArrayLike<number> | undefined,
  width: number,
  height: number,
  floor?: number,
  ceiling?: number,
): string {
  const x = steps ?? Array.from({ length: values.length }, (_, index) => index);
  const count = values.length;
  if (count === 0) return "";
  const from = x[0] as number;
  const to = x[count - 1] as number;
  const series: ChartSeries = { key: "", label: "", color: "", steps: x, values };
  const drawn = frame([{ series, smooth: null }], from === to ? [from - 0.5, to + 0.5] : [from, to], width);
  const cells = drawn.series[0]?.values ?? [];
  const present = cells.filter((cell): cell is number => cell !== null && cell !== undefined);
  if (present.length === 0) return "";
  const low = Math.min(...present, floor ?? Number.POSITIVE_INFINITY);
  const high = Math.max(...present, ceiling ?? Number.NEGATIVE_INFINITY);
  const across = (step: number) => (from === to ? width / 2 : 1 + ((step - from) / (to - from)) * (width - 2));
  const up = (value: number) => (high === low ? height / 2 : height - 1 - ((value - low) / (high - low)) * (height - 2));
  let pen = "M";
  const parts: string[] = [];
  drawn.x.forEach((step, index) => {
    const value = valueAt(cells as Values, index);
    if (value === null) {
      if (cells[index] === null) pen = "M";
      return;
    }
    const at = `${across(Math.min(to, Math.max(from, step))).toFixed(1)} ${up(value).toFixed(1)}`;
    // A point alone is a dot: a line to itself with round ends.
    parts.push(pen === "M" ? `M${at}L${at}` : `L${at}`);
    pen = "L";
  });
  return parts.join("");
}

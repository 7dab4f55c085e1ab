/** A chart in one sentence, for those who do not see it. */
import { type ChartSeries, size, valueAt } from "./series";

export interface Told {
  first: number;
  last: number;
  low: number;
  lowAt: number;
  high: number;
  highAt: number;
  from: number;
  to: number;
}

export function look(series: ChartSeries): Told | null {
  let told: Told | null = null;
  const length = size(series);
  for (let index = 0; index < length; index += 1) {
    const value = valueAt(series.told ?? series.values, index);
    if (value === null) continue;
    const step = series.steps[index] as number;
    told ??= { first: value, last: value, low: value, lowAt: step, high: value, highAt: step, from: step, to: step };
    told.last = value;
    told.to = step;
    const low = valueAt(series.lower, index) ?? value;
    const high = valueAt(series.upper, index) ?? value;
    if (low < told.low) {
      told.low = low;
      told.lowAt = step;
    }
    if (high > told.high) {
      told.high = high;
      told.highAt = step;
    }
  }
  return told;
}

export function summarize(
  all: readonly ChartSeries[],
  value: (value: number) => string,
  axis: (step: number) => string,
  unit: string,
): string {
  const parts = all.map((series) => {
    const told = look(series);
    if (!told) return `${series.label}: no values yet.`;
    const at = told.from === told.to;
    if (at) return `${series.label} is ${value(told.first)} at ${unit} ${axis(told.from)}.`;
    const way =
      told.low === told.high
        ? `${series.label} stayed at ${value(told.first)}`
        : told.first === told.last
          ? `${series.label} began and ended at ${value(told.first)}`
          : `${series.label} ${told.last > told.first ? "rose" : "fell"} from ${value(told.first)} to ${value(told.last)}`;
    const over = `${unit} ${axis(told.from)} to ${axis(told.to)}`;
    if (told.low === told.high) return `${way}, ${over}.`;
    return `${way}, ${over}; lowest ${value(told.low)} at ${axis(told.lowAt)}, highest ${value(told.high)} at ${axis(told.highAt)}.`;
  });
  return parts.join(" ") || "No values yet.";
}

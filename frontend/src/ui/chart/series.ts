/** What a chart draws: columns of steps and values. NaN, null and undefined are gaps. */

export type Values = ArrayLike<number | null>;

export interface ChartSeries {
  key: string;
  label: string;
  /** A colour of the tokens, such as `--run-1`. */
  color: string;
  /** Rising. */
  steps: ArrayLike<number>;
  values: Values;
  /** Extremes of what each point stands for: drawn as a band. */
  lower?: Values | null | undefined;
  upper?: Values | null | undefined;
  /** How many points count, where the columns have room for more. */
  length?: number | undefined;
  /** Drawn as a broken line. */
  dashed?: boolean | undefined;
  /** A value holds until the next one. */
  stepped?: boolean | undefined;
  /** Points without a line: something happened there. */
  marks?: boolean | undefined;
  /** The room between this line and the one before it, or the axis, is filled: see `stacked`. */
  filled?: boolean | undefined;
  /** What is read and told instead of what is drawn. */
  told?: Values | undefined;
}

/** Series that change without React: what is drawn is read again after each call of a listener. */
export interface ChartSource {
  read: () => readonly ChartSeries[];
  subscribe: (listener: () => void) => () => void;
}

export type Range = readonly [from: number, to: number];

export const size = (series: ChartSeries): number => series.length ?? series.steps.length;

export function valueAt(values: Values | null | undefined, index: number): number | null {
  const value = values?.[index];
  return value === null || value === undefined || Number.isNaN(value) ? null : value;
}

/** The first index whose step is not less than `step`. */
export function firstFrom(steps: ArrayLike<number>, length: number, step: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((steps[middle] as number) < step) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index whose step is the closest; -1 where there is none. */
export function closest(series: ChartSeries, step: number): number {
  const length = size(series);
  if (length === 0) return -1;
  const after = firstFrom(series.steps, length, step);
  if (after === 0) return 0;
  if (after === length) return length - 1;
  return step - (series.steps[after - 1] as number) <= (series.steps[after] as number) - step ? after - 1 : after;
}

/** The index of the newest step that is not after this one; -1 where there is none. */
function lastUntil(series: ChartSeries, step: number): number {
  const at = firstFrom(series.steps, size(series), step);
  return series.steps[at] === step ? at : at - 1;
}

/** What the reader is told for a step: the value there, or null beyond the ends of the series. */
export function readAt(series: ChartSeries, step: number): number | null {
  const length = size(series);
  const index = series.stepped ? lastUntil(series, step) : closest(series, step);
  if (index < 0) return null;
  const first = series.steps[0] as number;
  const last = series.steps[length - 1] as number;
  const reach = length > 1 ? (last - first) / (length - 1) : 0.5;
  return step < first - reach || step > last + reach ? null : valueAt(series.told ?? series.values, index);
}

/** The newest value that is one. */
export function latest(series: ChartSeries): number | null {
  for (let index = size(series) - 1; index >= 0; index -= 1) {
    const value = valueAt(series.told ?? series.values, index);
    if (value !== null) return value;
  }
  return null;
}

/** From the first to the last step of all of them. */
export function extent(all: readonly ChartSeries[]): Range | null {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const series of all) {
    const length = size(series);
    if (length === 0) continue;
    from = Math.min(from, series.steps[0] as number);
    to = Math.max(to, series.steps[length - 1] as number);
  }
  return from > to ? null : [from, to];
}

/** Parts of a whole, each on top of the one before. They must have the same steps. */
export function stacked(parts: readonly ChartSeries[]): ChartSeries[] {
  let below: Float64Array | null = null;
  return parts.map((part) => {
    const length = size(part);
    const values = new Float64Array(length);
    for (let index = 0; index < length; index += 1)
      values[index] = (valueAt(part.values, index) ?? Number.NaN) + (below?.[index] ?? 0);
    below = values;
    return { ...part, values, lower: null, upper: null, told: part.values, filled: true };
  });
}

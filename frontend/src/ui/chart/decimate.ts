/** Thins what is visible to two points a pixel column, the least and the greatest in the order they came, so that no spike is lost. */
import { type ChartSeries, firstFrom, type Range, size, type Values } from "./series";

export type Cell = number | null | undefined;
/** Of one series, in step with the frame's `x`. A null breaks the line, an undefined does not. */
export interface Drawn {
  values: Cell[];
  smooth: Cell[] | null;
  lower: Cell[] | null;
  upper: Cell[] | null;
}

export interface Frame {
  x: number[];
  series: Drawn[];
  /** Whether points stand for several. */
  thinned: boolean;
}

export interface Input {
  series: ChartSeries;
  smooth: Values | null;
}

/** Indices of what is visible, with one neighbour on each side for the line to come from and go to. */
function visible(series: ChartSeries, [from, to]: Range): [number, number] {
  const length = size(series);
  const start = firstFrom(series.steps, length, from);
  let end = firstFrom(series.steps, length, to);
  while (end < length && series.steps[end] === to) end += 1;
  return [Math.max(0, start - 1), Math.min(length, end + 1)];
}

export function frame(inputs: readonly Input[], range: Range, columns: number): Frame {
  const spans = inputs.map(({ series }) => visible(series, range));
  const most = Math.max(0, ...spans.map(([start, end]) => end - start));
  return most > 2 * columns + 2 ? thin(inputs, spans, range, columns) : exact(inputs, spans);
}

function exact(inputs: readonly Input[], spans: readonly (readonly [number, number])[]): Frame {
  const x = union(inputs, spans);
  const series = inputs.map(({ series: one, smooth }, at): Drawn => {
    const [start, end] = spans[at] as readonly [number, number];
    const put = (values: Values | null | undefined): Cell[] | null => {
      if (!values) return null;
      const cells: Cell[] = new Array(x.length).fill(undefined);
      let slot = 0;
      for (let index = start; index < end; index += 1) {
        while ((x[slot] as number) < (one.steps[index] as number)) slot += 1;
        cells[slot] = cell(values[index]);
      }
      return cells;
    };
    return { values: put(one.values) as Cell[], smooth: put(smooth), lower: put(one.lower), upper: put(one.upper) };
  });
  return { x, series, thinned: false };
}

function union(inputs: readonly Input[], spans: readonly (readonly [number, number])[]): number[] {
  const steps = new Set<number>();
  inputs.forEach(({ series }, at) => {
    const [start, end] = spans[at] as readonly [number, number];
    for (let index = start; index < end; index += 1) steps.add(series.steps[index] as number);
  });
  return Float64Array.from(steps).sort() as unknown as number[];
}

const cell = (value: number | null | undefined): number | null =>
  value === null || value === undefined || !Number.isFinite(value) ? null : value;

function thin(
  inputs: readonly Input[],
  spans: readonly (readonly [number, number])[],
  [from, to]: Range,
  columns: number,
): Frame {
  const width = (to - from) / columns;
  // A column before and one after take the neighbours beyond the edges.
  const x: number[] = [];
  for (let column = -1; column <= columns; column += 1) x.push(from + (column + 0.25) * width, from + (column + 0.75) * width);
  const series = inputs.map(({ series: one, smooth }, at): Drawn => {
    const [start, end] = spans[at] as readonly [number, number];
    const buckets = new Buckets(one.steps, start, end, from, width, columns);
    return {
      values: buckets.extremes(one.values),
      smooth: smooth ? buckets.extremes(smooth) : null,
      lower: one.lower ? buckets.least(one.lower) : null,
      upper: one.upper ? buckets.greatest(one.upper) : null,
    };
  });
  return { x, series, thinned: true };
}

class Buckets {
  private readonly steps: ArrayLike<number>;
  private readonly start: number;
  private readonly end: number;
  private readonly from: number;
  private readonly width: number;
  private readonly columns: number;

  constructor(steps: ArrayLike<number>, start: number, end: number, from: number, width: number, columns: number) {
    this.steps = steps;
    this.start = start;
    this.end = end;
    this.from = from;
    this.width = width;
    this.columns = columns;
  }

  extremes(values: Values): Cell[] {
    return this.gather(values, (low, high, lowFirst) => (lowFirst ? [low, high] : [high, low]));
  }

  least(values: Values): Cell[] {
    return this.gather(values, (low) => [low, low]);
  }

  greatest(values: Values): Cell[] {
    return this.gather(values, (_, high) => [high, high]);
  }

  private gather(values: Values, give: (low: number, high: number, lowFirst: boolean) => [number, number]): Cell[] {
    const { steps, start, end, from, width, columns } = this;
    const cells: Cell[] = new Array(2 * (columns + 2)).fill(undefined);
    const scale = 1 / width;
    let index = start;
    while (index < end) {
      const column = Math.max(-1, Math.min(columns, Math.floor(((steps[index] as number) - from) * scale)));
      const border = column === columns ? Number.POSITIVE_INFINITY : from + (column + 1) * width;
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      let lowAt = -1;
      let highAt = -1;
      const begin = index;
      for (; index < end && (index === begin || (steps[index] as number) < border); index += 1) {
        const value = values[index];
        if (value === null || value === undefined) continue;
        // NaN compares false with everything.
        if (value < low) {
          low = value;
          lowAt = index;
        }
        if (value > high) {
          high = value;
          highAt = index;
        }
      }
      const slot = 2 * (column + 1);
      if (lowAt < 0 || !Number.isFinite(low) || !Number.isFinite(high)) cells[slot] = cells[slot + 1] = null;
      else [cells[slot], cells[slot + 1]] = give(low, high, lowAt <= highAt);
    }
    return cells;
  }
}

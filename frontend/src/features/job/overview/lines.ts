/** From a run's columns to what a chart draws: one metric, a mean with its spread, or one between two others. */
import type { ChartSeries, ChartSource } from "@/ui/chart";
import { type AxisName, place, type Scale, scaleOf } from "./axis";
import type { Column, MetricStore } from "./columns";

export interface Line {
  key: string;
  label: string;
  color: string;
  dashed?: boolean;
  /** A metric whose value is the distance of the band's edges from the line. */
  spread?: string;
  /** Two metrics that are the band's edges. */
  edges?: readonly [lower: string, upper: string];
  /** Worked out of several metrics, in place of `key`'s own values. */
  from?: { keys: readonly string[]; work: (values: readonly number[]) => number };
  /** By how much `count` grows each second, where a step takes `time`. */
  rate?: { count: string; time: string };
}

/** The metrics that a line cannot do without. */
export const needs = (line: Line): readonly string[] =>
  line.from ? line.from.keys : line.rate ? [line.rate.count, line.rate.time] : [line.key];

/** A metric at another's steps; NaN where it has none. */
export function at(steps: Float64Array, length: number, column: Column | undefined): Float64Array {
  if (column && column.length === length && column.steps[0] === steps[0] && column.steps[length - 1] === steps[length - 1])
    return column.values;
  const values = new Float64Array(length).fill(Number.NaN);
  if (!column) return values;
  let there = 0;
  for (let index = 0; index < length; index += 1) {
    const step = steps[index] as number;
    while (there < column.length && (column.steps[there] as number) < step) there += 1;
    if (there < column.length && column.steps[there] === step) values[index] = column.values[there] as number;
  }
  return values;
}

/** The values of a line; undefined where the run does not report what it needs. */
function valuesOf(store: MetricStore, line: Line): Column | undefined {
  if (line.rate) return rateOf(store.get(line.rate.count), store.get(line.rate.time));
  if (!line.from) return store.get(line.key);
  const [first, ...others] = line.from.keys.map((key) => store.get(key));
  if (!first || others.some((column) => column === undefined)) return undefined;
  const { steps, length } = first;
  const parts = [first.values, ...others.map((column) => at(steps, length, column))];
  const values = new Float64Array(length);
  for (let index = 0; index < length; index += 1) values[index] = line.from.work(parts.map((part) => part[index] as number));
  return { steps, values, lower: null, upper: null, length };
}

function rateOf(counted: Column | undefined, times: Column | undefined): Column | undefined {
  if (!counted || !times) return undefined;
  const { steps, length } = counted;
  const time = at(steps, length, times);
  const values = new Float64Array(length);
  for (let index = 0; index < length; index += 1) {
    const more = (counted.values[index] as number) - (index === 0 ? 0 : (counted.values[index - 1] as number));
    const passed = (steps[index] as number) - (index === 0 ? 0 : (steps[index - 1] as number));
    // What a run that goes on from a checkpoint had counted before is not known.
    values[index] = index === 0 && passed > 1 ? Number.NaN : more / (passed * (time[index] as number));
  }
  return { steps, values, lower: null, upper: null, length };
}

function around(column: Column, spread: Float64Array, sign: 1 | -1): Float64Array {
  const edge = new Float64Array(column.length);
  for (let index = 0; index < column.length; index += 1)
    edge[index] = (column.values[index] as number) + sign * (spread[index] as number);
  return edge;
}

export function drawn(store: MetricStore, line: Line, scale: Scale | null): ChartSeries | null {
  const column = valuesOf(store, line);
  if (!column) return null;
  const { steps, values, length } = column;
  let { lower, upper } = column;
  if (line.spread && store.get(line.spread)) {
    const spread = at(steps, length, store.get(line.spread));
    lower = around(column, spread, -1);
    upper = around(column, spread, 1);
  } else if (line.edges) {
    lower = at(steps, length, store.get(line.edges[0]));
    upper = at(steps, length, store.get(line.edges[1]));
  }
  const { key, label, color, dashed } = line;
  return { key, label, color, dashed, steps: place(scale, steps, length), values, lower, upper, length };
}

/** A source that works its series out once for each change of the store. */
export function sourceOf(
  stores: readonly MetricStore[],
  build: (scales: readonly (Scale | null)[]) => readonly ChartSeries[],
  axis: AxisName,
): ChartSource {
  let version = -1;
  let made: readonly ChartSeries[] = [];
  return {
    read: () => {
      const now = stores.reduce((sum, store) => sum + store.version, 0);
      if (now !== version) {
        version = now;
        made = build(stores.map((store) => scaleOf(store, axis)));
      }
      return made;
    },
    subscribe: (listener) => {
      const stops = stores.map((store) => store.subscribe(listener));
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}

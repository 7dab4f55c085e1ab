/** A section of an overview: its charts, and what raises its alarm; what all of them are made with. */
import { duration, measure } from "@/lib/format";
import { type ChartSeries, stacked } from "@/ui/chart";
import type { LimitName, RuleName } from "./alarms";
import type { Scale } from "./axis";
import type { MetricStore } from "./columns";
import { drawn, type Line, needs } from "./lines";

/** By how much each component counts in the reward; 1 where none is named. */
export type Weights = Readonly<Record<string, number>>;

export interface ChartSpec {
  id: string;
  title: string;
  lines: readonly Line[];
  stack?: boolean;
  floor?: number;
  ceiling?: number;
  limit?: LimitName;
  format?: (value: number) => string;
  /** Shares and the like are of no use on a logarithmic axis. */
  linear?: boolean;
}

export interface Headline {
  label: string;
  value: (store: MetricStore) => string | null;
}

export interface Section {
  id: string;
  title: string;
  about: string;
  rules: readonly RuleName[];
  headlines: readonly Headline[];
  charts: (keys: ReadonlySet<string>, run: string, weights: Weights) => readonly ChartSpec[];
  /** What it would also show, by the metric that the run does not report. */
  wants: Readonly<Record<string, string>>;
  /** Left out of a run that reports nothing of it. */
  optional?: boolean;
}

export const percent = (value: number): string => `${Number((value * 100).toFixed(1))} %`;
export const seconds = (value: number): string => duration(value);
export const headline = (label: string, key: string, format: (value: number) => string = measure): Headline => ({
  label,
  value: (store) => {
    const value = store.recent(key);
    return value === null ? null : format(value);
  },
});

/** Colours beside the run's own: those of other runs are not on this page. */
export function palette(run: string): (index: number) => string {
  const own = Number(run.replace("--run-", ""));
  const others = [2, 1, 3, 4, 6, 7, 5, 9, 8, 10].filter((slot) => slot !== own);
  return (index) => `--run-${others[index % others.length]}`;
}

export const line = (key: string, label: string, color: string, more: Partial<Line> = {}): Line => ({
  key,
  label,
  color,
  ...more,
});

/** The charts that have something to draw, of a run that reports these metrics. */
export function chartsOf(section: Section, keys: ReadonlySet<string>, run: string, weights: Weights): ChartSpec[] {
  const there = (one: Line) => needs(one).every((key) => keys.has(key));
  return section
    .charts(keys, run, weights)
    .map((spec) => ({ ...spec, lines: spec.lines.filter(there) }))
    .filter((spec) => spec.lines.length > 0);
}

export const missing = (section: Section, keys: ReadonlySet<string>): string[] =>
  Object.entries(section.wants).flatMap(([key, what]) => (keys.has(key) ? [] : [what]));

export function seriesOf(store: MetricStore, spec: ChartSpec, scale: Scale | null): ChartSeries[] {
  const found = spec.lines.flatMap((one) => drawn(store, one, scale) ?? []);
  return spec.stack ? stacked(found) : found;
}

/** A deployment's load as columns that charts read; samples are appended without going through React. */
import type { ResultOf } from "@/lib/graphql";
import type { ChartSeries, ChartSource } from "@/ui/chart";
import type { StatsStream } from "./queries";

type Frame = ResultOf<typeof StatsStream>["deploymentStats"];
export type Sample = Extract<Frame, { __typename: "StatsBatch" }>["samples"][number];

type Field = Exclude<keyof Sample, "at">;
const FIELDS: readonly Field[] = [
  "requestsPerSecond",
  "tokensPerSecond",
  "ttftP50Ms",
  "ttftP95Ms",
  "latencyP50Ms",
  "latencyP95Ms",
  "running",
  "waiting",
  "kvCacheUsage",
  "replicasReady",
  "replicasTotal",
];
const MOST = 10_000;

export interface Drawn {
  field: Field;
  label: string;
  color: string;
  /** There is a value only where something was asked: the line goes from one to the next. */
  sparse?: boolean;
}

export class Samples {
  private at: number[] = [];
  private readonly columns = new Map<Field, (number | null)[]>(FIELDS.map((field) => [field, []]));
  private readonly listeners = new Set<() => void>();
  last: Sample | undefined;

  append(samples: readonly Sample[]): void {
    for (const sample of samples) {
      const at = Date.parse(sample.at);
      if (at <= (this.at.at(-1) ?? 0)) continue;
      this.at.push(at);
      for (const [field, column] of this.columns) column.push(sample[field]);
      this.last = sample;
    }
    if (this.at.length > MOST) this.forget(this.at.length - MOST / 2);
    for (const listener of this.listeners) listener();
  }

  private forget(count: number): void {
    this.at = this.at.slice(count);
    for (const [field, column] of this.columns) this.columns.set(field, column.slice(count));
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** For a chart: what it reads is new after each call of its listeners. */
  source(drawn: readonly Drawn[]): ChartSource {
    return {
      subscribe: this.subscribe,
      read: (): ChartSeries[] =>
        drawn.map(({ field, label, color, sparse }) => {
          const values = this.columns.get(field) ?? [];
          const isThere = (_: unknown, index: number) => values[index] !== null;
          return {
            key: field,
            label,
            color,
            steps: sparse ? this.at.filter(isThere) : this.at,
            values: sparse ? values.filter(isThere) : values,
          };
        }),
    };
  }
}

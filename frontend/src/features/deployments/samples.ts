/** A deployment's load as columns that charts read; samples are appended without going through React. */
import type { ChartSeries, ChartSource, Range } from "@/ui/chart";
import type { Sample } from "./loadQueries";
import type { Load } from "./scaling";

export type Field = Exclude<keyof Sample, "at">;
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
/** A target is drawn where what is measured comes this near to it: farther off, it would press the line to the floor. */
const NEAR = 0.25;
/** The load of a moment is that of the samples of so long before it. */
const MOMENT_MS = 60_000;

export interface Drawn {
  field: Field;
  label: string;
  color: string;
  /** There is a value only where something was asked: the line goes from one to the next. */
  sparse?: boolean;
  stepped?: boolean;
}

/** What the lines of a chart are held against. */
export interface Target {
  label: string;
  color: string;
  /** Null where nothing can be held to it, as while no replica is ready. */
  of: (sample: { replicasReady: number }) => number | null;
}

export class Samples {
  private at: number[] = [];
  private readonly columns = new Map<Field, (number | null)[]>(FIELDS.map((field) => [field, []]));
  private readonly listeners = new Set<() => void>();
  /** What came live, to be set behind another past. */
  private live: Sample[] = [];
  last: Sample | undefined;

  append(samples: readonly Sample[]): void {
    this.live.push(...samples);
    if (this.live.length > MOST) this.live = this.live.slice(-MOST / 2);
    this.add(samples);
    if (this.at.length > MOST) this.forget(this.at.length - MOST / 2);
    this.tell();
  }

  /** Begin with this past; what came live since goes on from there. */
  begin(past: readonly Sample[]): void {
    this.forget(this.at.length);
    this.add(past);
    this.add(this.live);
    this.tell();
  }

  private add(samples: readonly Sample[]): void {
    for (const sample of samples) {
      const at = Date.parse(sample.at);
      if (at <= (this.at.at(-1) ?? 0)) continue;
      this.at.push(at);
      for (const [field, column] of this.columns) column.push(sample[field]);
      this.last = sample;
    }
  }

  private forget(count: number): void {
    this.at = this.at.slice(count);
    for (const [field, column] of this.columns) this.columns.set(field, column.slice(count));
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  load = (now: number): Load => loadAt(this.live, now, this.last?.replicasReady);

  /** For a chart: what it reads is new after each call of its listeners. */
  source(drawn: readonly Drawn[], target?: Target, beyond: () => readonly ChartSeries[] = () => []): ChartSource {
    return {
      subscribe: this.subscribe,
      read: (): ChartSeries[] => [
        ...drawn.map((one) => this.line(one)),
        ...(target ? [this.aim(drawn, target)] : []),
        ...beyond(),
      ],
    };
  }

  private line({ field, label, color, sparse, stepped }: Drawn): ChartSeries {
    const values = this.columns.get(field) ?? [];
    const isThere = (_: unknown, index: number) => values[index] !== null;
    return {
      key: field,
      label,
      color,
      stepped,
      steps: sparse ? this.at.filter(isThere) : this.at,
      values: sparse ? values.filter(isThere) : values,
    };
  }

  private aim(drawn: readonly Drawn[], { label, color, of }: Target): ChartSeries {
    const ready = this.columns.get("replicasReady") ?? [];
    const told = ready.map((count) => of({ replicasReady: count ?? 0 }));
    const highest = highestOf(drawn.map(({ field }) => this.columns.get(field) ?? []));
    // Nothing that was measured needs nothing to be held against.
    const steps = highest === null ? [] : this.at;
    const isNear = highest !== null && highest >= NEAR * Math.max(0, ...told.map((value) => value ?? 0));
    return {
      key: "target",
      label,
      color,
      dashed: true,
      stepped: true,
      steps,
      values: isNear ? told : told.map(() => null),
      told,
    };
  }
}

/** What it bears at a moment: rates over the last minute, and the highest of its 95th percentiles. */
export function loadAt(samples: readonly Sample[], now: number, replicas = samples.at(-1)?.replicasReady): Load {
  const recent = samples.filter((one) => Date.parse(one.at) > now - MOMENT_MS);
  const requests = recent.reduce((sum, one) => sum + one.requests, 0);
  const seconds = recent.reduce((sum, one) => sum + Math.min(one.windowSeconds, MOMENT_MS / 1000), 0);
  const slowest = recent.flatMap((one) => one.latencyP95Ms ?? []);
  return {
    rps: seconds > 0 ? requests / seconds : 0,
    p95Ms: slowest.length > 0 ? Math.max(...slowest) : null,
    requests,
    replicas: replicas ?? 0,
  };
}

function highestOf(columns: readonly (readonly (number | null)[])[]): number | null {
  let highest: number | null = null;
  for (const column of columns)
    for (const value of column) if (value !== null && (highest === null || value > highest)) highest = value;
  return highest;
}

export const RANGES = ["15m", "1h", "6h", "24h", "all"] as const;
export type RangeName = (typeof RANGES)[number];
const MINUTE = 60_000;
const LENGTHS: Record<Exclude<RangeName, "all">, number> = {
  "15m": 15 * MINUTE,
  "1h": 60 * MINUTE,
  "6h": 360 * MINUTE,
  "24h": 1440 * MINUTE,
};

/** The time that is shown, up to now or the deployment's end; none from before it was there, but a minute at least. */
export function spanOf(
  name: RangeName,
  { createdAt, stoppedAt }: { createdAt: string; stoppedAt: string | null },
  now: number,
): Range {
  const end = stoppedAt ? Date.parse(stoppedAt) : now;
  const born = Date.parse(createdAt);
  if (name === "all") return [born, Math.max(end, born + MINUTE)];
  return [Math.max(end - LENGTHS[name], Math.min(born, end - MINUTE)), end];
}

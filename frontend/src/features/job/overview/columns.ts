/**
 * A run's metrics as columns that grow: the thinned history of a query, then each step as it comes. Listeners hear of it once a
 * flush; nothing here knows React.
 */

/** As the schema gives it. */
export interface Reported {
  key: string;
  steps: readonly number[];
  values: readonly number[];
  lower?: readonly number[] | null;
  upper?: readonly number[] | null;
  sampled?: boolean;
}

export interface Batch {
  attempt: number;
  series: readonly Reported[];
}

/** Views of the columns' room: only the first `length` of each count. */
export interface Column {
  readonly steps: Float64Array;
  readonly values: Float64Array;
  /** The extremes, where a point of this column stands for several. */
  readonly lower: Float64Array | null;
  readonly upper: Float64Array | null;
  readonly length: number;
}

class Growing implements Column {
  steps: Float64Array;
  values: Float64Array;
  lower: Float64Array | null;
  upper: Float64Array | null;
  length: number;

  constructor({ steps, values, lower, upper }: Reported) {
    this.length = steps.length;
    this.steps = Float64Array.from(steps);
    this.values = Float64Array.from(values);
    this.lower = lower ? Float64Array.from(lower) : null;
    this.upper = upper ? Float64Array.from(upper) : null;
  }

  get last(): number {
    return this.length === 0 ? Number.NEGATIVE_INFINITY : (this.steps[this.length - 1] as number);
  }

  push(step: number, value: number): void {
    if (this.length === this.steps.length) this.grow(Math.max(64, 2 * this.length));
    this.steps[this.length] = step;
    this.values[this.length] = value;
    if (this.lower) this.lower[this.length] = value;
    if (this.upper) this.upper[this.length] = value;
    this.length += 1;
  }

  /** Forget this step and all after it. What read the old columns keeps them as they were. */
  cut(step: number): void {
    let length = this.length;
    while (length > 0 && (this.steps[length - 1] as number) >= step) length -= 1;
    if (length === this.length) return;
    this.length = length;
    this.grow(Math.max(64, length));
  }

  private grow(room: number): void {
    const more = (column: Float64Array) => {
      const grown = new Float64Array(room);
      grown.set(column.subarray(0, this.length));
      return grown;
    };
    this.steps = more(this.steps);
    this.values = more(this.values);
    this.lower = this.lower && more(this.lower);
    this.upper = this.upper && more(this.upper);
  }
}

export class MetricStore {
  private readonly columns = new Map<string, Growing>();
  private readonly listeners = new Set<() => void>();
  private attempt = 0;
  private detail: { from: number; to: number; columns: Map<string, Growing> } | null = null;
  /** Batches that came before the history did. */
  private early: Batch[] | null = [];
  /** Changes with everything that changes. */
  version = 0;
  lastStep = 0;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get keys(): string[] {
    return [...this.columns.keys()].sort();
  }

  /** Whether there is a history; it stays while a newer one is asked for, so that nothing is taken off the screen. */
  loaded = false;

  /** The newest attempt that was heard of since the history. */
  get newest(): number {
    return this.attempt;
  }

  /** Whether some points of what is kept stand for several. */
  get thinned(): boolean {
    return [...this.columns.values()].some((column) => column.lower !== null);
  }

  /** From here on batches wait for the history, which is asked for anew. */
  expect(): void {
    this.early = [];
  }

  /**
   * The history, as it stood at or after the cursor from which batches are followed: they say again what it already has, and whose
   * attempt that was, so the first of them counts from its first step on.
   */
  load(series: readonly Reported[]): void {
    this.columns.clear();
    for (const one of series) this.columns.set(one.key, new Growing(one));
    this.attempt = 0;
    this.detail = null;
    this.lastStep = Math.max(0, ...[...this.columns.values()].map((column) => column.last));
    const early = this.early ?? [];
    this.early = null;
    this.loaded = true;
    for (const batch of early) this.append(batch);
    this.changed();
  }

  /** Steps as they came. A newer attempt's count from their first on, whatever the one before had reached. */
  take(batches: readonly Batch[]): void {
    if (this.early) this.early.push(...batches);
    else {
      for (const batch of batches) this.append(batch);
      this.changed();
    }
  }

  /** Every step of a part of the axis, in the place of the thinned history. */
  zoom(from: number, to: number, series: readonly Reported[]): void {
    this.detail = { from, to, columns: new Map(series.map((one) => [one.key, new Growing(one)])) };
    this.changed();
  }

  unzoom(): void {
    if (!this.detail) return;
    this.detail = null;
    this.changed();
  }

  get(key: string): Column | undefined {
    const whole = this.columns.get(key);
    const part = this.detail?.columns.get(key);
    return whole && part && this.detail ? splice(whole, part, this.detail.from, this.detail.to) : whole;
  }

  /** The mean of the last values; null where there are none. */
  recent(key: string, count = 1): number | null {
    const column = this.columns.get(key);
    if (!column || column.length === 0) return null;
    const tail = column.values.subarray(Math.max(0, column.length - count), column.length);
    return tail.reduce((sum, value) => sum + value, 0) / tail.length;
  }

  private append({ attempt, series }: Batch): void {
    if (attempt < this.attempt || series.length === 0) return;
    if (attempt > this.attempt) {
      const first = Math.min(...series.map((one) => one.steps[0] ?? Number.POSITIVE_INFINITY));
      for (const column of this.columns.values()) column.cut(first);
      this.detail = null;
      this.attempt = attempt;
      this.lastStep = Math.max(0, first - 1);
    }
    for (const one of series) {
      let column = this.columns.get(one.key);
      if (!column) {
        column = new Growing({ key: one.key, steps: [], values: [] });
        this.columns.set(one.key, column);
      }
      one.steps.forEach((step, index) => {
        if (step > column.last) column.push(step, one.values[index] as number);
      });
      this.lastStep = Math.max(this.lastStep, column.last);
    }
  }

  private changed(): void {
    this.version += 1;
    for (const listener of this.listeners) listener();
  }
}

function splice(whole: Growing, part: Growing, from: number, to: number): Column {
  const steps: number[] = [];
  const values: number[] = [];
  const lower: number[] = [];
  const upper: number[] = [];
  const put = (column: Growing, within: (step: number) => boolean) => {
    for (let index = 0; index < column.length; index += 1) {
      if (!within(column.steps[index] as number)) continue;
      steps.push(column.steps[index] as number);
      values.push(column.values[index] as number);
      lower.push((column.lower ?? column.values)[index] as number);
      upper.push((column.upper ?? column.values)[index] as number);
    }
  };
  put(whole, (step) => step < from);
  put(part, (step) => step >= from && step <= to);
  put(whole, (step) => step > to);
  const banded = whole.lower !== null;
  return {
    steps: Float64Array.from(steps),
    values: Float64Array.from(values),
    // The set of lines stays the same: a band that closes on its line is not seen.
    lower: banded ? Float64Array.from(lower) : null,
    upper: banded ? Float64Array.from(upper) : null,
    length: steps.length,
  };
}

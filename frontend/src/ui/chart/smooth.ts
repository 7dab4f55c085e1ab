/** The exponential moving average of Trackio and TensorBoard: debiased, so that the first point is exact. Gaps stay gaps. */
import type { Values } from "./series";

export class Smoother {
  private out = new Float64Array(0);
  private done = 0;
  private mean = 0;
  private weights = 0;
  private source: Values | null = null;
  private readonly weight: number;

  /** How much of the old value each step keeps: 0 to below 1. */
  constructor(weight: number) {
    this.weight = weight;
  }

  /** Smooth the first `length` values; those that were smoothed before are not looked at again if `values` is the same column. */
  run(values: Values, length: number): Float64Array {
    if (values !== this.source || length < this.done) {
      this.source = values;
      this.done = 0;
      this.mean = 0;
      this.weights = 0;
    }
    if (length > this.out.length) {
      const more = new Float64Array(Math.max(length, 2 * this.out.length));
      more.set(this.out.subarray(0, this.done));
      this.out = more;
    }
    for (let index = this.done; index < length; index += 1) {
      const value = values[index];
      if (value === null || value === undefined || !Number.isFinite(value)) {
        this.out[index] = Number.NaN;
        continue;
      }
      this.mean = this.mean * this.weight + value * (1 - this.weight);
      this.weights = this.weights * this.weight + (1 - this.weight);
      this.out[index] = this.mean / this.weights;
    }
    this.done = length;
    return this.out;
  }
}

export function smooth(values: Values, weight: number): number[] {
  return [...new Smoother(weight).run(values, values.length).subarray(0, values.length)];
}

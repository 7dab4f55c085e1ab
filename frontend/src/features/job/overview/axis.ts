/** What the x axis counts: steps, tokens, or the time spent on steps. Only steps are reported; the others follow from metrics. */

import { duration, short } from "@/lib/format";
import type { Range } from "@/ui/chart";
import type { Column, MetricStore } from "./columns";

export const AXES = ["step", "tokens", "time"] as const;
export type AxisName = (typeof AXES)[number];
export const AXIS_LABELS: Record<AxisName, string> = { step: "Steps", tokens: "Tokens", time: "Training time" };
export const AXIS_UNITS: Record<AxisName, string> = { step: "step", tokens: "tokens", time: "after" };

export const formatAxis: Record<AxisName, ((value: number) => string) | undefined> = {
  step: undefined,
  tokens: short,
  time: (seconds) => (seconds === 0 ? "0" : duration(seconds)),
};

/** Places on the axis by step: `steps` rising, `places` rising with them. */
export interface Scale {
  steps: ArrayLike<number>;
  places: ArrayLike<number>;
  length: number;
}

/** Null for steps themselves, and where the run does not report what is needed. */
export function scaleOf(store: MetricStore, axis: AxisName): Scale | null {
  if (axis === "tokens") {
    const column = store.get("num_tokens");
    // A thinned point stands for a stretch of steps, and is at its end: so is the greatest count.
    return column ? { steps: column.steps, places: column.upper ?? column.values, length: column.length } : null;
  }
  if (axis === "time") {
    const column = store.get("step_time");
    return column ? elapsed(column) : null;
  }
  return null;
}

function elapsed({ steps, values, length }: Column): Scale {
  const places = new Float64Array(length);
  let before = 0;
  let sum = 0;
  for (let index = 0; index < length; index += 1) {
    const step = steps[index] as number;
    sum += (values[index] as number) * (step - before);
    before = step;
    places[index] = sum;
  }
  return { steps, places, length };
}

/** Where something stands between known places, on the line between its neighbours. */
function between(from: ArrayLike<number>, to: ArrayLike<number>, length: number, at: number): number {
  if (length === 0) return at;
  let low = 0;
  let high = length - 1;
  if (at <= (from[0] as number)) return to[0] as number;
  if (at >= (from[high] as number)) return to[high] as number;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((from[middle] as number) <= at) low = middle;
    else high = middle;
  }
  const start = from[low] as number;
  const share = (at - start) / ((from[high] as number) - start);
  return (to[low] as number) + share * ((to[high] as number) - (to[low] as number));
}

export function place(scale: Scale | null, steps: Float64Array, length: number): Float64Array {
  if (!scale) return steps;
  const places = new Float64Array(length);
  for (let index = 0; index < length; index += 1)
    places[index] = between(scale.steps, scale.places, scale.length, steps[index] as number);
  return places;
}

/** The steps that a range of the axis shows. */
export function stepsOf(scale: Scale | null, [from, to]: Range): [number, number] {
  const step = (at: number) => (scale ? between(scale.places, scale.steps, scale.length, at) : at);
  return [Math.max(0, Math.floor(step(from))), Math.ceil(step(to))];
}

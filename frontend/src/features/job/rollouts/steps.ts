/** The steps that have rollouts, and moving among them. */
import type { Run } from "./documents";

export interface Steps {
  first: number;
  last: number;
  /** Rising; null where every step from the first to the last has rollouts. */
  only: readonly number[] | null;
  reward: { steps: readonly number[]; values: readonly number[] };
  zeroVariance: { steps: readonly number[]; values: readonly number[] };
}

const NOTHING = { steps: [], values: [] };

export function stepsOf(found: Run["rolloutSteps"], newest: number | null): Steps | null {
  const { firstStep, lastStep, count, series } = found;
  if (firstStep === null || lastStep === null) return null;
  const reward = series.find((one) => one.key === "reward") ?? NOTHING;
  const zeroVariance = series.find((one) => one.key === "frac_reward_zero_std") ?? NOTHING;
  const whole = count >= lastStep - firstStep + 1;
  return {
    first: firstStep,
    last: Math.max(lastStep, newest ?? lastStep),
    only: whole ? null : reward.steps,
    reward,
    zeroVariance,
  };
}

/** How many steps with rollouts come after one. */
export const between = (steps: Steps, after: number): number =>
  steps.only === null ? Math.max(0, steps.last - after) : steps.only.filter((step) => step > after).length;

/** The step so many places further, within what there is. */
export function moved(steps: Steps, from: number, by: number): number {
  if (steps.only === null) return Math.min(Math.max(from + by, steps.first), steps.last);
  const all = steps.only;
  const next = all.findIndex((step) => step >= from);
  const at = next === -1 ? all.length - 1 : next;
  // Between two kept steps a move to the left already goes to the one before.
  const offset = by > 0 && all[at] !== from ? by - 1 : by;
  return all[Math.min(Math.max(at + offset, 0), all.length - 1)] ?? from;
}

/** The kept step that is nearest. */
export function nearest(steps: Steps, to: number): number {
  const within = Math.min(Math.max(Math.round(to), steps.first), steps.last);
  if (steps.only === null) return within;
  return steps.only.reduce((best, step) => (Math.abs(step - within) < Math.abs(best - within) ? step : best), steps.first);
}

/** The value at a step, or at the last one before it. */
export function valueAt({ steps, values }: Steps["reward"], step: number): number | null {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((steps[middle] ?? 0) <= step) low = middle + 1;
    else high = middle;
  }
  return values[low - 1] ?? null;
}

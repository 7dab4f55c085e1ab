/** The numbers above a run's charts: how well it learns, by its method. */
import { counted, measure } from "@/lib/format";
import { traitsOf } from "@/lib/methods";
import type { MetricStore } from "./columns";

export interface Shown {
  label: string;
  value: string;
  note: string;
  /** The metric whose last points are drawn beside the value. */
  spark?: string;
}

const percent = (share: number): string => `${Number((share * 100).toPrecision(3))} %`;
const share = (value: number | null): string => (value === null ? "–" : percent(value));

/** The best value that a metric ever had. */
export function best(store: MetricStore, key: string, rises: boolean): { value: number; step: number } | null {
  const column = store.get(key);
  if (!column) return null;
  let found: { value: number; step: number } | null = null;
  for (let index = 0; index < column.length; index += 1) {
    const value = column.values[index] as number;
    if (!Number.isFinite(value) || (found && (rises ? value <= found.value : value >= found.value))) continue;
    found = { value, step: column.steps[index] as number };
  }
  return found;
}

function lead(store: MetricStore, method: string): Shown {
  const { key, label, rises } = traitsOf(method).lead;
  const most = best(store, key, rises);
  return { label, value: measure(store.recent(key)), note: most ? `best ${measure(most.value)}` : "", spark: key };
}

function heldOutLoss(store: MetricStore): Shown {
  const least = best(store, "eval_loss", false);
  const note = least ? `best ${measure(least.value)}, step ${least.step}` : "no rows are held out";
  return { label: "Held-out loss", value: measure(store.recent("eval_loss")), note };
}

export function shownOf(store: MetricStore, method: string): Shown[] {
  const first = lead(store, method);
  switch (method.toUpperCase()) {
    case "SFT":
      return [
        first,
        heldOutLoss(store),
        {
          label: "Token accuracy",
          value: share(store.recent("mean_token_accuracy")),
          note: "tokens it would have written itself",
        },
      ];
    case "DPO":
      return [
        first,
        { label: "Pairs told apart", value: share(store.recent("rewards/accuracies")), note: "in which the chosen answer wins" },
        heldOutLoss(store),
      ];
    case "SFT_VIDEO_GEN":
      return [
        first,
        { label: "Gradient norm", value: measure(store.recent("grad_norm")), note: "" },
        { label: "Learning rate", value: measure(store.recent("learning_rate")), note: "" },
      ];
    default: {
      const silent = store.recent("frac_reward_zero_std");
      const cut = store.recent("completions/clipped_ratio");
      return [
        first,
        { label: "Groups without signal", value: share(silent), note: silent === null ? "" : "all rewards of a group alike" },
        {
          label: "Mean length",
          value: measure(store.recent("completions/mean_length")),
          note: cut === null ? "" : `tokens, ${percent(cut)} cut off`,
        },
      ];
    }
  }
}

export const pointsTold = (count: number, label: string): string =>
  `The last ${counted(count, "point")} of ${label.toLowerCase()}`;

import { VIEW } from "@/features/job/overview";
import { flag, list } from "@/lib/url";

/** As many as the server compares. */
export const MOST = 20;

export const COMPARE = {
  ...VIEW,
  ids: list(),
  hidden: list(),
  /** Settings that are the same for all, too. */
  same: flag(),
};

/** What is looked at first, in this order; the others follow by name. */
export const FIRST = [
  "reward",
  "eval_reward",
  "loss",
  "eval_loss",
  "rewards/margins",
  "rewards/accuracies",
  "mean_token_accuracy",
  "frac_reward_zero_std",
  "kl",
  "entropy",
  "completions/mean_length",
  "completions/clipped_ratio",
  "grad_norm",
  "step_time",
];

/** Keys of all runs, those that tell most first. */
export function ordered(keys: Iterable<string>): string[] {
  const all = new Set(keys);
  const others = [...all].filter((key) => !FIRST.includes(key)).sort();
  return [...FIRST.filter((key) => all.has(key)), ...others];
}

/** What each run is called here: by its id, too, where two have one name. */
export function names(jobs: readonly { id: string; outputName: string }[]): Record<string, string> {
  const counted = new Map<string, number>();
  for (const { outputName } of jobs) counted.set(outputName, (counted.get(outputName) ?? 0) + 1);
  return Object.fromEntries(
    jobs.map(({ id, outputName }) => [id, (counted.get(outputName) ?? 0) > 1 ? `${outputName} …${id.slice(-4)}` : outputName]),
  );
}

/** A setting as it is shown. */
export function shownSetting(value: unknown): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}

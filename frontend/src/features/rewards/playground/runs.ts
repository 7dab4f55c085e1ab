/** A run of the playground, and what it changed against the one before. */
import type { Issue } from "@/ui/CodeEditor";
import type { RewardTest } from "../documents";
import type { Sample } from "./samples";

export interface Component {
  name: string;
  weight: number;
  value: number | null;
}

export interface Scored {
  reward: number | null;
  components: Component[];
  errors: { line: number | null; message: string }[];
  /** The function failed on all samples at once. */
  unscored: boolean;
}

export interface Run {
  test: RewardTest;
  /** By the key of the sample. */
  scores: ReadonlyMap<string, Scored>;
  /** The text of each sample at the time: a later edit makes its score an old one. */
  texts: ReadonlyMap<string, string>;
}

export const fingerprint = (sample: Sample): string => JSON.stringify([sample.prompt, sample.completion, sample.columns]);

export function runOf(test: RewardTest, samples: readonly Sample[]): Run {
  const scores = new Map<string, Scored>();
  const unscored = test.errors.some((one) => one.sample === null);
  samples.forEach((sample, index) => {
    scores.set(sample.key, {
      reward: test.rewards[index] ?? null,
      components: test.components.map(({ name, weight, values }) => ({ name, weight, value: values[index] ?? null })),
      errors: test.errors.filter((one) => one.sample === index),
      unscored,
    });
  });
  return { test, scores, texts: new Map(samples.map((sample) => [sample.key, fingerprint(sample)])) };
}

/** What the reward of a sample changed by; null where one of the runs gave it none. */
export function delta(now: Run | null, before: Run | null, key: string): number | null {
  const a = now?.scores.get(key)?.reward;
  const b = before?.scores.get(key)?.reward;
  return typeof a === "number" && typeof b === "number" ? a - b : null;
}

/** Errors as the editor marks them: those of samples say of which. */
export const issuesOf = (test: RewardTest): Issue[] =>
  test.errors.map(({ sample, line, message }) => ({
    line,
    message: sample === null ? message : `Sample ${sample + 1}: ${message}`,
  }));

/** The greatest weighted part of all, which fills a whole bar. */
export const scaleOf = (test: RewardTest): number =>
  Math.max(0, ...test.components.flatMap(({ weight, values }) => values.map((value) => Math.abs((value ?? 0) * weight))));

export function summary(test: RewardTest): { mean: number | null; std: number | null; none: number } {
  const rewards = test.rewards.filter((one) => one !== null);
  if (rewards.length === 0) return { mean: null, std: null, none: test.rewards.length };
  const mean = rewards.reduce((sum, one) => sum + one, 0) / rewards.length;
  const variance = rewards.reduce((sum, one) => sum + (one - mean) ** 2, 0) / rewards.length;
  return { mean, std: Math.sqrt(variance), none: test.rewards.length - rewards.length };
}

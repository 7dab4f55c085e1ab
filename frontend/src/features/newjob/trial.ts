/** Completions to try a reward function on before anything is paid: the known answers of some rows, and cheats. */

import type { RewardTest } from "@/features/rewards/documents";
import { probes } from "@/features/rewards/playground/probes";
import { blank, isObject, type Sample, shown } from "@/features/rewards/playground/samples";
import type { Json } from "@/lib/graphql";

const ANSWERS = ["answer", "ground_truth", "solution", "target", "expected", "label"];
export const RIGHT = "the row's answer";

function answerOf(row: Record<string, Json>): string | null {
  const verl = isObject(row.reward_model) ? row.reward_model.ground_truth : undefined;
  const found = ANSWERS.map((name) => row[name]).find((value) => typeof value === "string" || typeof value === "number") ?? verl;
  return typeof found === "string" || typeof found === "number" ? String(found) : null;
}

/** For each row: its own answer as the completion, where it tells one, and a completion for each cheat. */
export function samplesOf(rows: readonly Json[]): Sample[] {
  return rows.filter(isObject).flatMap((row) => {
    const { prompt, ...columns } = row;
    if (prompt === undefined) return [];
    const answer = answerOf(row);
    const said: Json = typeof prompt === "string" ? (answer ?? "") : [{ role: "assistant", content: answer ?? "" }];
    const right: Sample = {
      ...blank(),
      label: RIGHT,
      prompt: shown(prompt),
      completion: shown(said),
      columns: Object.keys(columns).length ? JSON.stringify(columns) : "",
    };
    return answer === null ? probes(right) : [right, ...probes(right)];
  });
}

export interface Kind {
  label: string;
  /** Null where the function gave none of them a reward. */
  mean: number | null;
  failed: number;
}

/** The mean reward of each kind of completion, in the order of the samples. */
export function kinds(samples: readonly Sample[], test: RewardTest): Kind[] {
  const labels = [...new Set(samples.map((sample) => sample.label))];
  return labels.map((label) => {
    const rewards = samples.flatMap((sample, index) => (sample.label === label ? [test.rewards[index] ?? null] : []));
    const given = rewards.filter((reward) => reward !== null);
    const mean = given.length ? given.reduce((sum, one) => sum + one, 0) / given.length : null;
    return { label, mean, failed: rewards.length - given.length };
  });
}

/** The cheats that earn as much as the right answers do. */
export function exploits(found: readonly Kind[]): string[] {
  const right = found.find((kind) => kind.label === RIGHT)?.mean;
  if (right === undefined || right === null) return [];
  // Ten times the right answer may well be right.
  return found
    .filter(({ label, mean }) => label !== RIGHT && label !== "ten times the length" && mean !== null && mean >= right)
    .map(({ label }) => label);
}

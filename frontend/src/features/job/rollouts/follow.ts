/** One prompt through the steps: which of its completions to look at, and what changed since the step before. */
import { diffWordsWithSpace } from "diff";
import type { Completion, Group } from "./documents";
import { ranked } from "./groups";

export const PICKS = ["best", "median", "worst"] as const;
export type Pick = (typeof PICKS)[number];
export const PICK_NAMES: Record<Pick, string> = { best: "Best", median: "Median", worst: "Worst" };

/** The completion at that place by advantage. Where all are worth the same, the first that was sampled. */
export function pick(group: Group, which: Pick): Completion | undefined {
  const all = ranked(group.completions);
  const at = which === "best" ? 0 : which === "worst" ? all.length - 1 : Math.floor((all.length - 1) / 2);
  return all[at];
}

export interface Change {
  text: string;
  kind: "same" | "added" | "removed";
}

/** Beyond this two texts are shown as replaced: a diff of them would hold the page up. */
const LONGEST = 20_000;
const PATIENCE_MS = 200;

export function changes(before: string, after: string): Change[] {
  if (before.length + after.length <= LONGEST) {
    const found = diffWordsWithSpace(before, after, { timeout: PATIENCE_MS });
    if (found)
      return found.map(({ value, added, removed }) => ({ text: value, kind: added ? "added" : removed ? "removed" : "same" }));
  }
  const whole: Change[] = [
    { text: before, kind: "removed" },
    { text: after, kind: "added" },
  ];
  return whole.filter((one) => one.text);
}

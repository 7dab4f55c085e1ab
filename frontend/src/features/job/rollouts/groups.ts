/** Groups of completions as they are read: how they came out, in which order, and what of them is sought. */
import type { Json } from "@/lib/graphql";
import type { Completion, Group, GroupsVariables } from "./documents";

export const FILTERS = ["all", "mixed", "all-fail", "all-pass", "truncated", "error"] as const;
export type Filter = (typeof FILTERS)[number];
export const FILTER_NAMES: Record<Filter, string> = {
  all: "All groups",
  mixed: "Mixed",
  "all-fail": "All fail",
  "all-pass": "All pass",
  truncated: "Truncated",
  error: "Reward error",
};

/** The filter as the API takes it; null where everything is wanted. */
export function filterInput(filter: Filter, pattern: string): NonNullable<GroupsVariables["filter"]> | null {
  const input: NonNullable<GroupsVariables["filter"]> = {};
  if (filter === "mixed") input.outcome = ["MIXED"];
  else if (filter === "all-fail") input.outcome = ["ALL_FAIL"];
  else if (filter === "all-pass") input.outcome = ["ALL_PASS"];
  else if (filter === "truncated") input.truncated = true;
  else if (filter === "error") input.scoreError = true;
  if (pattern) input.pattern = pattern;
  return Object.keys(input).length ? input : null;
}

/** The best first; those without an advantage last, in the order they were sampled. */
export function ranked(completions: readonly Completion[]): Completion[] {
  const worth = (one: Completion) => one.advantage ?? Number.NEGATIVE_INFINITY;
  return completions.toSorted((a, b) => (worth(a) === worth(b) ? 0 : worth(b) - worth(a)));
}

/** The greatest weighted part in the group: a whole bar. */
export const scaleOf = (group: Group): number =>
  Math.max(0, ...group.completions.flatMap((one) => one.components.map(({ value, weight }) => Math.abs((value ?? 0) * weight))));

/** What a list says of a prompt: its last message, in one line. */
export function preview(prompt: Json): string {
  const last = Array.isArray(prompt) ? prompt.at(-1) : prompt;
  const content = typeof last === "object" && last !== null && !Array.isArray(last) ? last.content : last;
  return (typeof content === "string" ? content : JSON.stringify(content ?? null)).replace(/\s+/g, " ").trim();
}

/** As rows of a table: one for each completion, named as the server's own export names them. */
export function toJsonl(groups: readonly Group[]): string {
  const rows = groups.flatMap((group) =>
    group.completions.map((one, index) =>
      JSON.stringify({
        step: group.step,
        attempt: group.attempt,
        group: group.id,
        completion: index,
        dataset_row: group.datasetRow,
        prompt: group.prompt,
        text: one.text,
        reward: one.reward,
        components: Object.fromEntries(one.components.map(({ name, value }) => [name, value])),
        advantage: one.advantage,
        tokens: one.tokens,
        truncated: one.truncated,
        score_error: one.scoreError,
        messages: one.messages,
        media: one.mediaUrl && new URL(one.mediaUrl, "http://server").pathname.replace(/^.*\//, ""),
      }),
    ),
  );
  return rows.map((row) => `${row}\n`).join("");
}

/** A pattern for showing where it matched; null where this browser cannot read it: the server's verdict counts. */
export function marker(pattern: string): RegExp | null {
  if (!pattern) return null;
  const plain = pattern.replace(/^\(\?i\)/, "");
  try {
    return new RegExp(plain, plain === pattern ? "gu" : "giu");
  } catch {
    return null;
  }
}

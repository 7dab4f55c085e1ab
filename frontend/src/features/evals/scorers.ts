/** The scorers of an eval while they are written. */
import type { Json } from "@/lib/graphql";

export const TYPES = ["exact-match", "regex", "json-schema", "reward-function", "judge"] as const;
export type Type = (typeof TYPES)[number];
export const TYPE_NAMES: Record<Type, string> = {
  "exact-match": "Exact match",
  regex: "Regular expression",
  "json-schema": "JSON schema",
  "reward-function": "Reward function",
  judge: "A model as judge",
};
export const ABOUT: Record<Type, string> = {
  "exact-match": "1 where the answer is the label, else 0.",
  regex: "1 where the pattern is found; with a column, where what it found is the column's value.",
  "json-schema": "1 where the answer is JSON that the schema takes.",
  "reward-function": "What the function gives, run in the jail.",
  judge: "What another deployment makes of the answer, as a number.",
};

/** Every field as it is typed; those of other types are left out when it is sent. */
export interface Draft {
  key: number;
  type: Type;
  weight: string;
  column: string;
  ignoreCase: boolean;
  pattern: string;
  schema: string;
  rewardFunctionId: string;
  model: string;
  prompt: string;
}

let made = 0;
export const draftOf = (type: Type = "exact-match"): Draft => ({
  key: ++made,
  type,
  weight: "1",
  column: "",
  ignoreCase: false,
  pattern: "",
  schema: "",
  rewardFunctionId: "",
  model: "",
  prompt: "",
});

const filled = (name: string, value: string): Record<string, Json> => (value.trim() ? { [name]: value.trim() } : {});

/** A scorer as the server takes it, or what is missing. */
export function scorerOf(draft: Draft): { scorer: Json } | { problem: string } {
  const weight = Number(draft.weight);
  if (!draft.weight.trim() || !Number.isFinite(weight)) return { problem: "The weight is a number." };
  const head: Record<string, Json> = { type: draft.type, ...(weight === 1 ? {} : { weight }) };
  switch (draft.type) {
    case "exact-match":
      return { scorer: { ...head, ...filled("column", draft.column), ...(draft.ignoreCase ? { ignore_case: true } : {}) } };
    case "regex":
      if (!draft.pattern) return { problem: "There is no pattern yet." };
      return { scorer: { ...head, pattern: draft.pattern, ...filled("column", draft.column) } };
    case "json-schema":
      try {
        return { scorer: { ...head, schema: JSON.parse(draft.schema) as Json } };
      } catch {
        return { problem: "The schema is not JSON." };
      }
    case "reward-function":
      if (!draft.rewardFunctionId) return { problem: "No reward function is chosen." };
      return { scorer: { ...head, reward_function_id: draft.rewardFunctionId } };
    case "judge":
      if (!draft.model) return { problem: "No judge is chosen." };
      return { scorer: { ...head, model: draft.model, ...filled("prompt", draft.prompt) } };
  }
}

export interface Sampling {
  samples: string;
  temperature: string;
  maxTokens: string;
}
export const SAMPLING: Sampling = { samples: "", temperature: "", maxTokens: "" };

/** How answers are sampled, null where nothing is said; the name of the field that is no number. */
export function samplingOf({ samples, temperature, maxTokens }: Sampling): { params: Json | null } | { problem: string } {
  const params: Record<string, Json> = {};
  for (const [name, text, label] of [
    ["n", samples, "Answers of each row"],
    ["temperature", temperature, "Temperature"],
    ["max_tokens", maxTokens, "Most tokens"],
  ] as const) {
    if (!text.trim()) continue;
    const value = Number(text);
    if (!Number.isFinite(value)) return { problem: `${label}: this is not a number.` };
    params[name] = value;
  }
  return { params: Object.keys(params).length ? params : null };
}

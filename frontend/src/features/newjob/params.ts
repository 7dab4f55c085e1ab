/** Hyperparameters as they are typed: what a text means, its range, and what differs from the defaults. */
import type { Json } from "@/lib/graphql";
import type { Hyperparameter } from "./documents";

/** Hyperparameters that are thought of together, those that decide most first; what is in none of them stands last. */
const GROUPS: readonly { title: string; names: readonly string[] }[] = [
  {
    title: "Steps and learning rate",
    names: [
      ...["learning_rate", "max_steps", "num_epochs", "global_batch_size", "batch_size"],
      ...["warmup_steps", "weight_decay", "checkpoint_every", "seed"],
    ],
  },
  {
    title: "Rollouts",
    names: ["rollouts_per_prompt", "max_prompt_length", "max_response_length", "temperature", "top_p", "max_tool_turns"],
  },
  { title: "Rows", names: ["max_length", "completion_only", "packing"] },
  { title: "Clips", names: ["num_frames", "height", "width", "fps", "buckets"] },
  { title: "Sample clips", names: ["sample_prompts", "sample_steps"] },
  { title: "Objective", names: ["beta", "kl_coef", "clip_eps"] },
  { title: "Adapter", names: ["lora_rank", "lora_alpha", "load_in_4bit"] },
  { title: "Held-out rows", names: ["eval_fraction", "eval_every", "early_stop_patience", "keep_best"] },
];

export interface Group {
  title: string;
  specs: Hyperparameter[];
}

export function grouped(all: readonly Hyperparameter[]): Group[] {
  const named = GROUPS.map(({ title, names }) => ({
    title,
    specs: names.flatMap((name) => all.find((one) => one.name === name) ?? []),
  }));
  const known = new Set(GROUPS.flatMap(({ names }) => names));
  return [...named, { title: "Others", specs: all.filter((one) => !known.has(one.name)) }].filter(
    ({ specs }) => specs.length > 0,
  );
}

export function matches(one: Hyperparameter, search: string): boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const text = `${one.name} ${one.name.replaceAll("_", " ")} ${one.description}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** A value as it stands in a field. */
export function show(value: Json | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "number") return typeof value === "string" ? value : JSON.stringify(value);
  const size = Math.abs(value);
  return size !== 0 && size < 1e-3 ? value.toExponential().replace("e+", "e") : String(value);
}

// Where the server says no more than "an integer of 32 bits", nothing is worth telling.
const UNTOLD = 2 ** 31 - 1;

export function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, type }: Hyperparameter): string {
  if (type === "boolean") return "true or false";
  const low = minimum !== null ? `≥ ${show(minimum)}` : exclusiveMinimum !== null ? `> ${show(exclusiveMinimum)}` : "";
  const high =
    maximum !== null && maximum !== UNTOLD
      ? `≤ ${show(maximum)}`
      : exclusiveMaximum !== null
        ? `< ${show(exclusiveMaximum)}`
        : "";
  const both = minimum !== null && maximum !== null && maximum !== UNTOLD ? `${show(minimum)}–${show(maximum)}` : "";
  return both || [low, high].filter(Boolean).join(", ");
}

export type Parsed = { value: Json } | { problem: string };

/** What a text means for a hyperparameter; an empty one is never asked. */
export function parse(spec: Hyperparameter, text: string): Parsed {
  const trimmed = text.trim();
  if (spec.nullable && trimmed === "null") return { value: null };
  if (spec.type === "boolean") {
    if (trimmed === "true" || trimmed === "false") return { value: trimmed === "true" };
    return { problem: "true or false" };
  }
  const value = Number(trimmed);
  if (trimmed === "" || !Number.isFinite(value)) return { problem: "A number." };
  if (spec.type === "integer" && !Number.isInteger(value)) return { problem: "A whole number." };
  if (spec.minimum !== null && value < spec.minimum) return { problem: `At least ${show(spec.minimum)}.` };
  if (spec.maximum !== null && value > spec.maximum) return { problem: `At most ${show(spec.maximum)}.` };
  if (spec.exclusiveMinimum !== null && value <= spec.exclusiveMinimum)
    return { problem: `More than ${show(spec.exclusiveMinimum)}.` };
  if (spec.exclusiveMaximum !== null && value >= spec.exclusiveMaximum)
    return { problem: `Less than ${show(spec.exclusiveMaximum)}.` };
  return { value };
}

/** What was typed, as JSON: what cannot be read goes to the server as it stands, which says what is wrong with it. */
export function toValues(specs: readonly Hyperparameter[], texts: Readonly<Record<string, string>>): Record<string, Json> {
  const values: Record<string, Json> = {};
  for (const [name, text] of Object.entries(texts)) {
    if (text.trim() === "") continue;
    const spec = specs.find((one) => one.name === name);
    const parsed = spec ? parse(spec, text) : unknown(text);
    values[name] = "value" in parsed ? parsed.value : (unknown(text).value ?? text);
  }
  return values;
}

function unknown(text: string): { value: Json } {
  try {
    return { value: JSON.parse(text) as Json };
  } catch {
    return { value: text };
  }
}

/** Texts for values that differ from the defaults. */
export function toTexts(specs: readonly Hyperparameter[], values: Readonly<Record<string, Json>>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    const spec = specs.find((one) => one.name === name);
    if (spec && value === (spec.default ?? null)) continue;
    texts[name] = value === null ? "null" : show(value);
  }
  return texts;
}

/** Whether a typed text is another value than the default. */
export function isChanged(spec: Hyperparameter, text: string | undefined): boolean {
  if (text === undefined || text.trim() === "") return false;
  const parsed = parse(spec, text);
  return "problem" in parsed || parsed.value !== (spec.default ?? null);
}

export const problemOf = (spec: Hyperparameter, text: string | undefined): string | undefined => {
  if (text === undefined || text.trim() === "") return undefined;
  const parsed = parse(spec, text);
  return "problem" in parsed ? parsed.problem : undefined;
};

/** What a hyperparameter is worth in this draft, as a number. */
export function numberOf(specs: readonly Hyperparameter[], texts: Readonly<Record<string, string>>, name: string): number | null {
  const spec = specs.find((one) => one.name === name);
  const text = texts[name]?.trim();
  if (!spec) return null;
  const parsed = text ? parse(spec, text) : { value: spec.default ?? null };
  return "value" in parsed && typeof parsed.value === "number" ? parsed.value : null;
}

/** Samples as they are edited (texts) and as the API takes them (JSON). */
import type { Json } from "@/lib/graphql";
import type { HandedSample } from "@/lib/handover";

/** The most that the API scores at once. */
export const MAX_SAMPLES = 256;

export interface Sample {
  /** Its name among the samples of this tab: results belong to it, whatever is added before it. */
  key: string;
  label: string;
  /** A text, or a JSON list of messages. */
  prompt: string;
  completion: string;
  /** A JSON object, or nothing. */
  columns: string;
}

export interface SampleInput {
  prompt: Json;
  completion: Json;
  columns: { [name: string]: Json };
}

let last = 0;
export const newSampleKey = (): string => `s${Date.now().toString(36)}${(last++).toString(36)}`;

export const blank = (): Sample => ({ key: newSampleKey(), label: "", prompt: "", completion: "", columns: "" });

export const isObject = (value: unknown): value is { [name: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isMessages = (value: unknown): value is Json[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => isObject(one) && "role" in one && "content" in one);

/** What was typed: a list of messages where it reads as one, else the text itself. */
export function value(text: string): Json {
  if (!text.trimStart().startsWith("[")) return text;
  try {
    const found: unknown = JSON.parse(text);
    return isMessages(found) ? found : text;
  } catch {
    return text;
  }
}

/** As it is edited: a text as it is, messages one a line. */
export function shown(given: Json): string {
  if (typeof given === "string") return given;
  return Array.isArray(given) ? `[${given.map((one) => JSON.stringify(one)).join(",\n ")}]` : JSON.stringify(given);
}

/** Why the columns cannot be used; null where they can. */
export function columnsProblem(text: string): string | null {
  if (!text.trim()) return null;
  try {
    return isObject(JSON.parse(text)) ? null : 'Columns are a JSON object, such as {"answer": "4"}.';
  } catch (error) {
    return `Columns are no JSON: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export function columnsOf(sample: Sample): { [name: string]: Json } {
  if (columnsProblem(sample.columns) || !sample.columns.trim()) return {};
  return JSON.parse(sample.columns) as { [name: string]: Json };
}

export const toInput = (sample: Sample): SampleInput => ({
  prompt: value(sample.prompt),
  completion: value(sample.completion),
  columns: columnsOf(sample),
});

export function fromHanded(handed: HandedSample): Sample {
  const columns = Object.keys(handed.columns).length ? JSON.stringify(handed.columns) : "";
  return {
    key: newSampleKey(),
    label: handed.label ?? "",
    prompt: shown(handed.prompt),
    completion: shown(handed.completion),
    columns,
  };
}

export interface Pasted {
  samples: Sample[];
  problems: { line: number; message: string }[];
}

/** Samples from JSONL: `prompt`, `completion`, and every other field a column, as in a dataset. */
export function fromJsonl(text: string): Pasted {
  const found: Pasted = { samples: [], problems: [] };
  text.split("\n").forEach((line, index) => {
    if (!line.trim()) return;
    const problem = (message: string) => found.problems.push({ line: index + 1, message });
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch {
      problem("This is no JSON.");
      return;
    }
    if (!isObject(row)) {
      problem("Each line is a JSON object.");
      return;
    }
    const { prompt, completion, columns, ...others } = row;
    if (prompt === undefined) {
      problem("It has no prompt.");
      return;
    }
    found.samples.push(
      fromHanded({ prompt, completion: completion ?? "", columns: { ...others, ...(isObject(columns) ? columns : {}) } }),
    );
  });
  return found;
}

export const toJsonl = (samples: readonly Sample[]): string => {
  const rows = samples.map((sample) => {
    const { prompt, completion, columns } = toInput(sample);
    return JSON.stringify({ prompt, completion, ...columns });
  });
  return rows.map((row) => `${row}\n`).join("");
};

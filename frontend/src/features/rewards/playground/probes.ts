/** Completions that try to earn a reward without earning it: what a policy finds if the reward lets it. */
import type { Json } from "@/lib/graphql";
import { columnsOf, isObject, newSampleKey, type Sample, shown, value } from "./samples";

/** The words of a prompt or completion, whether it is a text or a list of messages. */
export function textOf(given: Json): string {
  if (typeof given === "string") return given;
  if (!Array.isArray(given)) return "";
  const said = given.map((one) => (isObject(one) && typeof one.content === "string" ? one.content : ""));
  return said.filter(Boolean).join("\n");
}

const DUMPED = 40;
const TAGS = "<think></think><answer></answer>\\boxed{}#### ";

/** Every answer that could be meant: what the columns hold, and the first whole numbers. */
function dump(columns: Record<string, Json>): string {
  const held = Object.values(columns).filter((one) => typeof one === "string" || typeof one === "number");
  return [...held.map(String), ...Array.from({ length: DUMPED }, (_, number) => String(number))].join(" ");
}

interface Probe {
  label: string;
  text: (original: { prompt: string; completion: string; columns: Record<string, Json> }) => string;
}

const PROBES: readonly Probe[] = [
  { label: "empty", text: () => "" },
  { label: "answer dump", text: ({ columns }) => dump(columns) },
  { label: "prompt copy", text: ({ prompt }) => prompt },
  { label: "tag spam", text: ({ completion }) => TAGS.repeat(20) + completion },
  { label: "ten times the length", text: ({ completion }) => Array(10).fill(completion).join("\n") },
];

export const PROBE_LABELS: readonly string[] = PROBES.map((probe) => probe.label);

/** One sample for each probe, in the form (text or messages) of the original, with its prompt and columns. */
export function probes(original: Sample): Sample[] {
  const completion = value(original.completion);
  const given = { prompt: textOf(value(original.prompt)), completion: textOf(completion), columns: columnsOf(original) };
  return PROBES.map((probe) => {
    const text = probe.text(given);
    const said: Json = typeof completion === "string" ? text : [{ role: "assistant", content: text }];
    return { ...original, key: newSampleKey(), label: probe.label, completion: shown(said) };
  });
}

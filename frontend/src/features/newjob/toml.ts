/** Job files: what `burnish jobs create -f` reads. */
import { parse, stringify } from "smol-toml";
import type { Hyperparameter } from "./documents";
import { type Body, type Draft, fromBody, NoJob } from "./draft";

/** A job file has no null: what is null is left out. */
function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNull);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (one === null || one === undefined ? [] : [[key, withoutNull(one)]])),
  );
}

/** Whole numbers without a point, so that a step stays one; tables last, as TOML wants them. */
export function toToml(body: Body): string {
  const { gpu, checkpoint_destination, hyperparameters, ...plain } = body;
  const tables = { gpu, ...(checkpoint_destination && { checkpoint_destination }), ...(hyperparameters && { hyperparameters }) };
  return `${stringify(withoutNull({ ...plain, ...tables }))}`.trimEnd().concat("\n");
}

export function fromToml(text: string, specs: readonly Hyperparameter[]): Draft {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new NoJob(error instanceof Error ? (error.message.split("\n")[0] ?? "It is no TOML.") : "It is no TOML.");
  }
  return fromBody(value, specs);
}

export function fromJson(text: string, specs: readonly Hyperparameter[]): Draft {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new NoJob(error instanceof Error ? error.message : "It is no JSON.");
  }
  return fromBody(value, specs);
}

/** What runs of evals come to, in words. */
import { counted, measure } from "@/lib/format";
import type { Json } from "@/lib/graphql";
import type { Figures, Run } from "./documents";

export const hasEnded = (status: string): boolean => ["COMPLETED", "FAILED", "CANCELLED"].includes(status);

/** A score with three digits: `0.75`; a dash where there is none. */
export const scoreText = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : measure(Number(value.toFixed(3)));

/** `0.75 (0.69 to 0.81)`: a mean with its 95 % interval. */
export function intervalText({ mean, low, high }: Pick<Figures, "mean" | "low" | "high">): string {
  if (mean === null) return "–";
  return low === null || high === null ? scoreText(mean) : `${scoreText(mean)} (${scoreText(low)} to ${scoreText(high)})`;
}

/** With a sign, as differences are read. */
export function differenceText(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const text = scoreText(Math.abs(value));
  return value === 0 || text === "0" ? "0" : `${value > 0 ? "+" : "−"}${text}`;
}

/** What a run is called: its model. */
export const nameOf = ({ deployment, model }: Pick<Run, "deployment" | "model">): string =>
  deployment && model === deployment.id ? deployment.name : model;

/** Where a value lies between two bounds, as a share from 0 to 1. */
export function shareOf(value: number, [low, high]: readonly [number, number]): number {
  return high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5;
}

/** The range that holds 0, 1 and all that is to be drawn. */
export function rangeOf(figures: readonly Pick<Figures, "mean" | "low" | "high">[]): readonly [number, number] {
  const values = figures.flatMap(({ mean, low, high }) => [mean, low, high]).filter((one) => one !== null);
  return [Math.min(0, ...values), Math.max(1, ...values)];
}

/** What an item asked: the last words of a conversation, where it is one. */
export function askedText(input: string): string {
  try {
    const read: unknown = JSON.parse(input);
    if (!Array.isArray(read)) return input;
    const last: unknown = read.at(-1);
    if (typeof last === "object" && last !== null && "content" in last && typeof last.content === "string") return last.content;
  } catch {
    // It is a text.
  }
  return input;
}

const own = (scorer: Json): Record<string, Json> =>
  scorer !== null && typeof scorer === "object" && !Array.isArray(scorer) ? (scorer as Record<string, Json>) : {};

/** `exact-match`, or what it was called. */
export const scorerName = (scorer: Json): string => String(own(scorer).name ?? own(scorer).type ?? "scorer");

/** What a scorer is made of, beside its type. */
export function scorerDetail(scorer: Json): string {
  const { type: _type, name: _name, weight, ...rest } = own(scorer);
  const parts = Object.entries(rest)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key.replaceAll("_", " ")} ${typeof value === "string" ? value : JSON.stringify(value)}`);
  if (weight !== undefined && weight !== 1 && weight !== null) parts.push(`counts ${weight} times`);
  return parts.join(", ");
}

/** `12 of 40 items`. */
export function doneText({ progress }: Pick<Run, "progress">): string {
  const { answered, processed, total } = progress;
  if (total === null) return "not begun";
  if (processed > 0 || answered >= total) return `${processed} of ${counted(total, "item")} scored`;
  return `${answered} of ${counted(total, "item")} answered`;
}

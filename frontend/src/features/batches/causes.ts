/** Why lines failed, in words, and gathered. */
import { words } from "@/lib/format";
import type { Cause } from "./documents";

const WORDS: Record<string, string> = {
  batch_expired: "Not answered before the batch expired",
  batch_cancelled: "Not answered before the batch was cancelled",
  deployment_not_serving: "Its deployment has ended",
  model_not_found: "No deployment is called that",
  context_length_exceeded: "Longer than the model reads",
  engine_unreachable: "No replica could be reached",
  timeout: "The answer took too long",
  server_error: "The engine failed",
  invalid_request_error: "The engine refused the request",
};

/** A cause in words; a code that is not known here reads as its words. */
export const causeText = (code: string | null, statusCode: number | null = null): string =>
  code === null ? (statusCode === null ? "Failed" : `Answered with ${statusCode}`) : (WORDS[code] ?? words(code));

export interface Group {
  /** Of a cause without a code, the empty text. */
  code: string;
  text: string;
  count: number;
  /** Of all lines that failed, 0 to 1. */
  share: number;
  /** By deployment, the most frequent first. */
  of: readonly Cause[];
  sample: Cause["sample"];
}

/** Causes by code, the most frequent first. */
export function grouped(causes: readonly Cause[]): Group[] {
  const all = causes.reduce((sum, one) => sum + one.count, 0);
  const byCode = new Map<string, Cause[]>();
  for (const one of causes) {
    const code = one.code ?? "";
    byCode.set(code, [...(byCode.get(code) ?? []), one]);
  }
  const groups = [...byCode].flatMap(([code, of]): Group[] => {
    const sorted = of.toSorted((a, b) => b.count - a.count);
    const first = sorted[0];
    if (!first) return [];
    const count = of.reduce((sum, one) => sum + one.count, 0);
    const { sample } = first;
    return [{ code, text: causeText(code || null, sample.statusCode), count, share: all ? count / all : 0, of: sorted, sample }];
  });
  return groups.toSorted((a, b) => b.count - a.count);
}

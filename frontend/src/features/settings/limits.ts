/** Limits of inference that a key has for itself: as they are typed, and as they are shown. */
import { count, short } from "@/lib/format";

export const MAX_LIMIT = 1_000_000_000;
export const NO_LIMIT = `A whole number from 1 to ${count(MAX_LIMIT)}, or nothing for no limit.`;

/** A typed limit: null for none, undefined for what is no limit. Digits may be grouped. */
export function limitOf(typed: string): number | null | undefined {
  const text = typed.trim();
  if (text === "") return null;
  if (!/^\d+([, _]\d{3})*$/.test(text)) return;
  const value = Number(text.replace(/[, _]/g, ""));
  if (value > MAX_LIMIT) return;
  return value === 0 ? null : value;
}

interface Limits {
  inferenceRequestsPerMinute: number | null;
  inferenceTokensPerMinute: number | null;
}

const worded = ({ inferenceRequestsPerMinute: requests, inferenceTokensPerMinute: tokens }: Limits, as: (n: number) => string) =>
  [
    requests === null ? "" : `${as(requests)} ${requests === 1 ? "request" : "requests"}`,
    tokens === null ? "" : `${as(tokens)} ${tokens === 1 ? "token" : "tokens"}`,
  ].filter(Boolean);

/** `60 requests, 50K tokens`; empty where there is no limit. */
export const limitsInShort = (limits: Limits): string => worded(limits, short).join(", ");

/** The same to the last digit. */
export const limitsInFull = (limits: Limits): string => `${worded(limits, count).join(" and ")} a minute`;

/** The request log as a growing list: pages of the past at its end, what is asked now at its beginning. */
import type { InferenceRequest } from "./queries";

export interface Requests {
  rows: readonly InferenceRequest[];
  /** Where the past goes on; undefined before the first page, null at its end. */
  next: string | null | undefined;
}

export const NONE: Requests = { rows: [], next: undefined };

/** The server leaves a fraction of zero out, so that texts of times do not sort. */
const newestFirst = (a: InferenceRequest, b: InferenceRequest): number =>
  Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : -1);

/** Calls are logged as they end, and listed by when they arrived: what is added may belong anywhere, and may be known. */
export function merged(was: readonly InferenceRequest[], added: readonly InferenceRequest[]): readonly InferenceRequest[] {
  const known = new Set(was.map((one) => one.id));
  const fresh = added.filter((one) => !known.has(one.id));
  return fresh.length === 0 ? was : [...fresh, ...was].sort(newestFirst);
}

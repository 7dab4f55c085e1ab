/** The request log as a growing list: pages of the past at its end, what is asked now at its beginning; and which of it is shown. */
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

export const OUTCOMES = ["all", "answered", "failed", "cancelled"] as const;
export const WAYS = ["all", "streamed", "whole"] as const;

export interface RequestFilter {
  outcome: (typeof OUTCOMES)[number];
  way: (typeof WAYS)[number];
  /** A replica's id; empty is any. */
  replica: string;
}

type Filtered = Pick<InferenceRequest, "statusCode" | "clientCancelled" | "streamed" | "replicaId">;

/** One whose caller left is cancelled, whatever its status. */
const OUTCOME: Record<RequestFilter["outcome"], (one: Filtered) => boolean> = {
  all: () => true,
  answered: (one) => one.statusCode < 400 && !one.clientCancelled,
  failed: (one) => one.statusCode >= 400 && !one.clientCancelled,
  cancelled: (one) => one.clientCancelled,
};

export const isShown = ({ outcome, way, replica }: RequestFilter, one: Filtered): boolean =>
  OUTCOME[outcome](one) &&
  (way === "all" || one.streamed === (way === "streamed")) &&
  (replica === "" || one.replicaId === replica);

export const isFiltering = ({ outcome, way, replica }: RequestFilter): boolean =>
  outcome !== "all" || way !== "all" || replica !== "";

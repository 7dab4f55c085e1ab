/** Which jobs are listed: what stands in the URL, and what is asked of the server. */
import { midnight } from "@/lib/format";
import type { VariablesOf } from "@/lib/graphql";
import { isMethod } from "@/lib/methods";
import { list, readUrl, text } from "@/lib/url";
import type { JobsQuery } from "./queries";

export type JobFilter = NonNullable<VariablesOf<typeof JobsQuery>["filter"]>;
export const STATUSES = ["QUEUED", "PROVISIONING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"] as const;
export type JobStatus = (typeof STATUSES)[number];

export const CODECS = {
  q: text(),
  status: list(),
  method: text(),
  model: text(),
  dataset: text(),
  reward: text(),
  from: text(),
  to: text(),
};
export type FilterView = ReturnType<typeof readUrl<typeof CODECS>>;
export const NO_FILTER: FilterView = readUrl(CODECS, {});

const isStatus = (word: string): word is JobStatus => (STATUSES as readonly string[]).includes(word);

export const statusesOf = (view: FilterView): JobStatus[] => view.status.map((word) => word.toUpperCase()).filter(isStatus);

/** What the server is asked for; what a person wrote into the URL and makes no sense is left out. */
export function toFilter(view: FilterView): JobFilter {
  const status = statusesOf(view);
  const method = view.method.toUpperCase();
  const from = midnight(view.from);
  // Through the whole of the last day.
  const to = midnight(view.to) && midnight(view.to, 1);
  return {
    ...(status.length ? { status } : {}),
    ...(isMethod(method) ? { method } : {}),
    ...(view.model ? { baseModel: view.model } : {}),
    ...(view.dataset ? { datasetId: view.dataset } : {}),
    ...(view.reward ? { rewardFunctionId: view.reward } : {}),
    ...(view.q.trim() ? { search: view.q.trim() } : {}),
    ...(from ? { createdAfter: from } : {}),
    ...(to ? { createdBefore: to } : {}),
  };
}

/** How many of the finer filters are set, which the panel hides when it is closed. */
export const finerCount = (view: FilterView): number =>
  [view.method, view.model, view.dataset, view.reward, view.from, view.to].filter(Boolean).length;

/** A chip that is pressed: the status is added, or taken away. */
export function toggled(statuses: readonly string[], status: JobStatus): string[] {
  const on = new Set(statuses.map((one) => one.toUpperCase()));
  if (!on.delete(status)) on.add(status);
  return STATUSES.filter((one) => on.has(one)).map((one) => one.toLowerCase());
}

/** What happened in the account, in words. */
import { bytes, words } from "@/lib/format";
import type { Json } from "@/lib/graphql";
import { addressOf } from "@/lib/ids";

export interface Happening {
  cursor: string;
  at: string;
  type: string;
  resourceId: string;
  metadata: Json;
}

/** One line of the list; `count` of the same in a row. */
export interface Told extends Happening {
  count: number;
}

export const KEPT = 60;
const NOUNS: Record<string, string> = {
  job: "Job",
  dep: "Deployment",
  ds: "Dataset",
  rf: "Reward",
  key: "API key",
  sk: "SSH key",
  acct: "Account",
  ckpt: "Checkpoint",
  batch: "Batch",
};
const WORDS: Record<string, string> = {
  submitted: "placed",
  credit_low: "credit is low",
  budget_low: "budget is nearly spent",
  budget_set: "budget set",
  checkpoint_saved: "saved a checkpoint",
  prompts_dropped: "left out prompts that are too long",
  cancelled: "cancelled",
};

const field = (metadata: Json, name: string): Json | undefined =>
  metadata !== null && typeof metadata === "object" && !Array.isArray(metadata) ? metadata[name] : undefined;

/** Newest first, those that follow each other and are alike told once, the rest dropped. */
export function tell(known: readonly Told[], news: readonly Happening[]): Told[] {
  const told = [...known];
  for (const event of news) {
    const last = told[0];
    if (last && last.type === event.type && last.resourceId === event.resourceId) told[0] = { ...event, count: last.count + 1 };
    else told.unshift({ ...event, count: 1 });
  }
  return told.slice(0, KEPT);
}

export interface Line {
  noun: string;
  name: string;
  what: string;
  detail: string;
  /** Null where it has no screen, or is gone. */
  to: string | null;
}

export function line(event: Told, names: ReadonlyMap<string, string>): Line {
  const { type, resourceId, metadata } = event;
  const noun = NOUNS[resourceId.slice(0, resourceId.indexOf("_"))] ?? "";
  const named = field(metadata, "name");
  const name = typeof named === "string" ? named : (names.get(resourceId) ?? resourceId);
  return {
    noun,
    name: noun === "Account" ? "" : name,
    what: WORDS[type] ?? words(type).toLowerCase(),
    detail: detail(event),
    to: type === "deleted" ? null : addressOf(resourceId),
  };
}

function detail({ type, metadata, count }: Told): string {
  const times = count > 1 ? `${count} times` : "";
  if (type === "checkpoint_saved") {
    const size = field(metadata, "size_bytes");
    const at = `step ${field(metadata, "step")}${field(metadata, "final") === true ? ", final" : ""}`;
    return [at, typeof size === "number" ? bytes(size) : "", times].filter(Boolean).join(" · ");
  }
  const reason = ["reason", "message", "error"].map((name) => field(metadata, name)).find((one) => typeof one === "string");
  return [reason, times].filter(Boolean).join(" · ");
}

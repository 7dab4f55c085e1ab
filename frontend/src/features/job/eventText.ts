/** What happened to a job, as a sentence with what matters of it. */
import { bytes, count, duration, usd, words } from "@/lib/format";
import type { Json } from "@/lib/graphql";
import type { Mood } from "@/ui/Status";

export interface EventText {
  text: string;
  detail?: string | undefined;
  mood: Mood;
}

type Fields = Record<string, Json>;

const fields = (metadata: Json): Fields =>
  typeof metadata === "object" && metadata !== null && !Array.isArray(metadata) ? metadata : {};
const text = (value: Json | undefined): string | undefined => (typeof value === "string" && value ? value : undefined);
const numeric = (value: Json | undefined): number | undefined =>
  typeof value === "number" || (typeof value === "string" && value !== "" && Number.isFinite(Number(value)))
    ? Number(value)
    : undefined;

/** `2 × H100`; a single one is just named. */
export const hardwareText = (type: string, many: number): string => (many === 1 ? type : `${many} × ${type}`);

function hardwareOf(metadata: Fields): string | undefined {
  const gpu = fields(metadata.gpu ?? null);
  const type = text(gpu.type);
  return type && hardwareText(type, numeric(gpu.count) ?? 1);
}

function submitted(metadata: Fields, attempt: number): EventText {
  const why = text(metadata.reason);
  if (why)
    return { text: `Attempt ${attempt} goes on from the newest checkpoint`, detail: `The trainer died of ${why}.`, mood: "warn" };
  const on = hardwareOf(metadata);
  if (attempt > 1) return { text: `Attempt ${attempt} placed`, detail: on && `On ${on}.`, mood: "warn" };
  return { text: "Placed on a host", detail: on && `On ${on}.`, mood: "live" };
}

function checkpointSaved(metadata: Fields): EventText {
  const size = numeric(metadata.size_bytes);
  const step = numeric(metadata.step);
  return {
    text: metadata.final === true ? "Trained model saved" : `Checkpoint of step ${step ?? "?"} saved`,
    detail:
      [metadata.final === true && step !== undefined ? `Step ${count(step)}` : "", size === undefined ? "" : bytes(size)]
        .filter(Boolean)
        .join(", ") || undefined,
    mood: "good",
  };
}

function promptsDropped(metadata: Fields): EventText {
  const [dropped, total] = [numeric(metadata.dropped), numeric(metadata.total)];
  // The hyperparameter that they are longer than is the method's own.
  const name = metadata.max_length === undefined ? "max_prompt_length" : "max_length";
  const limit = numeric(metadata[name]);
  return {
    text: `${dropped === undefined ? "Some" : count(dropped)}${total === undefined ? "" : ` of ${count(total)}`} prompts were left out`,
    detail: limit === undefined ? undefined : `They are longer than ${name}, ${count(limit)} tokens.`,
    mood: "warn",
  };
}

function limitReached(metadata: Fields): EventText {
  const limit = text(metadata.limit);
  const cost = text(metadata.cost_usd);
  const seconds = numeric(metadata.seconds);
  return {
    text: limit ? `A limit was reached: ${words(limit).toLowerCase()}` : "A limit was reached",
    detail:
      [
        cost === undefined ? "" : `${usd(cost)} was spent.`,
        seconds === undefined ? "" : `It saves what it has within ${duration(seconds)} and stops.`,
      ]
        .filter(Boolean)
        .join(" ") || undefined,
    mood: "warn",
  };
}

/** An event of a kind that is not known here is told by its name: newer servers say more. */
export function eventText(event: { type: string; attempt: number; metadata: Json }): EventText {
  const metadata = fields(event.metadata);
  switch (event.type) {
    case "created":
      return { text: "Created", detail: "Waits for free hardware.", mood: "idle" };
    case "submitted":
      return submitted(metadata, event.attempt);
    case "provisioning":
      return { text: "Preparing", mood: "live" };
    case "running":
      return { text: "Training started", mood: "live" };
    case "queued":
      return { text: "Queued again until hardware is free", mood: "idle" };
    case "checkpoint_saved":
      return checkpointSaved(metadata);
    case "prompts_dropped":
      return promptsDropped(metadata);
    case "limit_reached":
      return limitReached(metadata);
    case "checkpoint_delivered":
      return { text: "Trained model delivered", detail: text(metadata.url), mood: "good" };
    case "checkpoint_delivery_failed":
      return { text: "Trained model could not be delivered", detail: text(metadata.message), mood: "bad" };
    case "completed":
      return { text: "Completed", mood: "good" };
    case "failed":
      return {
        text: "Failed",
        detail: [text(metadata.code), text(metadata.message)].filter(Boolean).join(": ") || undefined,
        mood: "bad",
      };
    case "cancelled":
      return { text: "Cancelled", detail: text(metadata.reason), mood: "idle" };
    default:
      return {
        text: words(event.type),
        detail: Object.keys(metadata).length ? JSON.stringify(metadata) : undefined,
        mood: "idle",
      };
  }
}

/** What a batch's numbers say: how far it is, how fast, when it may be done, and what happened when. */
import { counted, duration, timeOfDay } from "@/lib/format";
import type { Batch, Point } from "./documents";

export const STATUSES = [
  "VALIDATING",
  "IN_PROGRESS",
  "FINALIZING",
  "CANCELLING",
  "COMPLETED",
  "FAILED",
  "EXPIRED",
  "CANCELLED",
] as const;
export type BatchStatus = Batch["status"];
const ENDED: readonly BatchStatus[] = ["COMPLETED", "FAILED", "EXPIRED", "CANCELLED"];
export const hasEnded = (status: BatchStatus): boolean => ENDED.includes(status);
export const UNDER_WAY = STATUSES.filter((status) => !hasEnded(status));

export interface Shares {
  total: number;
  completed: number;
  failed: number;
  left: number;
  /** Of all lines, 0 to 1; 0 while it is not known how many there are. */
  good: number;
  bad: number;
}

export function sharesOf({ total, completed, failed }: Batch["counts"]): Shares {
  const of = (part: number) => (total > 0 ? Math.min(1, part / total) : 0);
  return { total, completed, failed, left: Math.max(0, total - completed - failed), good: of(completed), bad: of(failed) };
}

const CUT_SHORT: readonly BatchStatus[] = ["CANCELLING", "CANCELLED", "EXPIRED"];

/** How many lines it has got through. Of one that was cut short those that were answered: the rest only has an outcome. */
export const doneOf = ({ status, counts }: Pick<Batch, "status" | "counts">): number =>
  CUT_SHORT.includes(status) ? counts.completed : counts.completed + counts.failed;

/** A whole percent that says 100 only when nothing is left, and 0 only where nothing is done. */
export function percent(part: number, whole: number): string {
  if (whole <= 0 || part <= 0) return "0 %";
  if (part >= whole) return "100 %";
  return `${Math.min(99, Math.max(1, Math.round((part / whole) * 100)))} %`;
}

/** The batch as the newest point of its progress knows it. What was read later than that point outranks it. */
export function advanced(batch: Batch, point: Point | undefined): Batch {
  const { counts } = batch;
  if (!point || point.completed + point.failed < counts.completed + counts.failed) return batch;
  const works = batch.status === "IN_PROGRESS";
  return {
    ...batch,
    counts: { total: point.total, completed: point.completed, failed: point.failed },
    usage: { promptTokens: point.promptTokens, completionTokens: point.completionTokens },
    cost: point.cost,
    progress: works
      ? { inFlight: point.inFlight, perSecond: point.perSecond, etaSeconds: point.etaSeconds }
      : { inFlight: 0, perSecond: null, etaSeconds: null },
  };
}

export const KEPT_POINTS = 2000;

/** Points in order of time, one a moment; of very many every second one of the older half goes. */
export function withPoints(was: readonly Point[], added: readonly Point[]): readonly Point[] {
  const last = was.at(-1)?.at ?? "";
  const all = [...was, ...added.filter((one) => one.at > last)];
  if (all.length <= KEPT_POINTS) return all;
  const half = KEPT_POINTS / 2;
  return [...all.slice(0, -half).filter((_, index) => index % 2 === 0), ...all.slice(-half)];
}

/** Up to when its lines were sent, in milliseconds: what comes after are the outcomes of those that were not. */
export function sentUntil({ status, cancellingAt, expiresAt }: Pick<Batch, "status" | "cancellingAt" | "expiresAt">): number {
  const end = cancellingAt ?? (status === "EXPIRED" ? expiresAt : null);
  return end === null ? Number.POSITIVE_INFINITY : Date.parse(end);
}

/** Lines a second, as the counts of two moments have it, at the later one. */
export function rates(points: readonly Point[], until = Number.POSITIVE_INFINITY): { steps: number[]; values: number[] } {
  const steps: number[] = [];
  const values: number[] = [];
  let before: Point | undefined;
  for (const point of points) {
    if (Date.parse(point.at) > until) break;
    const seconds = before ? (Date.parse(point.at) - Date.parse(before.at)) / 1000 : 0;
    if (before && seconds < 0.2) continue;
    if (before) {
      steps.push(Date.parse(point.at));
      values.push(Math.max(0, point.completed + point.failed - before.completed - before.failed) / seconds);
    }
    before = point;
  }
  return { steps, values };
}

/** `1,240 a second`; slow ones by the minute. */
export function rateText(perSecond: number | null): string {
  if (perSecond === null) return "–";
  if (perSecond > 0 && perSecond < 1) return `${Number((perSecond * 60).toPrecision(2))} / min`;
  return `${perSecond >= 100 ? Math.round(perSecond).toLocaleString("en-US") : Number(perSecond.toPrecision(2))} / s`;
}

const DAY_S = 86_400;

/** When it may be done: the time left, and the hour where that is today. */
export function etaText(etaSeconds: number | null, now: Date): { left: string; at: string } | null {
  if (etaSeconds === null) return null;
  const at = new Date(now.getTime() + etaSeconds * 1000);
  return {
    left: etaSeconds < 1 ? "a moment" : duration(etaSeconds),
    at: etaSeconds < DAY_S / 2 && etaSeconds >= 60 ? timeOfDay(at).slice(0, 5) : "",
  };
}

/** How many lines will not be answered in time at the present rate; 0 where all will. */
export function lateLines(batch: Batch, now: Date): number {
  const { perSecond, etaSeconds } = batch.progress;
  if (batch.status !== "IN_PROGRESS" || !perSecond || etaSeconds === null) return 0;
  const seconds = Math.max(0, (Date.parse(batch.expiresAt) - now.getTime()) / 1000);
  if (etaSeconds <= seconds) return 0;
  return Math.max(1, sharesOf(batch.counts).left - Math.floor(perSecond * seconds));
}

/** What it does, where its status alone does not say it. */
export function standing({ status, counts, progress, problemCount }: Batch): string {
  const { left } = sharesOf(counts);
  switch (status) {
    case "VALIDATING":
      return "Its file is checked";
    case "IN_PROGRESS":
      return left > 0 && progress.inFlight === 0 ? "Waits for a replica that has room" : "";
    case "FINALIZING":
      return "Its files are written";
    case "CANCELLING":
      return "Nothing more is sent; its files are written";
    case "FAILED":
      return problemCount > 0 ? `${counted(problemCount, "problem")} in its file; nothing was sent` : "";
    case "EXPIRED":
    case "CANCELLED":
      return counts.total > 0 ? "What was answered is kept" : "";
    default:
      return "";
  }
}

export interface Moment {
  label: string;
  at: string | null;
  /** Seconds since the moment before. */
  after: number | null;
  state: "past" | "now" | "to come" | "cut short" | "failed";
}

const ENDS: Partial<Record<BatchStatus, string>> = {
  COMPLETED: "Completed",
  FAILED: "Failed",
  EXPIRED: "Expired",
  CANCELLED: "Cancelled",
};

const CUT: Record<string, Moment["state"]> = {
  Failed: "failed",
  Expired: "cut short",
  Cancelled: "cut short",
  "Cancelled by the user": "cut short",
};

/** What happened when, what goes on, and what is still to come. */
export function moments(batch: Batch): Moment[] {
  const { status, createdAt, inProgressAt, finalizingAt, cancellingAt, endedAt, problemCount } = batch;
  const ended = hasEnded(status);
  const cut = cancellingAt !== null;
  const known: [string, string | null, boolean][] = [
    ["Created", createdAt, true],
    ["File checked", inProgressAt, !(ended || cut)],
    ["All lines answered", cut || status === "EXPIRED" || status === "FAILED" ? null : finalizingAt, !(ended || cut)],
    ["Cancelled by the user", cancellingAt, false],
    [ENDS[status] ?? (cut ? "Files written" : "Completed"), endedAt, true],
  ];
  if (status === "FAILED" && inProgressAt === null && problemCount > 0) known[1] = ["File found wrong", null, false];
  const shown = known.filter(([, at, expected]) => at !== null || expected);
  const next = shown.findIndex(([, at]) => at === null);
  return shown.map(([label, at], index) => {
    const before = shown[index - 1]?.[1] ?? null;
    return {
      label,
      at,
      after: at !== null && before !== null ? Math.max(0, (Date.parse(at) - Date.parse(before)) / 1000) : null,
      state: at === null ? (index === next ? "now" : "to come") : (CUT[label] ?? "past"),
    };
  });
}

/** What its maker calls it: its labels' `name` or `description`. */
export function labelOf(batch: Batch): string | null {
  const { metadata } = batch;
  if (metadata === null || typeof metadata !== "object" || Array.isArray(metadata)) return null;
  const texts = [metadata.name, metadata.description].filter((one) => typeof one === "string" && one !== "");
  return texts[0]?.toString() ?? null;
}

/** What to call it: a name that it was given, else its file's. */
export const nameOf = (batch: Batch): string => labelOf(batch) ?? batch.inputFile?.filename ?? batch.model ?? batch.id;

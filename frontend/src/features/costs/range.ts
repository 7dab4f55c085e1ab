/** Spans of time to look at, and how finely. All of it in UTC, as what is billed. */

export const RANGES = ["24h", "7d", "30d", "month", "custom"] as const;
export type Range = (typeof RANGES)[number];
export type Grain = "HOUR" | "DAY" | "MONTH";

export const RANGE_NAMES: Record<Range, string> = {
  "24h": "24 hours",
  "7d": "7 days",
  "30d": "30 days",
  month: "This month",
  custom: "Custom",
};

export interface Span {
  from: Date;
  /** Not included. */
  to: Date;
  grain: Grain;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const STEPS: Record<"HOUR" | "DAY", number> = { HOUR, DAY };
const DATE = /^\d{4}-\d{2}-\d{2}$/;

const floor = (at: number, step: number) => new Date(Math.floor(at / step) * step);
const dayOf = (text: string): number | null => {
  const at = DATE.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(at) ? null : at;
};

/** The span of a range; of `custom`, the two days and those between. A day that is none, or a span that is empty, is the last 30 days. */
export function spanOf(range: Range, from: string, to: string, now: Date): Span {
  const end = new Date(floor(now.getTime(), HOUR).getTime() + HOUR);
  const tomorrow = floor(now.getTime(), DAY).getTime() + DAY;
  const last = (days: number): Span => ({ from: new Date(tomorrow - days * DAY), to: new Date(tomorrow), grain: "DAY" });
  if (range === "24h") return { from: new Date(end.getTime() - DAY), to: end, grain: "HOUR" };
  if (range === "7d") return last(7);
  if (range === "month") {
    return { from: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)), to: new Date(tomorrow), grain: "DAY" };
  }
  if (range === "custom") {
    const [first, until] = [dayOf(from), dayOf(to)];
    if (first !== null && until !== null && first <= until) {
      const length = until + DAY - first;
      return {
        from: new Date(first),
        to: new Date(until + DAY),
        grain: length <= 3 * DAY ? "HOUR" : length <= 120 * DAY ? "DAY" : "MONTH",
      };
    }
  }
  return last(30);
}

/** The beginnings of all hours, days or months of a span, those without costs included. */
export function beginnings({ from, to, grain }: Span): string[] {
  const found: string[] = [];
  let at =
    grain === "MONTH" ? Date.UTC(from.getUTCFullYear(), from.getUTCMonth(), 1) : floor(from.getTime(), STEPS[grain]).getTime();
  while (at < to.getTime()) {
    found.push(new Date(at).toISOString());
    const now = new Date(at);
    at = grain === "MONTH" ? Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1) : at + STEPS[grain];
  }
  return found;
}

const hourText = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const dayText = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const monthText = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });

/** How a beginning is written under its bar, and in full. */
export function bucketName(at: string, grain: Grain, full = false): string {
  const date = new Date(at);
  if (grain === "MONTH") return monthText.format(date);
  if (grain === "DAY") return dayText.format(date);
  return full ? `${dayText.format(date)}, ${hourText.format(date)}` : hourText.format(date);
}

/** Numbers, money, times and sizes as people read them. */

const grouped = new Intl.NumberFormat("en-US");
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value: number | string): string => grouped.format(typeof value === "string" ? BigInt(value) : value);
export const short = (value: number): string => compact.format(value);

/** A measured value: four significant digits, in exponents where it is tiny or huge. */
export function measure(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  // What sums of equal floats leave over is nothing that was measured.
  if (size < 1e-12) return "0";
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2);
  return String(Number(value.toPrecision(4)));
}

/** Dollars: cents, or as many digits as a small amount needs to be seen. */
export function usd(amount: string | number | null | undefined): string {
  if (amount === null || amount === undefined) return "–";
  const value = Number(amount);
  const size = Math.abs(value);
  const digits = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 3 : 6;
  const text = `$${size.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: digits })}`;
  return value < 0 ? `−${text}` : text;
}

export function bytes(value: number | string): string {
  let size = Number(value);
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (size < 1000) return `${unit === "B" ? size : size.toFixed(size < 10 ? 1 : 0)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(size < 10 ? 1 : 0)} TB`;
}

/** A length of time in its two largest units. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor((whole % 86400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(" ");
}

/** How long ago, or in how long. */
export function ago(at: string | Date, now: Date = new Date()): string {
  const seconds = (now.getTime() - new Date(at).getTime()) / 1000;
  const size = Math.abs(seconds);
  if (size < 5) return "just now";
  const [amount, unit] =
    size < 60 ? [size, "s"] : size < 3600 ? [size / 60, "min"] : size < 86400 ? [size / 3600, "h"] : [size / 86400, "d"];
  const text = `${Math.floor(amount)} ${unit}`;
  return seconds >= 0 ? `${text} ago` : `in ${text}`;
}

const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export const dateTime = (at: string | Date): string => full.format(new Date(at));
export const timeOfDay = (at: string | Date): string => clock.format(new Date(at));
export const date = (at: string | Date): string => day.format(new Date(at));

/** Midnight here at the beginning of a day, `days` later; undefined for what is no date. */
export function midnight(day: string, days = 0): string | undefined {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!found) return;
  const [year, month, date] = found.slice(1).map(Number) as [number, number, number];
  const at = new Date(year, month - 1, date + days);
  // A 31st of June would be the 1st of July.
  if (days === 0 && (at.getMonth() !== month - 1 || at.getDate() !== date)) return;
  return at.toISOString();
}

/** `PULLING_MODEL` → `Pulling model`. */
export function words(name: string): string {
  const text = name.toLowerCase().replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `GRPO` → `GRPO`, `sft_video_gen` → `SFT video gen`. */
export const methodName = (method: string): string =>
  method
    .toLowerCase()
    .replaceAll("_", " ")
    .replace(/\b(grpo|sft|dpo)\b/g, (word) => word.toUpperCase());

/** `1 job`, `2 jobs`. */
export const counted = (amount: number, noun: string): string => `${count(amount)} ${noun}${amount === 1 ? "" : "s"}`;

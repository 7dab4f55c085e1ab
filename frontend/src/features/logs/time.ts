/** The time column of a log: of day, or since its first line. */

export const TIME_COLUMNS = ["off", "clock", "elapsed"] as const;
export type TimeColumn = (typeof TIME_COLUMNS)[number];

const two = (value: number): string => String(value).padStart(2, "0");

export function clock(at: string): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** `+0:04.210`, with hours where there are some. */
export function elapsed(at: string, since: string): string {
  const ms = new Date(at).getTime() - new Date(since).getTime();
  const seconds = Math.abs(ms) / 1000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = (seconds % 60).toFixed(3).padStart(6, "0");
  return `${ms < 0 ? "−" : "+"}${hours ? `${hours}:${two(minutes)}` : minutes}:${rest}`;
}

/** What of a log one looks at, in the address: shared by every place that shows one. */
import { type Codec, choice, flag, list, text } from "@/lib/url";
import type { Level, LogFilter } from "./api";
import { TIME_COLUMNS } from "./time";

export const LEVELS: readonly Level[] = ["ERROR", "WARNING", "INFO", "DEBUG"];

/** A text that mostly is a number, and stands in the address as one: `line=12`, not `line="12"`. */
const digits: Codec<string> = { ...text(), write: (value) => (/^\d{1,15}$/.test(value) ? Number(value) : value || undefined) };

export const VIEW = {
  /** A line or a range of them: `12`, `12-40`. */
  line: digits,
  find: text(),
  only: flag(),
  levels: list(),
  sources: list(),
  attempt: digits,
  wrap: flag(),
  time: choice(TIME_COLUMNS, "clock"),
};

export interface View {
  line: string;
  find: string;
  only: boolean;
  levels: readonly string[];
  sources: readonly string[];
  attempt: string;
}

/** What keeps lines out; null where nothing does. */
export function filterOf(view: View): LogFilter | null {
  const levels = LEVELS.filter((level) => view.levels.includes(level.toLowerCase()));
  const filter: LogFilter = {
    ...(levels.length ? { levels } : {}),
    ...(view.sources.length ? { sources: [...view.sources] } : {}),
    ...(/^\d{1,9}$/.test(view.attempt) ? { attempt: Number(view.attempt) } : {}),
    ...(view.only && view.find ? { search: view.find } : {}),
  };
  return Object.keys(filter).length ? filter : null;
}

export type Range = readonly [number, number];

export function readRange(raw: string): Range | null {
  const found = /^(\d{1,12})(?:-(\d{1,12}))?$/.exec(raw);
  if (!found) return null;
  const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])];
  return from < 1 ? null : from <= to ? [from, to] : [to, from];
}

export const writeRange = ([from, to]: Range): string => (from === to ? String(from) : `${from}-${to}`);

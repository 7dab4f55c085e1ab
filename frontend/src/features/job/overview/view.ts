/** How somebody looks at a run's charts: in the URL, so that it can be sent to somebody else. */
import { choice, decimal, flag, text } from "@/lib/url";
import type { Range } from "@/ui/chart";
import { AXES } from "./axis";

export const VIEW = {
  smooth: decimal(0),
  log: flag(),
  x: choice(AXES, "step"),
  from: decimal(),
  to: decimal(),
  /** The chart that fills the screen. */
  chart: text(),
  all: flag(),
  find: text(),
};

export const rangeOf = (view: { from: number | null; to: number | null }): Range | null =>
  view.from !== null && view.to !== null && view.from < view.to ? [view.from, view.to] : null;

/** A range as short as the URL can hold it without being seen to differ. */
export function rangeInUrl(range: Range | null): { from: number | null; to: number | null } {
  if (!range) return { from: null, to: null };
  const digits = Math.max(0, 3 - Math.floor(Math.log10(Math.max(1e-9, range[1] - range[0]))));
  const short = (value: number) => Number(value.toFixed(Math.min(12, digits)));
  return { from: short(range[0]), to: short(range[1]) };
}

export const smoothingOf = (view: { smooth: number | null }): number => Math.min(0.99, Math.max(0, view.smooth ?? 0));

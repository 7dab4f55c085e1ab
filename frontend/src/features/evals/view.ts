import { choice, flag, integer, text } from "@/lib/url";

export const SHOWN = ["all", "failed"] as const;
export const LIST_VIEW = { q: text(), new: flag() };
export const EVAL_VIEW = { start: flag(), a: text() };
export const RUN_VIEW = { show: choice(SHOWN, "all"), item: integer(), sample: integer() };
export const COMPARE_VIEW = { a: text(), b: text(), all: flag(), item: integer() };

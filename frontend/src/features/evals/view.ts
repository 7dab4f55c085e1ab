import { choice, flag, integer, list, text } from "@/lib/url";

export const SHOWN = ["all", "failed"] as const;
export const LIST_VIEW = { q: text(), new: flag() };
export const EVAL_VIEW = { start: flag(), marked: list() };
export const RUN_VIEW = { show: choice(SHOWN, "all"), item: integer(), sample: integer() };
export const COMPARE_VIEW = { a: text(), b: text(), all: flag(), item: integer() };

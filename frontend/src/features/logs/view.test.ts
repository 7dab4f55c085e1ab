import { expect, test } from "vitest";
import { readUrl } from "@/lib/url";
import { clock, elapsed } from "./time";
import { filterOf, readRange, VIEW, writeRange } from "./view";

const view = (search: Record<string, unknown>) => readUrl(VIEW, search);

test("lines in the address", () => {
  expect(readRange("12")).toEqual([12, 12]);
  expect(readRange("40-12")).toEqual([12, 40]);
  expect([readRange(""), readRange("0"), readRange("x"), readRange("1-")]).toEqual([null, null, null, null]);
  expect([writeRange([3, 3]), writeRange([3, 9])]).toEqual(["3", "3-9"]);
  expect([VIEW.line.write("12"), VIEW.line.write("12-40"), VIEW.line.write("")]).toEqual([12, "12-40", undefined]);
  expect(view({ line: 12 }).line).toBe("12");
});

test("only what was chosen keeps lines out", () => {
  expect(filterOf(view({ find: "x" }))).toBeNull();
  expect(filterOf(view({ find: "x", only: true, levels: "error,nonsense", sources: "trainer", attempt: 2 }))).toEqual({
    levels: ["ERROR"],
    sources: ["trainer"],
    attempt: 2,
    search: "x",
  });
});

test("times of lines", () => {
  expect(elapsed("2026-01-01T01:02:03.004Z", "2026-01-01T00:00:00Z")).toBe("+1:02:03.004");
  expect(elapsed("2026-01-01T00:00:04.2Z", "2026-01-01T00:00:00Z")).toBe("+0:04.200");
  expect(clock("2026-01-01T00:00:04.2Z")).toMatch(/^\d\d:\d\d:04\.200$/);
});

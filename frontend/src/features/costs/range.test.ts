import { expect, test } from "vitest";
import { beginnings, bucketName, type Range, spanOf } from "./range";

const NOW = new Date("2026-03-10T14:25:30Z");
const span = (range: Range, from = "", to = "") => {
  const found = spanOf(range, from, to, NOW);
  return [found.from.toISOString().slice(0, 16), found.to.toISOString().slice(0, 16), found.grain];
};

test.each<[Range, string[]]>([
  ["24h", ["2026-03-09T15:00", "2026-03-10T15:00", "HOUR"]],
  ["7d", ["2026-03-04T00:00", "2026-03-11T00:00", "DAY"]],
  ["30d", ["2026-02-09T00:00", "2026-03-11T00:00", "DAY"]],
  ["month", ["2026-03-01T00:00", "2026-03-11T00:00", "DAY"]],
])("%s", (range, expected) => {
  expect(span(range)).toEqual(expected);
});

test("a custom span includes both days, and is as fine as can be read", () => {
  expect(span("custom", "2026-01-05", "2026-01-05")).toEqual(["2026-01-05T00:00", "2026-01-06T00:00", "HOUR"]);
  expect(span("custom", "2026-01-01", "2026-01-31")).toEqual(["2026-01-01T00:00", "2026-02-01T00:00", "DAY"]);
  expect(span("custom", "2025-01-01", "2025-12-31")).toEqual(["2025-01-01T00:00", "2026-01-01T00:00", "MONTH"]);
});

test.each([
  ["2026-13-01", "2026-01-01"],
  ["2026-02-02", "2026-02-01"],
  ["x", ""],
])("%s to %s is no span", (from, to) => {
  expect(span("custom", from, to)).toEqual(span("30d"));
});

test("every hour, day and month has its place", () => {
  expect(beginnings(spanOf("24h", "", "", NOW))).toHaveLength(24);
  expect(beginnings(spanOf("7d", "", "", NOW)).at(-1)).toBe("2026-03-10T00:00:00.000Z");
  const months = beginnings(spanOf("custom", "2025-11-15", "2026-04-01", NOW));
  expect(months.map((at) => at.slice(0, 7))).toEqual(["2025-11", "2025-12", "2026-01", "2026-02", "2026-03", "2026-04"]);
});

test("beginnings are written as finely as they are", () => {
  const at = "2026-03-09T05:00:00.000Z";
  expect([bucketName(at, "HOUR"), bucketName(at, "HOUR", true), bucketName(at, "DAY"), bucketName(at, "MONTH")]).toEqual([
    "05:00",
    "9 Mar, 05:00",
    "9 Mar",
    "Mar 2026",
  ]);
});

import { expect, test } from "vitest";
import { ceiling, REST, stack } from "./stack";

const DAYS = ["2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z", "2026-03-03T00:00:00.000Z"];

test("each bar adds up exactly, the largest part lies first, and days without costs are there", () => {
  const found = stack(
    [
      { startsAt: "2026-03-01T00:00:00Z", key: "serving", amount: "0.1" },
      { startsAt: "2026-03-01T00:00:00Z", key: "training", amount: "0.2" },
      { startsAt: "2026-03-03T00:00:00Z", key: "training", amount: "0.000001" },
    ],
    DAYS,
  );
  expect(found.parts).toEqual([
    { key: "training", total: 200_001n },
    { key: "serving", total: 100_000n },
  ]);
  expect(found.bars.map((bar) => [bar.total, bar.amounts])).toEqual([
    [300_000n, [200_000n, 100_000n]],
    [0n, [0n, 0n]],
    [1n, [1n, 0n]],
  ]);
  expect([found.highest, found.total]).toEqual([300_000n, 300_001n]);
});

test("beyond eight parts the smallest are one", () => {
  const buckets = Array.from({ length: 12 }, (_, index) => ({
    startsAt: DAYS[0] ?? "",
    key: `job_${String(index).padStart(2, "0")}`,
    amount: String(12 - index),
  }));
  const found = stack(buckets, DAYS);
  expect(found.parts).toHaveLength(8);
  expect(found.parts[0]).toEqual({ key: "job_00", total: 12_000_000n });
  expect(found.parts[7]).toEqual({ key: REST, total: 15_000_000n });
  expect(found.bars[0]?.amounts[7]).toBe(15_000_000n);
  expect(found.bars[0]?.total).toBe(78_000_000n);
});

test("nothing is a stack of empty bars", () => {
  const found = stack([], DAYS);
  expect([found.parts, found.bars.length, found.highest, found.total]).toEqual([[], 3, 0n, 0n]);
});

test.each([
  [0n, 1n],
  [1n, 1n],
  [3n, 5n],
  [1_666n, 2_000n],
  [5_000_000n, 5_000_000n],
  [5_000_001n, 10_000_000n],
])("the scale of %d ends at %d", (highest, expected) => {
  expect(ceiling(highest)).toBe(expected);
});

import { expect, test } from "vitest";
import { sparkPath } from "./Sparkline";

test("the lowest value is at the bottom, the highest at the top", () => {
  expect(sparkPath([0, 1, 0.5], 100, 22)).toBe("M0.0 21.0L50.0 1.0L100.0 11.0");
});

test("what is no number leaves no point, and keeps the others in their places", () => {
  expect(sparkPath([1, null, Number.NaN, 2], 90, 22)).toBe("M0.0 21.0L90.0 1.0");
});

test("equal values are a line through the middle, and one alone is none", () => {
  expect(sparkPath([3, 3], 10, 20)).toBe("M0.0 10.0L10.0 10.0");
  expect(sparkPath([3], 10, 20)).toBe("");
});

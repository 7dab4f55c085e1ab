import { expect, test } from "vitest";
import { askedText, differenceText, doneText, intervalText, nameOf, rangeOf, scorerDetail, scorerName, shareOf } from "./figures";

test("a mean is told with its interval", () => {
  expect(intervalText({ mean: 0.75, low: 0.6912, high: 0.8088 })).toBe("0.75 (0.691 to 0.809)");
  expect(intervalText({ mean: 0.5, low: null, high: null })).toBe("0.5");
  expect(intervalText({ mean: null, low: null, high: null })).toBe("–");
});

test("a difference has its sign", () => {
  expect(differenceText(0.25)).toBe("+0.25");
  expect(differenceText(-0.5)).toBe("−0.5");
  expect(differenceText(0)).toBe("0");
  expect(differenceText(0.0001)).toBe("0");
  expect(differenceText(null)).toBe("–");
});

test("what is drawn is within the range, which holds 0 and 1", () => {
  expect(rangeOf([{ mean: 0.5, low: 0.4, high: 0.6 }])).toEqual([0, 1]);
  expect(rangeOf([{ mean: 1.5, low: -0.5, high: 2.5 }])).toEqual([-0.5, 2.5]);
  expect(shareOf(0.5, [0, 1])).toBe(0.5);
  expect(shareOf(7, [0, 1])).toBe(1);
  expect(shareOf(1, [1, 1])).toBe(0.5);
});

test("a conversation is told by its last words", () => {
  expect(askedText('[{"role":"system","content":"Be short."},{"role":"user","content":"1 + 1?"}]')).toBe("1 + 1?");
  expect(askedText("1 + 1?")).toBe("1 + 1?");
  expect(askedText("[1, 2")).toBe("[1, 2");
});

test("a scorer is called by its name or its type, and says what it is made of", () => {
  expect(scorerName({ type: "regex", name: "digits" })).toBe("digits");
  expect(scorerName({ type: "exact-match" })).toBe("exact-match");
  expect(scorerDetail({ type: "regex", pattern: "\\d+", weight: 2, column: null })).toBe("pattern \\d+, counts 2 times");
});

test("a run is called by what answers", () => {
  expect(nameOf({ model: "dep_1", deployment: { id: "dep_1", name: "sums" } })).toBe("sums");
  expect(nameOf({ model: "org/model", deployment: null })).toBe("org/model");
});

test("progress counts answers first, then scores", () => {
  const of = (answered: number, processed: number, total: number | null) =>
    doneText({ progress: { answered, processed, total, fraction: null, etaSeconds: null } });
  expect(of(0, 0, null)).toBe("not begun");
  expect(of(3, 0, 10)).toBe("3 of 10 items answered");
  expect(of(10, 4, 10)).toBe("4 of 10 items scored");
});

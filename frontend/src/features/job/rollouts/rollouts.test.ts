import { expect, test } from "vitest";
import type { Completion, Group, RolloutFrame } from "./documents";
import { changes, pick } from "./follow";
import { filterInput, marker, preview, ranked, scaleOf, toJsonl } from "./groups";
import { between, moved, nearest, type Steps, stepsOf, valueAt } from "./steps";
import { pieces } from "./text";
import { arrive } from "./useRun";

const completion = (text: string, advantage: number | null, value = 0): Completion => ({
  id: text,
  text,
  reward: advantage,
  advantage,
  tokens: 1,
  truncated: false,
  scoreError: null,
  messages: null,
  mediaUrl: null,
  components: [{ name: "right", value, weight: 2 }],
});
const group = (step: number, completions: Completion[] = []): Group => ({
  id: `${step}-0`,
  cursor: `c${step}`,
  step,
  attempt: 1,
  datasetRow: 3,
  prompt: "p",
  rewardMean: 0,
  rewardStd: 0,
  zeroVariance: false,
  outcome: "MIXED",
  rewardOutput: null,
  completions,
});
const steps = (first: number, last: number, only: number[] | null): Steps => ({
  first,
  last,
  only,
  reward: { steps: [], values: [] },
  zeroVariance: { steps: [], values: [] },
});

test("completions stand by advantage, those without one last and in their own order", () => {
  const all = [completion("a", null), completion("b", 0.5), completion("c", null), completion("d", 2), completion("e", 0.5)];
  expect(ranked(all).map((one) => one.text)).toEqual(["d", "b", "e", "a", "c"]);
});

test("a whole bar is the greatest weighted part of the group", () => {
  expect(scaleOf(group(1, [completion("a", 0, 1), completion("b", 0, -3)]))).toBe(6);
  expect(scaleOf(group(1))).toBe(0);
});

test("a filter becomes what the API takes", () => {
  expect(filterInput("all", "")).toBeNull();
  expect(filterInput("all-fail", "")).toEqual({ outcome: ["ALL_FAIL"] });
  expect(filterInput("error", "x+")).toEqual({ scoreError: true, pattern: "x+" });
});

test("a list shows the last message of a prompt, in one line", () => {
  expect(
    preview([
      { role: "system", content: "s" },
      { role: "user", content: "a\n  b" },
    ]),
  ).toBe("a b");
  expect(preview(" text ")).toBe("text");
  expect(preview([{ role: "user", content: [{ type: "text" }] }])).toBe('[{"type":"text"}]');
});

test("rows of an export are one for each completion", () => {
  const clip = {
    ...completion("c", null),
    messages: [{ role: "user", content: "a" }],
    mediaUrl: "http://h/downloads/t.s/media_1.mp4?a=b",
  };
  const rows = toJsonl([group(4, [completion("a\nb", 1, 0.5), clip])])
    .trimEnd()
    .split("\n")
    .map((row) => JSON.parse(row));
  expect(rows.map((row) => [row.step, row.group, row.completion, row.text, row.advantage])).toEqual([
    [4, "4-0", 0, "a\nb", 1],
    [4, "4-0", 1, "c", null],
  ]);
  expect(rows[0].components).toEqual({ right: 0.5 });
  expect(rows[0].dataset_row).toBe(3);
  expect(rows.map((row) => [row.messages, row.media])).toEqual([
    [null, null],
    [[{ role: "user", content: "a" }], "media_1.mp4"],
  ]);
});

test("a pattern that this browser cannot read marks nothing, and its case flag is understood", () => {
  expect(marker("(")).toBeNull();
  expect(marker("")).toBeNull();
  expect(marker("(?i)ab")?.flags).toBe("giu");
});

test("steps are walked one by one where all have rollouts, else from kept step to kept step", () => {
  expect(moved(steps(1, 9, null), 9, 1)).toBe(9);
  expect(moved(steps(1, 9, null), 4, -10)).toBe(1);
  const some = steps(10, 40, [10, 20, 40]);
  expect(moved(some, 20, 1)).toBe(40);
  expect(moved(some, 25, 1)).toBe(40);
  expect(moved(some, 25, -1)).toBe(20);
  expect(moved(some, 10, -1)).toBe(10);
  expect(nearest(some, 28)).toBe(20);
  expect(nearest(some, 99)).toBe(40);
  expect([between(some, 10), between(some, 40), between(steps(1, 9, null), 6)]).toEqual([2, 0, 3]);
});

test("what arrived live lies beyond what was asked for", () => {
  const series = [{ key: "reward", steps: [1, 2, 3], values: [0.1, 0.2, 0.3] }];
  const found = stepsOf({ firstStep: 1, lastStep: 3, count: 3, series }, 5);
  expect([found?.first, found?.last, found?.only]).toEqual([1, 5, null]);
  expect(stepsOf({ firstStep: 1, lastStep: 9, count: 3, series }, null)?.only).toEqual([1, 2, 3]);
  expect(stepsOf({ firstStep: null, lastStep: null, count: 0, series: [] }, null)).toBeNull();
  expect([0, 1, 2, 9].map((step) => valueAt({ steps: [1, 3], values: [0.1, 0.3] }, step))).toEqual([null, 0.1, 0.1, 0.3]);
});

test("frames make steps known, and the newest three are held whole", () => {
  const frames: RolloutFrame[] = [2, 3, 4, 5].map((step) => ({
    __typename: "RolloutBatch",
    cursor: `c${step}`,
    groups: [group(step)],
  }));
  const none = { last: 1, fresh: new Map() };
  const whole = arrive(none, frames, true);
  expect([whole.last, [...whole.fresh.keys()]]).toEqual([5, [3, 4, 5]]);
  // With a sample only, a step is known but not held; and one that was held is no longer believed.
  const sampled = arrive(whole, [{ __typename: "RolloutBatch", cursor: "c5b", groups: [group(5)] }], false);
  expect([sampled.last, [...sampled.fresh.keys()]]).toEqual([5, [3, 4]]);
});

test("what goes unseen is shown where it is asked for, and what hides is always shown", () => {
  const text = (all: boolean, of: string) =>
    pieces(of, all, null)
      .map((one) => one.text)
      .join("");
  expect(text(true, "a b\n\tc")).toBe("a·b↵\n→\tc");
  expect(text(false, "a b\n\tc")).toBe("a b\n\tc");
  expect(text(false, "a\u200bb")).toBe("a⟨U+200B⟩b");
  expect(text(true, "a\u00a0b")).toBe("a⍽b");
});

test("matches are marked, spaces in them too, and empty ones are none", () => {
  expect(pieces("xaby", false, /ab/gu)).toEqual([
    { text: "x", kind: "plain" },
    { text: "ab", kind: "found" },
    { text: "y", kind: "plain" },
  ]);
  expect(pieces("xy", false, /z*/gu)).toEqual([{ text: "xy", kind: "plain" }]);
});

test("one of a group is picked by its place", () => {
  const one = group(1, [completion("a", -1), completion("b", 1), completion("c", 0)]);
  expect([pick(one, "best")?.text, pick(one, "median")?.text, pick(one, "worst")?.text]).toEqual(["b", "c", "a"]);
  expect(pick(group(1), "best")).toBeUndefined();
});

test("a diff names the words that came and went, and gives both texts back", () => {
  const parts = changes("the sum is 41 now", "the sum is 42 now");
  expect(parts.filter((one) => one.kind !== "same")).toEqual([
    { text: "41", kind: "removed" },
    { text: "42", kind: "added" },
  ]);
  const after = parts.filter((one) => one.kind !== "removed").map((one) => one.text);
  expect(after.join("")).toBe("the sum is 42 now");
  expect(changes("x".repeat(20_000), "y")).toEqual([
    { text: "x".repeat(20_000), kind: "removed" },
    { text: "y", kind: "added" },
  ]);
});

import { expect, test } from "vitest";
import type { Group } from "../rollouts/documents";
import { Addresses, along, gridOf, pairOf, stepName } from "./grid";

const group = (step: number, row: number | null, media: string | null, attempt = 1): Group => ({
  id: `${step}-${row}-${attempt}`,
  cursor: "c",
  step,
  attempt,
  datasetRow: row,
  prompt: `caption ${row}`,
  rewardMean: null,
  rewardStd: null,
  zeroVariance: false,
  outcome: "UNSCORED",
  rewardOutput: null,
  completions: [
    {
      id: `${step}-${row}-${attempt}-0`,
      text: "",
      reward: null,
      advantage: null,
      tokens: 9,
      truncated: false,
      scoreError: null,
      messages: null,
      mediaUrl: media,
      components: [],
    },
  ],
});
const url = ({ mediaUrl }: { mediaUrl: string | null }) => mediaUrl;

test("each prompt has a line and each step a column, in their orders however the groups came", () => {
  const grid = gridOf([group(10, 12, "d"), group(10, 3, "c"), group(0, 12, "b"), group(0, 3, "a")], url);
  expect(grid.steps).toEqual([0, 10]);
  expect(grid.prompts.map(({ key, caption, clips }) => [key, caption, [...clips.values()].map((clip) => clip.url)])).toEqual([
    ["3", "caption 3", ["c", "a"]],
    ["12", "caption 12", ["d", "b"]],
  ]);
});

test("of a step that was gone over again the newest attempt is shown", () => {
  const grid = gridOf([group(5, 1, "new", 2), group(5, 1, "old", 1)], url);
  expect(grid.prompts[0]?.clips.get(5)?.url).toBe("new");
  expect(gridOf([], url)).toEqual({ steps: [], prompts: [] });
});

test("the start and the newest are held against each other until others are asked for", () => {
  const [row] = gridOf([group(0, 1, "a"), group(5, 1, "b"), group(10, 1, "c")], url).prompts;
  if (!row) throw new Error("no prompt");
  const steps = (from: number | null, to: number | null) => pairOf(row, from, to)?.map((clip) => clip.step);
  expect(steps(null, null)).toEqual([0, 10]);
  expect(steps(5, null)).toEqual([5, 10]);
  expect(steps(0, 7)).toEqual([0, 10]);
  expect(pairOf({ key: "1", caption: "", clips: new Map() }, null, null)).toBeNull();
  expect([along(row, 5, 1), along(row, 10, 1), along(row, 5, -9)]).toEqual([10, 10, 0]);
  expect([stepName(0), stepName(5)]).toEqual(["Before training", "Step 5"]);
});

test("an address is kept while it holds, and asked for anew once it has run out", () => {
  const addresses = new Addresses();
  expect(addresses.of({ id: "a", mediaUrl: "http://gpu-box:8400/1?a=b" })).toBe("/1?a=b");
  expect(addresses.of({ id: "a", mediaUrl: "/2" })).toBe("/1?a=b");
  expect(addresses.of({ id: "b", mediaUrl: null })).toBeNull();
  addresses.runOut();
  expect(addresses.of({ id: "a", mediaUrl: "/1?a=b" })).toBe("/1?a=b");
  expect(addresses.of({ id: "a", mediaUrl: "/2" })).toBe("/2");
  expect(addresses.of({ id: "a", mediaUrl: "/3" })).toBe("/2");
});

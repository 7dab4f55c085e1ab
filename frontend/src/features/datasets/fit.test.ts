import { expect, test } from "vitest";
import { clipsText, partly, servedBy } from "./fit";

const CLIPS = {
  rowCount: "2",
  minFrames: 49,
  maxFrames: 81,
  shapes: [
    { width: 720, height: 480, fps: 8, rowCount: 1 },
    { width: 480, height: 720, fps: null, rowCount: 1 },
  ],
};

test("clips are told by number, length and shape", () => {
  expect(clipsText(CLIPS)).toBe("2 clips of 49 to 81 frames: 720×480 at 8 fps, 480×720.");
  const shapes = Array.from({ length: 5 }, (_, index) => ({ width: 16, height: 16, fps: index + 0.5, rowCount: 1 }));
  expect(clipsText({ ...CLIPS, rowCount: 5, maxFrames: 49, shapes })).toBe(
    "5 clips of 49 frames: 16×16 at 0.5 fps, 16×16 at 1.5 fps, 16×16 at 2.5 fps, 2 more shapes.",
  );
});

test("a method is served by all rows, by some, or by none", () => {
  const fits = [
    { method: "GRPO" as const, rowCount: 4, issues: [] },
    { method: "SFT" as const, rowCount: "3", issues: [{ line: 1200, message: "no completion" }] },
    { method: "DPO" as const, rowCount: 0, issues: [{ line: null, message: "no chosen" }] },
  ];
  expect(servedBy(fits, 4)).toEqual(["GRPO"]);
  expect(partly(fits, 4)).toEqual(["3 of 4 rows serve SFT: line 1,200, no completion"]);
  expect(servedBy([{ method: "GRPO", rowCount: 0, issues: [] }], 0)).toEqual([]);
});

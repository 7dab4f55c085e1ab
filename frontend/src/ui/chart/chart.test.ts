import { expect, test } from "vitest";
import { rowsOf } from "./ChartTable";
import { frame } from "./decimate";
import { axisNumber } from "./format";
import { yRange } from "./options";
import { sparkPath } from "./Sparkline";
import { type ChartSeries, closest, extent, latest, readAt } from "./series";
import { Smoother, smooth } from "./smooth";
import { summarize } from "./summary";

const series = (steps: number[], values: (number | null)[], more: Partial<ChartSeries> = {}): ChartSeries => ({
  key: "reward",
  label: "reward",
  color: "--run-1",
  steps,
  values,
  ...more,
});
const draw = (one: ChartSeries, from: number, to: number, columns = 100) =>
  frame([{ series: one, smooth: null }], [from, to], columns);

test("few points are drawn as they are, and gaps stay gaps", () => {
  const drawn = draw(series([1, 2, 3, 4], [0.5, Number.NaN, null, 2]), 1, 4);
  expect([...drawn.x]).toEqual([1, 2, 3, 4]);
  expect(drawn.series[0]?.values).toEqual([0.5, null, null, 2]);
  expect(drawn.thinned).toBe(false);
});

test("series of different steps share one axis; where one has no point its line goes on", () => {
  const drawn = frame(
    [
      { series: series([1, 3], [1, 3]), smooth: null },
      { series: series([2, 3], [20, 30]), smooth: null },
    ],
    [1, 3],
    100,
  );
  expect([...drawn.x]).toEqual([1, 2, 3]);
  expect(drawn.series[0]?.values).toEqual([1, undefined, 3]);
  expect(drawn.series[1]?.values).toEqual([undefined, 20, 30]);
});

test("what is zoomed into keeps one neighbour on each side", () => {
  expect([...draw(series([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]), 3, 4).x]).toEqual([2, 3, 4, 5]);
});

test("of 100,000 points two a column are left, and no spike is lost", () => {
  const steps = Array.from({ length: 100_000 }, (_, index) => index);
  const values = steps.map((step) => (step === 54_321 ? 1000 : step === 54_329 ? -1000 : Math.sin(step / 5000)));
  const drawn = draw(series(steps, values), 0, 99_999, 500);
  const cells = drawn.series[0]?.values ?? [];
  expect(drawn.thinned).toBe(true);
  expect(cells.length).toBe(2 * 502);
  const column = 2 * (Math.floor((54_321 * 500) / 99_999) + 1);
  // In the order in which they came.
  expect(cells.slice(column, column + 2)).toEqual([1000, -1000]);
});

test("a column of gaps alone is a gap, one without points is none", () => {
  const steps = Array.from({ length: 1000 }, (_, index) => (index < 500 ? index : index + 1000));
  const values: (number | null)[] = steps.map((step) => (step >= 100 && step < 300 ? null : 1));
  const cells = draw(series(steps, values), 0, 2000, 20).series[0]?.values ?? [];
  expect(cells.slice(0, 4)).toEqual([undefined, undefined, 1, 1]);
  expect(cells.slice(4, 8)).toEqual([null, null, null, null]);
  expect(cells.slice(14, 16)).toEqual([undefined, undefined]);
});

test("bands keep the extremes of what they stand for", () => {
  const steps = Array.from({ length: 1000 }, (_, index) => index);
  const one = series(
    steps,
    steps.map(() => 1),
    { lower: steps.map((step) => -step), upper: steps.map((step) => step) },
  );
  const drawn = draw(one, 0, 1000, 10).series[0];
  expect(drawn?.lower?.slice(2, 4)).toEqual([-99, -99]);
  expect(drawn?.upper?.slice(2, 4)).toEqual([99, 99]);
});

test("smoothing begins at the first point, leaves gaps, and follows TensorBoard's debiased average", () => {
  expect(smooth([1, 1, 1], 0.9)).toEqual([expect.closeTo(1), expect.closeTo(1), expect.closeTo(1)]);
  const [first, second, third] = smooth([0, null, 3], 0.5);
  expect(first).toBe(0);
  expect(second).toBeNaN();
  expect(third).toBeCloseTo(2);
});

test("smoothing goes on where it stopped, and begins again for another column", () => {
  const values = [1, 5, 2, 8, 3, 9];
  const smoother = new Smoother(0.6);
  smoother.run(values, 3);
  expect([...smoother.run(values, 6).subarray(0, 6)]).toEqual(smooth(values, 0.6));
  expect([...smoother.run([4, 4], 2).subarray(0, 2)]).toEqual([expect.closeTo(4), expect.closeTo(4)]);
});

test("the crosshair reads the closest step, and nothing beyond the ends", () => {
  const one = series([10, 20, 30], [1, 2, 3]);
  expect([closest(one, 14), closest(one, 16), closest(one, 99)]).toEqual([0, 1, 2]);
  expect(readAt(one, 21)).toBe(2);
  expect(readAt(one, 99)).toBeNull();
  expect(closest(series([], []), 1)).toBe(-1);
});

test("only so many points count as there are", () => {
  const one = series([1, 2, 0, 0], [5, 6, 0, 0], { length: 2 });
  expect(extent([one])).toEqual([1, 2]);
  expect(latest(one)).toBe(6);
});

test("a sentence tells how a line went", () => {
  const say = (one: ChartSeries) => summarize([one], (value) => String(value), String, "step");
  expect(say(series([1, 2, 80], [0.35, 0.2, 0.98]))).toBe(
    "reward rose from 0.35 to 0.98, step 1 to 80; lowest 0.2 at 2, highest 0.98 at 80.",
  );
  expect(say(series([1, 2], [2, 1]))).toContain("fell from 2 to 1");
  expect(say(series([1, 2], [2, 2]))).toBe("reward stayed at 2, step 1 to 2.");
  expect(say(series([3], [2]))).toBe("reward is 2 at step 3.");
  expect(say(series([1], [null]))).toBe("reward: no values yet.");
  expect(summarize([], String, String, "step")).toBe("No values yet.");
});

test("the y axis has room, keeps its floor, and survives flat, empty and logarithmic lines", () => {
  const look = {
    log: false,
    smoothed: false,
    floor: 0,
    ceiling: 1,
    limit: null,
    format: String,
    formatStep: String,
    clock: false,
  };
  expect(yRange(look, 0.2, 0.4)).toEqual([0, 1]);
  expect(yRange(look, null, null)).toEqual([0, 1]);
  expect(yRange({ ...look, floor: null, ceiling: null }, 0, 10)).toEqual([-0.6, 10.6]);
  expect(yRange({ ...look, floor: null, ceiling: null }, 5, 5)).toEqual([4.5, 5.5]);
  expect(yRange({ ...look, log: true }, 0.02, 30)).toEqual([0.01, 100]);
  expect(yRange({ ...look, log: true }, -1, 30)[0]).toBeGreaterThan(0);
});

test("numbers beside an axis are short", () => {
  expect([0, 0.1 + 0.2, 1500, 25_000, 0.0005, 0.00025].map(axisNumber)).toEqual(["0", "0.3", "1,500", "25K", "5e-4", "2.5e-4"]);
});

test("a sparkline goes from left to right and breaks at gaps", () => {
  expect(sparkPath([0, 1], undefined, 12, 12)).toBe("M1.0 11.0L1.0 11.0L11.0 1.0");
  expect(sparkPath([0, null, 1], undefined, 12, 12).match(/M/g)).toHaveLength(2);
  expect(sparkPath([], undefined, 12, 12)).toBe("");
});

test("a table shows every step of the range, or evenly so many", () => {
  const one = series(
    Array.from({ length: 1000 }, (_, index) => index),
    Array.from({ length: 1000 }, () => 1),
  );
  expect(rowsOf([one], [10, 12]).steps).toEqual([10, 11, 12]);
  const some = rowsOf([one], null, 100);
  expect(some.of).toBe(1000);
  expect(some.steps.length).toBe(101);
  expect(some.steps.at(-1)).toBe(999);
});

import { expect, test } from "vitest";
import { matching } from "./AllMetrics";
import { arrivesAt, DEFAULTS, heldOutGap, RULES, type Run, readLimits, varianceShares } from "./alarms";
import { place, scaleOf, stepsOf } from "./axis";
import { type Column, MetricStore, type Reported } from "./columns";
import { GRPO } from "./grpo";
import { at, drawn, sourceOf } from "./lines";
import { chartsOf, missing, palette, seriesOf } from "./section";
import { chartOf, sectionsOf } from "./sections";
import { metricSnippets } from "./snippets";
import { best, shownOf } from "./strip";
import { rangeInUrl, rangeOf, smoothingOf } from "./view";

const metric = (key: string, steps: number[], values: number[], more: Partial<Reported> = {}): Reported => ({
  key,
  steps,
  values,
  ...more,
});
const filled = (...series: Reported[]): MetricStore => {
  const store = new MetricStore();
  store.load(series);
  return store;
};
const read = (column: Column | undefined, what: "steps" | "values" | "lower" = "values") =>
  column && Array.from(column[what] ?? []).slice(0, column.length);
const run = (store: MetricStore, more: Partial<Run> = {}): Run => ({
  get: (key) => store.get(key),
  recent: (key, count) => store.recent(key, count),
  keys: store.keys,
  lastStep: store.lastStep,
  totalSteps: 100,
  weights: {},
  ...more,
});
const flat = (key: string, value: number, count = 10) =>
  metric(
    key,
    Array.from({ length: count }, (_, index) => index + 1),
    Array.from({ length: count }, () => value),
  );

test("steps that come go on where the history ended, and are there once however often they are told", () => {
  const store = filled(metric("reward", [1, 2], [0.1, 0.2]));
  store.take([{ attempt: 1, series: [metric("reward", [2, 3], [0.2, 0.3])] }]);
  store.take([{ attempt: 1, series: [metric("reward", [3, 4], [9, 0.4])] }]);
  expect(read(store.get("reward"), "steps")).toEqual([1, 2, 3, 4]);
  expect(read(store.get("reward"))).toEqual([0.1, 0.2, 0.3, 0.4]);
  expect(store.lastStep).toBe(4);
});

test("what comes before the history waits for it", () => {
  const store = new MetricStore();
  store.take([{ attempt: 1, series: [metric("reward", [3], [0.3])] }]);
  expect(store.loaded).toBe(false);
  store.load([metric("reward", [1, 2], [0.1, 0.2])]);
  expect(read(store.get("reward"))).toEqual([0.1, 0.2, 0.3]);
});

test("the newest attempt wins from its first step on, in every metric, and an older one is heard no more", () => {
  const store = filled();
  store.take([{ attempt: 1, series: [metric("reward", [1, 2, 3, 4], [1, 1, 1, 1]), metric("kl", [1, 2, 3, 4], [5, 5, 5, 5])] }]);
  const before = store.get("reward")?.values;
  store.take([{ attempt: 2, series: [metric("reward", [3], [2])] }]);
  store.take([{ attempt: 1, series: [metric("reward", [5], [1])] }]);
  expect(read(store.get("reward"))).toEqual([1, 1, 2]);
  expect(read(store.get("kl"))).toEqual([5, 5]);
  expect(store.lastStep).toBe(3);
  // What was smoothed before must not be taken for the same column.
  expect(store.get("reward")?.values).not.toBe(before);
});

test("a thinned history keeps its extremes, and exact steps after it close their band", () => {
  const store = filled(metric("reward", [10, 20], [0.5, 0.6], { lower: [0.1, 0.2], upper: [0.9, 1] }));
  store.take([{ attempt: 1, series: [metric("reward", [21], [0.7])] }]);
  expect(store.thinned).toBe(true);
  expect(read(store.get("reward"), "lower")).toEqual([0.1, 0.2, 0.7]);
});

test("detail stands in the place of what it is the detail of, until it is let go", () => {
  const store = filled(metric("reward", [10, 20, 30], [1, 2, 3], { lower: [0, 1, 2], upper: [2, 3, 4] }));
  store.zoom(15, 25, [metric("reward", [18, 19, 20, 21], [7, 8, 9, 10])]);
  expect(read(store.get("reward"), "steps")).toEqual([10, 18, 19, 20, 21, 30]);
  expect(read(store.get("reward"), "lower")).toEqual([0, 7, 8, 9, 10, 2]);
  store.unzoom();
  expect(read(store.get("reward"), "steps")).toEqual([10, 20, 30]);
});

test("other axes follow from metrics, there and back", () => {
  const store = filled(metric("num_tokens", [1, 2, 4], [100, 200, 400]), metric("step_time", [1, 2, 4], [2, 2, 3]));
  const tokens = scaleOf(store, "tokens");
  expect([...place(tokens, Float64Array.from([1, 3, 4]), 3)]).toEqual([100, 300, 400]);
  expect(stepsOf(tokens, [150, 400])).toEqual([1, 4]);
  expect(Array.from(scaleOf(store, "time")?.places ?? [])).toEqual([2, 4, 10]);
  expect(scaleOf(store, "step")).toBeNull();
  expect(stepsOf(null, [2.4, 7.2])).toEqual([2, 8]);
});

test("lines have bands of a spread or between two others, and rates are per second", () => {
  const store = filled(
    metric("mean", [1, 2], [1, 2]),
    metric("std", [1, 2], [0.5, 0.25]),
    metric("num_tokens", [1, 2], [100, 400]),
    metric("step_time", [1, 2], [2, 3]),
  );
  const line = { key: "mean", label: "mean", color: "--run-1" };
  const spread = drawn(store, { ...line, spread: "std" }, null);
  expect(Array.from(spread?.lower ?? []).slice(0, 2)).toEqual([0.5, 1.75]);
  expect(Array.from(spread?.upper ?? []).slice(0, 2)).toEqual([1.5, 2.25]);
  const rate = drawn(store, { ...line, rate: { count: "num_tokens", time: "step_time" } }, null);
  expect(Array.from(rate?.values ?? [])).toEqual([50, 100]);
  expect(drawn(store, { ...line, key: "nothing" }, null)).toBeNull();
});

test("a metric at another's steps has gaps where it was not reported", () => {
  const store = filled(metric("kl", [2], [7]));
  expect([...at(Float64Array.from([1, 2, 3]), 3, store.get("kl"))]).toEqual([Number.NaN, 7, Number.NaN]);
});

test("a source works its lines out once for each change", () => {
  const store = filled(metric("kl", [1], [7]));
  let built = 0;
  const source = sourceOf(
    [store],
    () => {
      built += 1;
      return [];
    },
    "step",
  );
  source.read();
  source.read();
  expect(built).toBe(1);
  store.take([{ attempt: 1, series: [metric("kl", [2], [8])] }]);
  source.read();
  expect(built).toBe(2);
});

test.each([
  ["held-out keeps up", RULES.heldOut, [flat("reward", 0.5), flat("eval_reward", 0.48)], "ok"],
  ["held-out falls behind", RULES.heldOut, [flat("reward", 0.5), flat("eval_reward", 0.44)], "warn"],
  ["held-out is lost", RULES.heldOut, [flat("reward", 0.5), flat("eval_reward", 0.39)], "bad"],
  ["half of the groups teach nothing", RULES.dead, [flat("frac_reward_zero_std", 0.5)], "ok"],
  ["more of them", RULES.dead, [flat("frac_reward_zero_std", 0.51)], "warn"],
  ["nearly all of them", RULES.dead, [flat("frac_reward_zero_std", 0.81)], "bad"],
  ["few truncated", RULES.truncated, [flat("completions/clipped_ratio", 0.1)], "ok"],
  ["many truncated", RULES.truncated, [flat("completions/clipped_ratio", 0.11)], "warn"],
  ["no reward is missing", RULES.missing, [flat("reward_none_fraction", 0)], "ok"],
  ["rewards are missing", RULES.missing, [flat("reward_none_fraction", 0.02)], "warn"],
  ["scoring is quick", RULES.scoring, [flat("score_time", 0.3), flat("step_time", 1)], "ok"],
  ["scoring is slow", RULES.scoring, [flat("score_time", 0.31), flat("step_time", 1)], "warn"],
  ["numbers are numbers", RULES.numbers, [flat("reward", 1), flat("grad_norm", 1)], "ok"],
  ["a metric stopped", RULES.numbers, [flat("reward", 1), flat("grad_norm", 1, 7)], "bad"],
  ["the held-out loss falls", RULES.overfit, [metric("eval_loss", [1, 2, 3], [2, 1.5, 1.2])], "ok"],
  ["the held-out loss rose a little", RULES.overfit, [metric("eval_loss", [1, 2, 3], [2, 1, 1.04])], "ok"],
  ["the held-out loss rose", RULES.overfit, [metric("eval_loss", [1, 2, 3], [2, 1, 1.06])], "warn"],
  ["the chosen answers win", RULES.preference, [flat("rewards/accuracies", 0.6)], "ok"],
  ["the rejected answers win", RULES.preference, [flat("rewards/accuracies", 0.4)], "warn"],
  ["the chosen answers stay likely", RULES.sinking, [flat("rewards/chosen", -0.9)], "ok"],
  ["all answers sink", RULES.sinking, [flat("rewards/chosen", -1.1)], "warn"],
  ["two components share", RULES.dominance, [flat("rewards/a/std", 1), flat("rewards/b/std", 0.6)], "ok"],
  ["one component rules", RULES.dominance, [flat("rewards/a/std", 1), flat("rewards/b/std", 0.4)], "warn"],
])("%s", (_name, rule, series, level) => {
  const means = series.flatMap((one) => (one.key.endsWith("/std") ? [flat(one.key.replace("/std", "/mean"), 1)] : []));
  expect(rule(run(filled(...series, ...means)), DEFAULTS)?.level).toBe(level);
});

test("a rule says nothing of what a run does not report", () => {
  for (const rule of Object.values(RULES)) expect(rule(run(filled(flat("other", 1))), DEFAULTS)).toBeNull();
});

test("weights count in what a component makes of the variance", () => {
  const store = filled(flat("rewards/a/std", 1), flat("rewards/a/mean", 1), flat("rewards/b/std", 1), flat("rewards/b/mean", 1));
  expect(varianceShares(run(store))).toEqual([
    ["a", 0.5],
    ["b", 0.5],
  ]);
  expect(varianceShares(run(store, { weights: { a: 3 } }))).toEqual([
    ["a", 0.9],
    ["b", 0.1],
  ]);
});

test("entropy warns only where its trend gets to the floor before the last step", () => {
  const falling = (slope: number) =>
    filled(
      metric(
        "entropy",
        Array.from({ length: 20 }, (_, index) => index + 1),
        Array.from({ length: 20 }, (_, index) => 1 - slope * (index + 1)),
      ),
    );
  const quick = falling(0.02);
  expect(arrivesAt(quick.get("entropy") as Column, 0.05)).toBeCloseTo(47.5);
  expect(RULES.entropy(run(quick), DEFAULTS)?.level).toBe("warn");
  expect(RULES.entropy(run(quick, { totalSteps: 40 }), DEFAULTS)?.level).toBe("ok");
  expect(RULES.entropy(run(falling(-0.01)), DEFAULTS)?.level).toBe("ok");
  expect(RULES.entropy(run(filled(flat("entropy", 0.04))), DEFAULTS)?.level).toBe("warn");
});

test("the held-out gap is measured where held-out prompts were last scored", () => {
  const store = filled(metric("reward", [1, 2, 3, 4], [0.4, 0.6, 5, 5]), metric("eval_reward", [2], [0.3]));
  expect(heldOutGap(store)).toBeCloseTo(0.2);
});

test("limits that are kept survive what is not a number", () => {
  expect(readLimits(null)).toEqual(DEFAULTS);
  expect(readLimits("no json")).toEqual(DEFAULTS);
  expect(readLimits('{"truncated": 0.25, "deadWarn": "x"}')).toEqual({ ...DEFAULTS, truncated: 0.25 });
});

test("only charts with something to draw are there, and what is missing is said", () => {
  const [reward, signal] = GRPO;
  if (!reward || !signal) throw new Error("no sections");
  const keys = new Set(["reward", "rewards/a/mean", "frac_reward_all_pass", "frac_reward_all_fail"]);
  expect(chartsOf(reward, keys, "--run-1", {}).map((one) => one.id)).toEqual(["reward", "components"]);
  expect(chartsOf(signal, keys, "--run-1", {}).map((one) => one.id)).toEqual(["outcomes"]);
  expect(missing(reward, keys)).toEqual(["held-out reward (eval_fraction holds no prompts out)"]);
  expect(missing(reward, new Set([...keys, "eval_reward"]))).toEqual([]);
});

const ids = (method: string, keys: string[]) =>
  sectionsOf(method, new Set(keys)).map((section) => [
    section.id,
    chartsOf(section, new Set(keys), "--run-1", {}).map((one) => one.id),
  ]);

test("each method has sections of its own, with charts of what it reports", () => {
  expect(
    ids("SFT", ["loss", "eval_loss", "mean_token_accuracy", "grad_norm", "learning_rate", "step_time", "num_tokens"]),
  ).toEqual([
    ["learning", ["loss", "accuracy"]],
    ["stability", ["grad-norm", "learning-rate"]],
    ["speed", ["times", "tokens"]],
  ]);
  expect(ids("DPO", ["loss", "rewards/margins", "rewards/accuracies", "rewards/chosen", "rewards/rejected"])).toEqual([
    ["learning", ["margins", "accuracies", "loss"]],
    ["answers", ["rewards"]],
    ["stability", []],
    ["speed", []],
  ]);
  expect(ids("SFT_VIDEO_GEN", ["loss", "grad_norm", "learning_rate", "step_time"])).toEqual([
    ["learning", ["loss", "grad-norm", "learning-rate"]],
    ["speed", ["times", "pace"]],
  ]);
  expect(sectionsOf("SOMETHING_NEW", new Set())).toEqual(sectionsOf("GRPO", new Set()));
});

test("tools have a section in a run that acts in an environment, and in no other", () => {
  expect(ids("GRPO", ["reward"]).map(([id]) => id)).not.toContain("tools");
  expect(ids("GRPO", ["reward", "tools/call_frequency"])).toContainEqual(["tools", ["calls"]]);
});

test("an enlarged chart is that of the run's own method", () => {
  const keys = new Set(["loss", "rewards/margins"]);
  expect(chartOf("DPO", keys, "--run-1", {}, "margins")?.lines.map((one) => one.key)).toEqual(["rewards/margins"]);
  expect(chartOf("GRPO", keys, "--run-1", {}, "margins")).toBeUndefined();
});

test("steps a second follow from the time of a step, and a video run's step 0 has none", () => {
  const store = filled(metric("step_time", [0, 1], [0, 4]));
  const spec = chartOf("SFT_VIDEO_GEN", new Set(store.keys), "--run-1", {}, "pace");
  expect(spec && Array.from(seriesOf(store, spec, null)[0]?.values ?? [])).toEqual([Number.NaN, 0.25]);
});

test("the numbers on top are those of the method", () => {
  const store = filled(
    metric("loss", [1, 2, 3], [3, 1, 2]),
    metric("eval_loss", [1, 3], [1.5, 2.5]),
    flat("mean_token_accuracy", 0.5),
  );
  expect(best(store, "loss", false)).toEqual({ value: 1, step: 2 });
  expect(best(store, "loss", true)).toEqual({ value: 3, step: 1 });
  expect(best(store, "reward", true)).toBeNull();
  expect(shownOf(store, "SFT").map(({ label, value, note }) => [label, value, note])).toEqual([
    ["Loss", "2", "best 1"],
    ["Held-out loss", "2.5", "best 1.5, step 1"],
    ["Token accuracy", "50 %", "tokens it would have written itself"],
  ]);
  expect(shownOf(filled(), "DPO").map(({ label, value }) => [label, value])).toEqual([
    ["Margin", "–"],
    ["Pairs told apart", "–"],
    ["Held-out loss", "–"],
  ]);
});

test("groups by outcome add up to all of them", () => {
  const store = filled(metric("frac_reward_all_fail", [1], [0.2]), metric("frac_reward_all_pass", [1], [0.5]));
  const spec = GRPO[1] && chartsOf(GRPO[1], new Set(store.keys), "--run-1", {})[0];
  const series = spec ? seriesOf(store, spec, null) : [];
  expect(series.map((one) => [one.label, one.values[0], one.told?.[0]])).toEqual([
    ["all fail", 0.2, 0.2],
    ["mixed", 0.5, expect.closeTo(0.3)],
    ["all pass", 1, 0.5],
  ]);
});

test("the colours beside a run's own are others", () => {
  for (let index = 0; index < 9; index += 1) expect(palette("--run-2")(index)).not.toBe("--run-2");
});

test("metrics are found by all the words", () => {
  expect(matching(["reward", "rewards/a/mean", "kl"], "rew mean")).toEqual(["rewards/a/mean"]);
  expect(matching(["kl"], " ")).toEqual(["kl"]);
});

test("the URL holds a range that is one, as short as it can be", () => {
  expect(rangeInUrl([12.345678, 345.678912])).toEqual({ from: 12.3, to: 345.7 });
  expect(rangeInUrl([0.123456, 0.123999])).toEqual({ from: 0.123456, to: 0.123999 });
  expect(rangeInUrl(null)).toEqual({ from: null, to: null });
  expect(rangeOf({ from: 5, to: 3 })).toBeNull();
  expect(rangeOf({ from: 3, to: null })).toBeNull();
  expect([smoothingOf({ smooth: 7 }), smoothingOf({ smooth: null })]).toEqual([0.99, 0]);
});

test("snippets ask for what is seen", () => {
  const { cli, curl, graphql } = metricSnippets("job_1", ["reward", "kl"], [3, 9]);
  expect(cli).toBe("burnish jobs metrics job_1 --keys reward,kl --from-step 3 --to-step 9");
  expect(curl).toContain("/v1/training_jobs/job_1/metrics?keys=reward,kl&from_step=3&to_step=9");
  expect(graphql).toContain('"fromStep": 3');
});

import { expect, test } from "vitest";
import { exploits, kinds, RIGHT, samplesOf } from "./trial";

const ROW = { prompt: [{ role: "user", content: "1+1" }], answer: "2" };

test("a row is tried with its own answer first, in the form of its prompt, and then with cheats", () => {
  const samples = samplesOf([ROW]);
  expect(samples.map(({ label }) => label)).toEqual([
    RIGHT,
    "empty",
    "answer dump",
    "prompt copy",
    "tag spam",
    "ten times the length",
  ]);
  expect(JSON.parse(samples[0]?.completion ?? "")).toEqual([{ role: "assistant", content: "2" }]);
  expect(JSON.parse(samples[0]?.columns ?? "")).toEqual({ answer: "2" });
});

test("verl's rows tell their answer too, and a row without one is tried with cheats alone", () => {
  expect(samplesOf([{ prompt: "1+1", reward_model: { ground_truth: "2" } }])[0]).toMatchObject({ label: RIGHT, completion: "2" });
  expect(samplesOf([{ prompt: "Write a poem." }])[0]?.label).toBe("empty");
  expect(samplesOf([{ question: "no prompt" }])).toEqual([]);
});

test("each kind has its mean, and a cheat that earns as much as the answer is named", () => {
  const samples = samplesOf([ROW, ROW]);
  const rewards = samples.map(({ label }) =>
    label === RIGHT ? 1 : label === "empty" ? null : label === "answer dump" ? 1.5 : 0,
  );
  const found = kinds(samples, { rewards, stdout: "", durationMs: 1, components: [], errors: [] });
  expect(found[0]).toEqual({ label: RIGHT, mean: 1, failed: 0 });
  expect(found[1]).toEqual({ label: "empty", mean: null, failed: 2 });
  expect(exploits(found)).toEqual(["answer dump"]);
});

import { beforeEach, expect, test } from "vitest";
import { handOver, takeOver } from "@/lib/handover";
import type { RewardTest } from "../documents";
import { isChanged, keep, kept, ofTemplate } from "./draft";
import { PROBE_LABELS, probes } from "./probes";
import { delta, issuesOf, runOf, scaleOf, summary } from "./runs";
import { columnsProblem, fromHanded, fromJsonl, toInput, toJsonl, value } from "./samples";
import { TEMPLATES } from "./templates";

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

const test_ = (rewards: (number | null)[], errors: RewardTest["errors"] = []): RewardTest => ({
  rewards,
  stdout: "",
  durationMs: 1,
  components: [{ name: "right", weight: 2, values: rewards }],
  errors,
});

test("a list of messages is read as one, and whatever else begins with a bracket stays text", () => {
  expect(value('[{"role": "user", "content": "hi"}]')).toEqual([{ role: "user", content: "hi" }]);
  expect(value("[1, 2]")).toBe("[1, 2]");
  expect(value("[unfinished")).toBe("[unfinished");
  expect(value(" plain ")).toBe(" plain ");
});

test("JSONL becomes samples, its other fields columns, and bad lines are named", () => {
  const text =
    '{"prompt": "1+1", "completion": "2", "answer": "2", "columns": {"level": 3}}\n\nnonsense\n[1]\n{"completion": "x"}\n';
  const found = fromJsonl(text);
  expect(found.samples.map(toInput)).toEqual([{ prompt: "1+1", completion: "2", columns: { answer: "2", level: 3 } }]);
  expect(found.problems).toEqual([
    { line: 3, message: "This is no JSON." },
    { line: 4, message: "Each line is a JSON object." },
    { line: 5, message: "It has no prompt." },
  ]);
});

test("samples written as JSONL are read back as they were", () => {
  const samples = [
    fromHanded({ prompt: [{ role: "user", content: "a\nb" }], completion: "c", columns: { answer: "1" } }),
    fromHanded({ prompt: "p", completion: [{ role: "assistant", content: "c" }], columns: {} }),
  ];
  expect(fromJsonl(toJsonl(samples)).samples.map(toInput)).toEqual(samples.map(toInput));
});

test("columns that are no object are told before anything runs", () => {
  expect(columnsProblem("")).toBeNull();
  expect(columnsProblem('{"answer": 4}')).toBeNull();
  expect(columnsProblem("[1]")).toContain("JSON object");
  expect(columnsProblem("{answer}")).toContain("no JSON");
});

test("probes keep the prompt, the columns and the form of the completion", () => {
  const [original] = fromJsonl(
    '{"prompt": [{"role": "user", "content": "Say 4."}], "completion": "four", "answer": "4"}',
  ).samples;
  if (!original) throw new Error("no sample");
  const made = probes(original);
  expect(made.map((one) => one.label)).toEqual(PROBE_LABELS);
  expect(new Set(made.map((one) => one.key)).size).toBe(5);
  expect(made.every((one) => one.prompt === original.prompt && one.columns === original.columns)).toBe(true);
  const [empty, dump, copy, spam, long] = made.map((one) => one.completion);
  expect(empty).toBe("");
  expect(dump?.startsWith("4 0 1 2")).toBe(true);
  expect(copy).toBe("Say 4.");
  expect(spam?.match(/<answer>/g)).toHaveLength(20);
  expect(long?.split("\n")).toEqual(Array(10).fill("four"));
  const inMessages = probes({ ...original, completion: '[{"role": "assistant", "content": "four"}]' });
  expect(toInput(inMessages[2] ?? original).completion).toEqual([{ role: "assistant", content: "Say 4." }]);
});

test("a run tells what each sample got, and the next one what that changed", () => {
  const samples = fromJsonl('{"prompt": "a"}\n{"prompt": "b"}\n{"prompt": "c"}').samples;
  const [a, b, c] = samples.map((one) => one.key);
  const before = runOf(test_([1, null, 0]), samples);
  const now = runOf(test_([0.25, 1, 0]), samples.toReversed());
  expect([a, b, c].map((key) => delta(now, before, key ?? ""))).toEqual([-1, null, 0.25]);
  expect(delta(now, null, a ?? "")).toBeNull();
  expect(before.scores.get(a ?? "")?.components).toEqual([{ name: "right", weight: 2, value: 1 }]);
});

test("what went wrong is shown at its line, with its sample", () => {
  const errors = [
    { sample: null, file: "reward.py", line: 3, message: "SyntaxError" },
    { sample: 1, file: "reward.py", line: 7, message: "ValueError" },
  ];
  expect(issuesOf(test_([], errors))).toEqual([
    { line: 3, message: "SyntaxError" },
    { line: 7, message: "Sample 2: ValueError" },
  ]);
});

test("the whole bar is the greatest weighted part, and means leave out what was skipped", () => {
  expect(scaleOf(test_([1, -2, null]))).toBe(4);
  expect(summary(test_([1, 3, null]))).toEqual({ mean: 2, std: 1, none: 1 });
  expect(summary(test_([null]))).toEqual({ mean: null, std: null, none: 1 });
});

test("a draft is taken up again where it began as the same", () => {
  const [first, second] = TEMPLATES;
  if (!first || !second) throw new Error("no templates");
  const draft = { ...ofTemplate(first), source: "# mine" };
  keep(draft);
  expect(isChanged(draft)).toBe(true);
  expect(kept(first.id)).toEqual(draft);
  expect(kept(null)).toEqual(draft);
  expect(kept(second.id)).toBeNull();
});

test("every template comes with samples", () => {
  for (const template of TEMPLATES) {
    const { samples, problems } = fromJsonl(template.samples);
    expect(problems).toEqual([]);
    expect(samples.length).toBeGreaterThan(2);
  }
});

test("samples are handed over once", () => {
  const sample = { label: "step 3", prompt: "p", completion: "c", columns: { answer: "4" } };
  handOver([sample]);
  expect(takeOver()).toEqual([sample]);
  expect(takeOver()).toBeNull();
});

import { expect, test } from "vitest";
import type { Json } from "@/lib/graphql";
import { METHODS } from "@/lib/methods";
import type { Hyperparameter, JobToClone, PlanError } from "./documents";
import { EMPTY, fromBody, fromJob, nextName, suggestName, toBody, toInput } from "./draft";
import { formsOf } from "./forms";
import { grouped, isChanged, matches, numberOf, parse, range, toTexts, toValues } from "./params";
import { missing, problemsOf, sectionOf } from "./problems";
import { fromJson, fromToml, toToml } from "./toml";

const spec = (name: string, type: string, rest: Partial<Hyperparameter> = {}): Hyperparameter => ({
  name,
  type,
  default: null,
  nullable: false,
  description: "",
  minimum: null,
  maximum: null,
  exclusiveMinimum: null,
  exclusiveMaximum: null,
  ...rest,
});
const SPECS = [
  spec("seed", "integer", { default: 42, minimum: 0, maximum: 2147483647 }),
  spec("learning_rate", "number", { default: 1e-6, exclusiveMinimum: 0, exclusiveMaximum: 1, description: "Of AdamW." }),
  spec("max_steps", "integer", { nullable: true, minimum: 1, maximum: 2147483647 }),
  spec("rollouts_per_prompt", "integer", { default: 8, minimum: 2, maximum: 64 }),
  spec("load_in_4bit", "boolean", { default: false }),
];
const [SEED, LEARNING_RATE, MAX_STEPS, ROLLOUTS, FOUR_BIT] = SPECS as [
  Hyperparameter,
  Hyperparameter,
  Hyperparameter,
  Hyperparameter,
  Hyperparameter,
];
const DRAFT = {
  ...EMPTY,
  datasetId: "ds_1",
  rewardId: "rf_1",
  baseModel: "tiny",
  gpuType: "H100-80GB",
  gpuCount: 2,
  params: { learning_rate: "3e-5", max_steps: "60", load_in_4bit: "true" },
  maxCost: "12.5",
  destination: { type: "hf" as const, uri: "", repo: "me/adder", private: false, weights: "both" as const, archive: false },
};

test("a text is read as its hyperparameter's type, within its range", () => {
  expect(parse(LEARNING_RATE, " 3e-5 ")).toEqual({ value: 3e-5 });
  expect(parse(LEARNING_RATE, "1")).toEqual({ problem: "Less than 1." });
  expect(parse(LEARNING_RATE, "0")).toEqual({ problem: "More than 0." });
  expect(parse(MAX_STEPS, "1e3")).toEqual({ value: 1000 });
  expect(parse(MAX_STEPS, "1.5")).toEqual({ problem: "A whole number." });
  expect(parse(MAX_STEPS, "null")).toEqual({ value: null });
  expect(parse(ROLLOUTS, "null")).toEqual({ problem: "A number." });
  expect(parse(ROLLOUTS, "65")).toEqual({ problem: "At most 64." });
  expect(parse(ROLLOUTS, "1")).toEqual({ problem: "At least 2." });
  expect(parse(FOUR_BIT, "yes")).toEqual({ problem: "true or false" });
});

test("ranges tell what limits, and not the width of an integer", () => {
  expect([LEARNING_RATE, MAX_STEPS, ROLLOUTS, FOUR_BIT].map(range)).toEqual(["> 0, < 1", "≥ 1", "2–64", "true or false"]);
});

test("only what differs from its default is changed", () => {
  expect(isChanged(ROLLOUTS, undefined)).toBe(false);
  expect(isChanged(ROLLOUTS, " 8 ")).toBe(false);
  expect(isChanged(LEARNING_RATE, "0.000001")).toBe(false);
  expect(isChanged(MAX_STEPS, "null")).toBe(false);
  expect(isChanged(ROLLOUTS, "16")).toBe(true);
  expect(isChanged(ROLLOUTS, "many")).toBe(true);
  expect(toTexts(SPECS, { seed: 42, learning_rate: 3e-5, max_steps: null, other: [1] })).toEqual({
    learning_rate: "3e-5",
    other: "[1]",
  });
});

test("what cannot be read goes to the server as it stands", () => {
  expect(toValues(SPECS, { rollouts_per_prompt: "many", max_steps: "", seed: "7", other: "[1]" })).toEqual({
    rollouts_per_prompt: "many",
    seed: 7,
    other: [1],
  });
});

test("a value out of range keeps its type on the way", () => {
  expect(toValues(SPECS, { rollouts_per_prompt: "900" })).toEqual({ rollouts_per_prompt: 900 });
});

test("hyperparameters stand in groups, in the order of thought, and one that is in none stands last", () => {
  const strange = spec("novelty", "number");
  expect(grouped([strange, ...SPECS])).toEqual([
    { title: "Steps and learning rate", specs: [LEARNING_RATE, MAX_STEPS, SEED] },
    { title: "Rollouts", specs: [ROLLOUTS] },
    { title: "Adapter", specs: [FOUR_BIT] },
    { title: "Others", specs: [strange] },
  ]);
  expect(matches(LEARNING_RATE, "rate adamw")).toBe(true);
  expect(matches(LEARNING_RATE, "seed")).toBe(false);
});

test("what a hyperparameter is worth is the typed number, else the default", () => {
  expect(numberOf(SPECS, { seed: "7" }, "seed")).toBe(7);
  expect(numberOf(SPECS, {}, "seed")).toBe(42);
  expect(numberOf(SPECS, { seed: "x" }, "seed")).toBeNull();
  expect(numberOf(SPECS, {}, "max_steps")).toBeNull();
});

const BODY = {
  base_model: "tiny",
  dataset_id: "ds_1",
  reward_function_id: "rf_1",
  output_name: "tiny-sums",
  gpu: { type: "H100-80GB", count: 2 },
  max_cost_usd: 12.5,
  checkpoint_destination: { type: "hf", repo: "me/adder", private: false, weights: "both" },
  hyperparameters: { learning_rate: 3e-5, max_steps: 60, load_in_4bit: true },
};

test("a request says what was chosen and leaves the defaults to the server", () => {
  expect(toBody(DRAFT, SPECS, "tiny-sums")).toEqual(BODY);
  expect(toBody({ ...EMPTY, gpuType: "CPU" }, SPECS, "")).toEqual({
    base_model: "",
    dataset_id: "",
    output_name: "",
    gpu: { type: "CPU", count: 1 },
  });
});

test("the same in GraphQL", () => {
  expect(toInput(toBody(DRAFT, SPECS, "tiny-sums"))).toEqual({
    baseModel: "tiny",
    datasetId: "ds_1",
    rewardFunctionId: "rf_1",
    outputName: "tiny-sums",
    hardware: { type: "H100-80GB", count: 2 },
    maxCostUsd: "12.5",
    checkpointDestination: { type: "HF", repo: "me/adder", private: false, weights: "BOTH" },
    hyperparameters: { learning_rate: 3e-5, max_steps: 60, load_in_4bit: true },
  });
});

test("a job goes through JSON and through a job file, and comes back as it was", () => {
  const body = toBody({ ...DRAFT, outputName: "adder" }, SPECS, "");
  const draft = { ...DRAFT, outputName: "adder" };
  expect(fromJson(JSON.stringify(body), SPECS)).toEqual(draft);
  expect(fromToml(toToml(body), SPECS)).toEqual(draft);
});

test("a job file is what the command line reads", () => {
  expect(toToml(toBody({ ...DRAFT, destination: EMPTY.destination }, SPECS, "adder"))).toBe(
    [
      'base_model = "tiny"',
      'dataset_id = "ds_1"',
      'reward_function_id = "rf_1"',
      'output_name = "adder"',
      "max_cost_usd = 12.5",
      "",
      "[gpu]",
      'type = "H100-80GB"',
      "count = 2",
      "",
      "[hyperparameters]",
      "learning_rate = 0.00003",
      "max_steps = 60",
      "load_in_4bit = true",
      "",
    ].join("\n"),
  );
});

test("a job file with short hardware and names of files is understood as far as it goes", () => {
  const draft = fromToml('dataset = "prompts.jsonl"\nreward = "rf_9"\ngpu = "H100:2"', SPECS);
  expect(draft).toEqual({ ...EMPTY, rewardId: "rf_9", gpuType: "H100", gpuCount: 2 });
});

test("what is no job is told", () => {
  expect(() => fromJson("[]", SPECS)).toThrow("A job is an object.");
  expect(() => fromBody({ base_modle: "x" }, SPECS)).toThrow("A job has no base_modle.");
  expect(() => fromToml("a = ", SPECS)).toThrow(/TOML/);
});

test("a clone has what the job was given, and the next name", () => {
  const job: JobToClone = {
    id: "job_1",
    outputName: "adder",
    method: "GRPO",
    baseModel: "tiny",
    hyperparameters: { learning_rate: 3e-5, seed: 42, rollouts_per_prompt: 8 },
    hyperparametersDefaulted: ["seed"],
    requiresHeartbeat: true,
    maxCost: { amount: "12.500000" },
    hardwareRequested: { type: "L4-24GB", count: 1, provider: null },
    checkpointDestination: { type: "VERI", uri: null, repo: null, private: null, weights: "ADAPTER", archive: null },
    environments: null,
    dataset: { id: "ds_1" },
    rewardFunction: { id: "rf_1" },
    checkpoints: [],
  };
  expect(fromJob(job, SPECS)).toEqual({
    ...EMPTY,
    datasetId: "ds_1",
    rewardId: "rf_1",
    baseModel: "tiny",
    outputName: "adder-2",
    gpuType: "L4-24GB",
    params: { learning_rate: "3e-5" },
    maxCost: "12.5",
    destination: { ...EMPTY.destination, weights: "adapter" },
    heartbeat: true,
  });
  const acting = fromJob(
    { ...job, environments: { "me/maze": { splits: ["train"], variant: "hard" } }, rewardFunction: null },
    SPECS,
  );
  expect(toBody(acting, SPECS, "").environments).toEqual({ "me/maze": { splits: ["train"], variant: "hard" } });
});

const ACTING = {
  ...DRAFT,
  rewardFrom: "environments" as const,
  environments: [
    { id: " me/maze ", splits: "train, hard,", variant: " hard " },
    { id: "me/shop", splits: " ", variant: " " },
    { id: "", splits: "train", variant: "hard" },
  ],
};

test("environments stand in the place of the reward, with the splits and the variant that were named", () => {
  const body = toBody(ACTING, SPECS, "maze");
  expect(body.environments).toEqual({ "me/maze": { splits: ["train", "hard"], variant: "hard" }, "me/shop": {} });
  expect(body.reward_function_id).toBeUndefined();
  expect(toInput(body).environments).toEqual(body.environments);
  const again = fromToml(toToml(body), SPECS);
  expect(again.rewardFrom).toBe("environments");
  expect(again.environments).toEqual([
    { id: "me/maze", splits: "train, hard", variant: "hard" },
    { id: "me/shop", splits: "", variant: "" },
  ]);
  expect(() => fromBody({ environments: ["me/maze"] }, SPECS)).toThrow("environments is an object of environments by their ids.");
});

test("an environment's keys are refused where they would be lost", () => {
  const refused = (one: Json) => () => fromBody({ environments: { "me/maze": one } }, SPECS);
  expect(refused({ variants: ["hard"] })).toThrow("An environment has no variants.");
  expect(fromBody({ environments: { "me/maze": null } }, SPECS).environments).toEqual([
    { id: "me/maze", splits: "", variant: "" },
  ]);
  expect(refused("train")).toThrow("environments.me/maze is an object of splits and variant.");
  expect(refused({ splits: "train" })).toThrow("environments.me/maze.splits is a list of texts.");
  expect(refused({ variant: 2 })).toThrow("environments.me/maze.variant is a text.");
});

test("a method without a reward sends none, whatever was chosen before", () => {
  const sent = toBody({ ...ACTING, method: "sft" }, SPECS, "maze", false);
  expect([sent.method, sent.environments, sent.reward_function_id]).toEqual(["sft", undefined, undefined]);
  expect(toBody({ ...DRAFT, method: "dpo" }, SPECS, "maze", false).reward_function_id).toBeUndefined();
});

test("a folder can be given the model as one archive", () => {
  const destination = { ...EMPTY.destination, type: "s3" as const, uri: " s3://b/f ", archive: true };
  const body = toBody({ ...EMPTY, destination }, SPECS, "");
  expect(body.checkpoint_destination).toEqual({ type: "s3", uri: "s3://b/f", archive: true });
  expect(fromBody(body, SPECS).destination).toEqual({ ...destination, uri: "s3://b/f" });
});

test("weights can be chosen for the platform's own storage too", () => {
  const destination = { ...EMPTY.destination, weights: "merged" as const };
  expect(toBody({ ...EMPTY, destination }, SPECS, "").checkpoint_destination).toEqual({ type: "veri", weights: "merged" });
});

test("every method tells what its rows look like, and each example is JSON", () => {
  for (const method of METHODS) {
    const forms = formsOf(method.toLowerCase());
    for (const { row } of forms?.forms ?? []) expect(Object.keys(JSON.parse(row)).length).toBeGreaterThan(0);
    expect(forms?.forms.length).toBeGreaterThan(1);
  }
  expect(formsOf("other")).toBeNull();
});

test("names go on, and are made of the model and the data", () => {
  expect([nextName("adder"), nextName("adder-2"), nextName("run-2024-99")]).toEqual(["adder-2", "adder-3", "run-2024-100"]);
  expect(suggestName("Qwen/Qwen3-0.6B", "my sums!")).toBe("Qwen3-0.6B-my-sums");
  expect(suggestName("", "")).toBe("");
});

const error = (typename: PlanError["__typename"], path: string[], message: string, hint: string | null = null): PlanError => ({
  __typename: typename,
  code: "INVALID",
  path,
  message,
  hint,
});

test("each problem stands at its field, in words that do not repeat it", () => {
  const found = problemsOf(
    [
      error("FieldError", ["maxCostUsd"], "max_cost_usd: Input should be greater than 0"),
      error("FieldError", ["hyperparameters", "learning_rate"], "Input should be less than 1"),
      error("FieldError", ["checkpointDestination", "uri"], "checkpoint_destination.uri: must be s3://bucket/folder"),
      error("FieldError", ["hardware", "count"], "A training job runs on one GPU.", "Ask for a count of 1."),
      error("InsufficientCredit", [], "The credit does not cover it.", "Add credit."),
      error("TryLaterError", [], "This account has 4 jobs."),
    ],
    DRAFT,
  );
  expect(found.fields).toEqual({
    maxCostUsd: "Input should be greater than 0",
    "hyperparameters.learning_rate": "Input should be less than 1",
    "checkpointDestination.uri": "Must be s3://bucket/folder",
    "hardware.count": "A training job runs on one GPU. Ask for a count of 1.",
  });
  expect(found.money).toEqual([{ message: "The credit does not cover it.", hint: "Add credit.", kind: "InsufficientCredit" }]);
  expect(found.others).toEqual([{ message: "This account has 4 jobs.", hint: null, kind: "TryLaterError" }]);
});

test("what is not filled in yet is a step and not an error", () => {
  expect(problemsOf([error("NotFoundError", ["datasetId"], "No such dataset: ")], EMPTY).fields).toEqual({});
  expect(missing(EMPTY, true, "").map(({ id }) => id)).toEqual(["data", "reward", "model", "hardware", "output"]);
  expect(missing(EMPTY, false, "tiny").map(({ id }) => id)).toEqual(["data", "model", "hardware"]);
  expect(missing(DRAFT, true, "tiny")).toEqual([]);
  expect(missing({ ...ACTING, environments: [{ id: " ", splits: "", variant: "" }] }, true, "tiny")).toEqual([
    { id: "reward", label: "Name an environment" },
  ]);
  expect(missing(ACTING, true, "tiny")).toEqual([]);
});

test("a field leads to its section", () => {
  const fields = [
    "hyperparameters.seed",
    "hardware.count",
    "maxCostUsd",
    "checkpointDestination.weights",
    "environments",
    "method",
  ];
  expect(fields.map(sectionOf)).toEqual(["model", "hardware", "hardware", "output", "reward", "method"]);
});

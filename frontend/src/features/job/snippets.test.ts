import { expect, test } from "vitest";
import { cancelJob, createJob, given, type JobSpec, jobFile, listJobs, restBody, resumeJob } from "./snippets";

const JOB: JobSpec = {
  outputName: "adder",
  method: "GRPO",
  baseModel: "tiny",
  hyperparameters: { learning_rate: 0.001, max_steps: 60, seed: 42, lora_rank: null },
  hyperparametersDefaulted: ["seed", "lora_rank"],
  environments: null,
  checkpointDestination: { type: "VERI", uri: null, repo: null, private: null, weights: null, archive: null },
  requiresHeartbeat: false,
  hardwareRequested: { type: "L4-24GB", count: 1, provider: null },
  maxCost: null,
  dataset: { id: "ds_1" },
  rewardFunction: { id: "rf_1" },
  resumedFrom: null,
};

test("only what was given is given again: defaults follow the day", () => {
  expect(given(JOB)).toEqual({ learning_rate: 0.001, max_steps: 60 });
  expect(restBody(JOB)).toEqual({
    base_model: "tiny",
    method: "grpo",
    dataset_id: "ds_1",
    reward_function_id: "rf_1",
    output_name: "adder",
    gpu: { type: "L4-24GB", count: 1 },
    hyperparameters: { learning_rate: 0.001, max_steps: 60 },
  });
});

test("a cap, a destination, a provider and a heartbeat are kept", () => {
  const body = restBody({
    ...JOB,
    maxCost: { amount: "2.5" },
    requiresHeartbeat: true,
    hardwareRequested: { type: "H100", count: 2, provider: "local" },
    checkpointDestination: { type: "HF", uri: null, repo: "me/adder", private: true, weights: "ADAPTER", archive: null },
  });
  expect(body).toMatchObject({
    max_cost_usd: 2.5,
    requires_heartbeat: true,
    provider: "local",
    checkpoint_destination: { type: "hf", repo: "me/adder", private: true, weights: "adapter" },
  });
});

test("the job file has the same, as the command line reads it", () => {
  expect(jobFile(JOB)).toBe(
    [
      'base_model = "tiny"',
      'method = "grpo"',
      'dataset_id = "ds_1"',
      'reward_function_id = "rf_1"',
      'output_name = "adder"',
      'gpu = { type = "L4-24GB", count = 1 }',
      "",
      "[hyperparameters]",
      "learning_rate = 0.001",
      "max_steps = 60",
      "",
    ].join("\n"),
  );
});

test("weights that were asked for are kept, also where the model goes nowhere else", () => {
  const job = { ...JOB, checkpointDestination: { ...JOB.checkpointDestination, weights: "BOTH" } };
  expect(restBody(job).checkpoint_destination).toEqual({ type: "veri", weights: "both" });
  expect(createJob(job).graphql).toContain('"weights": "BOTH"');
});

test("a job of any method is made again as that, without what it never had", () => {
  const job = { ...JOB, method: "DPO", rewardFunction: null, hyperparameters: { beta: 0.2 }, hyperparametersDefaulted: [] };
  expect(jobFile(job)).toContain('method = "dpo"\n');
  expect(restBody(job)).not.toHaveProperty("reward_function_id");
  const acting = { ...JOB, rewardFunction: null, environments: { "me/maze": { splits: ["train"] } } };
  expect(jobFile(acting)).toContain('[environments]\n"me/maze" = { splits = ["train"] }\n');
});

test("to resume is to create with a checkpoint", () => {
  expect(resumeJob(JOB, "ckpt_1").cli).toContain('resume_from = "ckpt_1"\n');
  expect(resumeJob(JOB, "ckpt_1").graphql).toContain('"resumeFrom": "ckpt_1"');
});

test("actions name their route", () => {
  expect(cancelJob("job_1").curl).toBe(
    `curl -s -X POST ${location.origin}/v1/training_jobs/job_1/cancel \\\n  -H "Authorization: Bearer $BURNISH_API_KEY"`,
  );
  expect(createJob(JOB).curl).toContain('"learning_rate":0.001');
});

test("a list by one status can be had from everywhere, by several from GraphQL", () => {
  const one = listJobs({ status: ["RUNNING"], method: "GRPO" }, { status: ["RUNNING"], method: "GRPO" });
  expect(one.cli).toBe("burnish jobs list --status running");
  expect(one.curl).toContain("/v1/training_jobs?status=running&method=grpo");
  const two = listJobs({ status: ["RUNNING", "FAILED"] }, { status: ["RUNNING", "FAILED"] });
  expect(two.cli).toBe("burnish jobs list");
  expect(two.graphql).toContain('"FAILED"');
});

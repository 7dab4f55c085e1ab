/**
 * What every screen offers to copy, made once with plain values: GraphQL is held against the schema here, and all of it is written
 * to `tests/cli/snippets.json`, which the tests in Python run.
 */
import { readFileSync } from "node:fs";
import { buildSchema, getVariableValues, Kind, type OperationDefinitionNode, parse, validate } from "graphql";
import { expect, test } from "vitest";
import * as batches from "@/features/batches/snippets";
import { DEFAULTS } from "@/features/chat/complete";
import { asked } from "@/features/chat/snippets";
import { compareSnippets } from "@/features/compare/snippets";
import { costSnippets } from "@/features/costs/snippets";
import { EMPTY, type SourceForm, toInput } from "@/features/datasets/connect/sources";
import * as datasets from "@/features/datasets/snippets";
import * as deployments from "@/features/deployments/snippets";
import * as evals from "@/features/evals/snippets";
import { homeSnippets } from "@/features/home/snippets";
import { metricSnippets } from "@/features/job/overview/snippets";
import { rolloutSnippets } from "@/features/job/rollouts/snippets";
import * as job from "@/features/job/snippets";
import type { Body } from "@/features/newjob/draft";
import { jobSnippets } from "@/features/newjob/snippets";
import * as rewards from "@/features/rewards/snippets";
import { settingsSnippets } from "@/features/settings/snippets";
import { LANGUAGES, type Snippets } from "@/lib/snippets";

const SOURCE = "def reward(prompts, completions, **columns):\n    return [1.0 for _ in completions]\n";
const JOB: job.JobSpec = {
  outputName: "adder",
  method: "GRPO",
  baseModel: "tiny",
  hyperparameters: { learning_rate: 0.001, max_steps: 60 },
  hyperparametersDefaulted: [],
  environments: null,
  checkpointDestination: { type: "HF", uri: null, repo: "me/adder", private: true, weights: null, archive: null },
  requiresHeartbeat: true,
  hardwareRequested: { type: "L4-24GB", count: 1, provider: "local" },
  maxCost: { amount: "2.5" },
  dataset: { id: "ds_1" },
  rewardFunction: { id: "rf_1" },
  resumedFrom: null,
};
const BODY: Body = {
  base_model: "tiny",
  dataset_id: "ds_1",
  reward_function_id: "rf_1",
  output_name: "adder",
  gpu: { type: "L4-24GB", count: 2 },
  max_cost_usd: 2.5,
  hyperparameters: { learning_rate: 1e-6, lora_rank: null },
};
const { reward_function_id: _, ...PLAIN } = BODY;
const DRAFT = {
  base: "rf_1",
  name: "it's exact",
  original: SOURCE,
  source: SOURCE,
  format: "TRL" as const,
  fileName: "reward.py",
  weights: [{ name: "exact", weight: 0.5 }],
  samples: [{ key: "s1", label: "", prompt: "1+1", completion: "it's 2", columns: '{"answer": "2"}' }],
};

const source = (form: Partial<SourceForm>): Snippets => datasets.connectSnippets(toInput({ ...EMPTY, ...form }), "rows");

const OFFERED: Record<string, Snippets> = {
  home: homeSnippets(),
  "jobs: all": job.listJobs({}, {}),
  "jobs: by status": job.listJobs({ status: ["RUNNING"], method: "GRPO" }, { status: ["RUNNING"], method: "GRPO" }),
  "job: show": job.showJob("job_1"),
  "job: follow": job.followJob("job_1"),
  "job: create": job.createJob(JOB),
  "job: resume": job.resumeJob(JOB, "ckpt_1"),
  "job: cancel": job.cancelJob("job_1"),
  "job: delete": job.deleteJob("job_1"),
  "job: checkpoints": job.listCheckpoints("job_1"),
  "job: cost": job.jobCost("job_1"),
  "job: metrics": metricSnippets("job_1", ["reward", "kl"], [3, 9]),
  "job: rollouts": rolloutSnippets("job_1", { step: 3, row: null, filter: "all", pattern: "" }),
  "job: rollouts sought": rolloutSnippets("job_1", { step: null, row: 2, filter: "all-fail", pattern: "it's" }),
  "new job": jobSnippets(BODY),
  "new job: SFT": jobSnippets({ ...PLAIN, method: "sft", hyperparameters: { max_length: 512, completion_only: false } }),
  "new job: DPO": jobSnippets({
    ...PLAIN,
    method: "dpo",
    checkpoint_destination: { type: "s3", uri: "s3://bucket/models", archive: true },
    hyperparameters: { beta: 0.2 },
  }),
  "new job: video": jobSnippets({ ...PLAIN, method: "sft_video_gen", hyperparameters: { num_frames: 49 } }),
  "new job: environments": jobSnippets({
    ...PLAIN,
    gpu: { type: "L4-24GB", count: 1 },
    environments: { "me/maze": { splits: ["train"], variant: "hard" } },
  }),
  "new job: adapter": jobSnippets({
    ...BODY,
    checkpoint_destination: { type: "veri", weights: "adapter" },
    hyperparameters: { lora_rank: 8 },
  }),
  compare: compareSnippets(["job_1", "job_2"], ["reward"]),
  "datasets: upload": datasets.uploadSnippets(),
  "datasets: show": datasets.datasetSnippets("ds_1", "", null),
  "datasets: tokens": datasets.datasetSnippets("ds_1", "tiny", 512),
  "datasets: hub": source({ dataset: "me/sums", configName: "main", split: "test", mapping: [{ from: "q", to: "prompt" }] }),
  "datasets: url": source({ type: "URL", uri: "https://example.com/rows.jsonl?a=1&b=2" }),
  "datasets: postgres": source({ type: "POSTGRES", connection: "postgresql://db.example.com/rows", query: "select * from rows" }),
  "rewards: list": rewards.listSnippets(),
  "rewards: upload": rewards.uploadSnippets(DRAFT),
  "rewards: run": rewards.testSnippets(DRAFT, false),
  "rewards: run what is stored": rewards.testSnippets(DRAFT, true),
  "deployments: list": deployments.LIST,
  "deployments: create": deployments.creating({
    model: "job_1",
    source: "TRAINING_JOB",
    name: "adder",
    hardware: { type: "L4-24GB", count: 2 },
  }),
  "deployments: create, in full": deployments.creating({
    model: "Qwen/Qwen3-0.6B",
    source: "HUGGINGFACE",
    name: "base",
    hardware: { type: "CPU", count: 1 },
    minReplicas: 0,
    maxReplicas: 3,
    targetRps: 2.5,
    targetLatencyP95Ms: 2000,
    stabilisationWindowSeconds: 60,
    maxBatchSize: 16,
    extraArgs: ["--max-model-len=4096"],
    revision: "main",
    hfToken: "hf_secret",
  }),
  "deployments: show": deployments.looking("dep_1"),
  "deployments: scale": deployments.scaling("dep_1", { minReplicas: 0, maxReplicas: 4, targetLatencyP95Ms: 2000 }),
  "deployments: update": deployments.updating("dep_1", { model: "ckpt_1", source: "TRAINING_JOB" }),
  "deployments: update by name": deployments.updating("dep_1", { model: "a/b", source: "HUGGINGFACE", revision: "main" }),
  "deployments: pause": deployments.pausing("dep_1"),
  "deployments: resume": deployments.resuming("dep_1"),
  "deployments: stop": deployments.stopping("dep_1"),
  "deployments: replicas": deployments.replicas("dep_1"),
  "deployments: decisions": deployments.decisions("dep_1"),
  "deployments: delete": deployments.deleting("dep_1"),
  "deployments: ask": deployments.asking({ id: "dep_1", name: "adder" }),
  "batches: list": batches.LIST,
  "batches: create": batches.creating({
    fileName: "requests.jsonl",
    fileId: null,
    endpoint: "CHAT_COMPLETIONS",
    url: "/v1/chat/completions",
    window: "24h",
    metadata: { name: "it's nightly" },
  }),
  "batches: create of a stored file": batches.creating({
    fileName: "requests.jsonl",
    fileId: "file-1",
    endpoint: "COMPLETIONS",
    url: "/v1/completions",
    window: "72h",
    metadata: null,
  }),
  "batches: show": batches.showing("batch_1"),
  "batches: follow": batches.following("batch_1"),
  "batches: download": batches.downloading("batch_1"),
  "batches: cancel": batches.cancelling("batch_1"),
  "batches: retry": batches.retrying("batch_1"),
  "batches: outcomes": batches.outcomes("batch_1", { show: "failed", code: "timeout", deployment: "dep_1" }),
  "evals: list": evals.LIST,
  "evals: create": evals.creating("it's sums", "ds_1", [{ type: "exact-match" }, { type: "regex", pattern: "(\\d+)" }], { n: 4 }),
  "evals: show": evals.showing("eval_1"),
  "evals: run": evals.starting("eval_1", "dep_1", 40, { temperature: 0.6 }),
  "evals: show a run": evals.showingRun("eval_1", "run_1"),
  "evals: items": evals.items("eval_1", "run_1"),
  "evals: compare": evals.comparing("run_1", "run_2"),
  "files: list": batches.LIST_FILES,
  "chat: nothing asked": asked("adder", [], DEFAULTS),
  "chat: asked": asked("adder", [{ role: "user", content: "it's 1+1?" }], { ...DEFAULTS, system: "Be brief.", temperature: 0.5 }),
  ...Object.fromEntries(
    (["spending", "transactions", "estimate", "rates"] as const).map((tab) => [`costs: ${tab}`, costSnippets(tab)]),
  ),
  ...Object.fromEntries(
    (["account", "keys", "sessions", "ssh", "integrations", "audit"] as const).map((tab) => [
      `settings: ${tab}`,
      settingsSnippets(tab),
    ]),
  ),
};

const SCHEMA = buildSchema(readFileSync("../schema/schema.graphql", "utf8"));
const VARIABLES = "# variables\n";

const operations = Object.entries(OFFERED).flatMap(([where, { graphql }]) => (graphql ? [{ where, graphql }] : []));

test.each(operations)("$where is GraphQL of the schema, with values that its variables take", ({ graphql }) => {
  const [text = "", values = "{}"] = graphql.split(VARIABLES);
  const document = parse(text);
  expect(validate(SCHEMA, document).map((error) => error.message)).toEqual([]);
  const asks = document.definitions.filter((one): one is OperationDefinitionNode => one.kind === Kind.OPERATION_DEFINITION);
  for (const one of asks) {
    const { errors = [] } = getVariableValues(SCHEMA, one.variableDefinitions ?? [], JSON.parse(values));
    expect(errors.map((error) => error.message)).toEqual([]);
  }
});

test("a token that was typed is in nothing that is copied", () => {
  expect(JSON.stringify(OFFERED)).not.toContain("hf_secret");
});

test("what is offered is what the tests in Python run", async () => {
  const plain = Object.entries(OFFERED).flatMap(([where, snippets]) =>
    LANGUAGES.filter((language) => language !== "graphql" && snippets[language]).map((language) => ({
      where,
      language,
      code: snippets[language]?.replaceAll(location.origin, "http://burnish.example"),
    })),
  );
  await expect(`${JSON.stringify(plain, null, 2)}\n`).toMatchFileSnapshot("../../../tests/cli/snippets.json");
});

import { expect, test } from "vitest";
import { grouped } from "./find";

const JOB = "job_01m8m9dhx8emnt4qrqb841fq82";

test("what was found is grouped by what it is, and empty groups are left out", () => {
  const createdAt = "2026-01-01T00:00:00Z";
  const data = {
    jobs: { nodes: [{ id: JOB, outputName: "adder", status: "RUNNING" as const, createdAt }] },
    deployments: { nodes: [] },
    datasets: { nodes: [] },
    rewardFunctions: { nodes: [{ id: "rf_1", name: "exact", createdAt }] },
    evals: { nodes: [{ id: "eval_1", name: "sums", createdAt }] },
    batches: {
      nodes: [{ id: "batch_1", status: "EXPIRED" as const, createdAt, model: "adder", inputFile: { filename: "rows.jsonl" } }],
    },
  };
  expect(grouped(data)).toEqual([
    { heading: "Jobs", items: [{ id: JOB, name: "adder", status: "RUNNING", createdAt, to: `/jobs/${JOB}` }] },
    {
      heading: "Batches",
      items: [{ id: "batch_1", name: "rows.jsonl", status: "EXPIRED", createdAt, to: "/batches/batch_1" }],
    },
    { heading: "Evals", items: [{ id: "eval_1", name: "sums", status: null, createdAt, to: "/evals/eval_1" }] },
    { heading: "Rewards", items: [{ id: "rf_1", name: "exact", status: null, createdAt, to: "/rewards/rf_1" }] },
  ]);
});

import { expect, test } from "vitest";
import { addressOf, pastedId } from "./ids";

const JOB = "job_01m8m9dhx8emnt4qrqb841fq82";
const DEPLOYMENT = "dep_01m8ma6w1dfj9b067bphx8dd03";

test.each([
  [JOB, `/jobs/${JOB}`],
  [DEPLOYMENT, `/deployments/${DEPLOYMENT}`],
  ["ds_01m8m9bpexf38btcc7ff9bbsbd", "/datasets/ds_01m8m9bpexf38btcc7ff9bbsbd"],
  ["rf_01m8m9bq0mekx9r5c5qawccyk0", "/rewards/rf_01m8m9bq0mekx9r5c5qawccyk0"],
  ["batch_01m8nma799f8h9sqj6nhzj1tm3", "/batches/batch_01m8nma799f8h9sqj6nhzj1tm3"],
  ["eval_01m8nma799f8h9sqj6nhzj1tm3", "/evals/eval_01m8nma799f8h9sqj6nhzj1tm3"],
  ["run_01m8nma799f8h9sqj6nhzj1tm3", "/evals/runs/run_01m8nma799f8h9sqj6nhzj1tm3"],
  ["key_01m8m9arn4f9prg8m3m1agcn3x", null],
  ["nothing", null],
])("%s is at %s", (id, address) => {
  expect(addressOf(id)).toBe(address);
});

test.each([
  [JOB, JOB],
  [`  ${JOB}\n`, JOB],
  [`http://127.0.0.1:8400/jobs/${JOB}?tab=logs`, JOB],
  [`model "${DEPLOYMENT}" is serving`, DEPLOYMENT],
  ["job_", null],
  ["key_01m8m9arn4f9prg8m3m1agcn3x", null],
  ["adder long", null],
])("in %j the id is %j", (text, id) => {
  expect(pastedId(text)).toBe(id);
});

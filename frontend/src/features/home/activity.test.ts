import { expect, test } from "vitest";
import { type Happening, KEPT, line, tell } from "./activity";

const JOB = "job_01m8m9bq76ecr8hx18jz1w3sqb";
const event = (type: string, metadata: Happening["metadata"] = {}, resourceId = JOB, cursor = type): Happening => ({
  cursor,
  at: "2026-01-01T00:00:00Z",
  type,
  resourceId,
  metadata,
});

test("the newest is first, and the same again and again is told once", () => {
  const first = tell([], [event("created"), event("checkpoint_saved", { step: 20 }), event("checkpoint_saved", { step: 40 })]);
  expect(first.map((one) => [one.type, one.count])).toEqual([
    ["checkpoint_saved", 2],
    ["created", 1],
  ]);
  const then = tell(first, [event("checkpoint_saved", { step: 60 }), event("completed")]);
  expect(then.map((one) => [one.type, one.count])).toEqual([
    ["completed", 1],
    ["checkpoint_saved", 3],
    ["created", 1],
  ]);
  expect(then[1]?.metadata).toEqual({ step: 60 });
});

test("the same of another is another", () => {
  expect(tell([], [event("created"), event("created", {}, "job_2")]).map((one) => one.count)).toEqual([1, 1]);
});

test("only so many are kept", () => {
  const many = Array.from({ length: KEPT + 5 }, (_, index) => event("created", {}, `job_${index}`));
  const told = tell([], many);
  expect(told).toHaveLength(KEPT);
  expect(told[0]?.resourceId).toBe(`job_${KEPT + 4}`);
});

test("a line names the thing, says what happened, and leads there", () => {
  const saved = { ...event("checkpoint_saved", { step: 80, final: true, size_bytes: 190_810 }), count: 4 };
  expect(line(saved, new Map([[JOB, "adder"]]))).toEqual({
    noun: "Job",
    name: "adder",
    what: "saved a checkpoint",
    detail: "step 80, final · 191 KB · 4 times",
    to: `/jobs/${JOB}`,
  });
  expect(line({ ...event("deleted", { name: "old" }, "ds_1"), count: 1 }, new Map())).toEqual({
    noun: "Dataset",
    name: "old",
    what: "deleted",
    detail: "",
    to: null,
  });
  expect(line({ ...event("budget_set", {}, "acct_1"), count: 1 }, new Map()).name).toBe("");
});

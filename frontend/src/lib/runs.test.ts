import { expect, test } from "vitest";
import { RUN_COLORS, runColor } from "./runs";

const ids = Array.from({ length: RUN_COLORS }, (_, index) => `job_01m8m9dhx8emnt4qrqb841fq8${index}`);

test("a run alone has the same colour always", () => {
  expect(runColor("job_01m8m9dhx8emnt4qrqb841fq82")).toBe(runColor("job_01m8m9dhx8emnt4qrqb841fq82"));
  expect(runColor("job_01m8m9dhx8emnt4qrqb841fq82")).toMatch(/^--run-([1-9]|10)$/);
});

test("runs shown together have ten different colours", () => {
  expect(new Set(ids.map((id) => runColor(id, ids))).size).toBe(RUN_COLORS);
});

test("the order in which they are named does not matter, and a later run repaints no earlier one", () => {
  const few = ids.slice(0, 5);
  for (const id of few) {
    expect(runColor(id, few.toReversed())).toBe(runColor(id, few));
    expect(runColor(id, ids)).toBe(runColor(id, few));
  }
});

test("beyond ten, colours come again", () => {
  const many = [...ids, "job_02"];
  expect(runColor("job_02", many)).toMatch(/^--run-/);
});

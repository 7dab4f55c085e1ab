import { expect, test } from "vitest";
import type { JobRow } from "./queries";
import { extended, type Page, patched, refreshed } from "./rows";

const row = (id: string, step = 0): JobRow => ({
  id,
  outputName: id,
  status: "RUNNING",
  phase: null,
  method: "GRPO",
  baseModel: "tiny",
  attempt: 1,
  viewerCan: [],
  createdAt: "2026-11-29T12:00:00Z",
  startedAt: null,
  completedAt: null,
  progress: { step, totalSteps: 10, fraction: step / 10, etaSeconds: null },
  hardware: null,
  hardwareRequested: { type: "CPU", count: 1 },
  cost: { total: { amount: "0" } },
  error: null,
  latestMetrics: [],
  metrics: [],
});
const page = (ids: string[], hasNextPage = true): Page => ({
  rows: ids.map((id) => row(id)),
  hasNextPage,
  endCursor: `after ${ids.at(-1)}`,
});
const ids = (of: Page) => of.rows.map((one) => one.id);

test("a page read again puts new rows on top and leaves what stands behind it", () => {
  const was = page(["job_5", "job_4", "job_3", "job_2"]);
  const now = refreshed(was, page(["job_6", "job_5", "job_4"]));
  expect(ids(now)).toEqual(["job_6", "job_5", "job_4", "job_3", "job_2"]);
  expect(now.endCursor).toBe("after job_2");
});

test("what the first page should hold and does not is gone", () => {
  const was = page(["job_5", "job_4", "job_3", "job_2", "job_1"]);
  expect(ids(refreshed(was, page(["job_5", "job_3", "job_2"])))).toEqual(["job_5", "job_3", "job_2", "job_1"]);
  expect(ids(refreshed(was, page(["job_5", "job_3"], false)))).toEqual(["job_5", "job_3"]);
  expect(ids(refreshed(was, { rows: [], hasNextPage: false, endCursor: null }))).toEqual([]);
});

test("a row that did not change stays the same object, one that did is replaced", () => {
  const was = page(["job_2", "job_1"], false);
  const now = refreshed(was, { rows: [row("job_2", 3), row("job_1")], hasNextPage: false, endCursor: null });
  expect(now.rows[1]).toBe(was.rows[1]);
  expect(now.rows[0]).not.toBe(was.rows[0]);
  expect(now.rows[0]?.progress.step).toBe(3);
});

test("a further page follows, and what both have is taken once", () => {
  const now = extended(page(["job_3", "job_2"]), page(["job_2", "job_1"], false));
  expect(ids(now)).toEqual(["job_3", "job_2", "job_1"]);
  expect([now.hasNextPage, now.endCursor]).toEqual([false, "after job_1"]);
});

test("single rows are changed or taken out where they stand", () => {
  const was = page(["job_3", "job_2", "job_1"]);
  const now = patched(
    was,
    new Map([
      ["job_2", row("job_2", 5)],
      ["job_1", null],
      ["job_9", row("job_9")],
    ]),
  );
  expect(ids(now)).toEqual(["job_3", "job_2"]);
  expect(now.rows[1]?.progress.step).toBe(5);
  expect(now.rows[0]).toBe(was.rows[0]);
});

import { expect, test } from "vitest";
import type { Batch, Point } from "./documents";
import * as figures from "./figures";

const BATCH: Batch = {
  id: "batch_1",
  status: "IN_PROGRESS",
  endpoint: "CHAT_COMPLETIONS",
  inputFileId: "file-1",
  inputFile: { filename: "requests.jsonl" },
  outputFileId: null,
  errorFileId: null,
  completionWindowSeconds: 86_400,
  metadata: null,
  model: "adder",
  problemCount: 0,
  attempt: 1,
  createdAt: "2026-01-01T00:00:00Z",
  expiresAt: "2026-01-02T00:00:00Z",
  inProgressAt: "2026-01-01T00:00:02Z",
  finalizingAt: null,
  cancellingAt: null,
  endedAt: null,
  viewerCan: ["cancel"],
  counts: { total: 1000, completed: 100, failed: 20 },
  usage: { promptTokens: "10", completionTokens: "20" },
  cost: { amount: "0.1" },
  progress: { inFlight: 8, perSecond: 10, etaSeconds: 88 },
};
const point = (second: number, completed: number, failed = 0): Point => ({
  at: `2026-01-01T00:00:${String(second).padStart(2, "0")}.000000+00:00`,
  total: 1000,
  completed,
  failed,
  promptTokens: "1",
  completionTokens: "2",
  inFlight: 3,
  perSecond: 4,
  etaSeconds: 5,
  cost: { amount: "0.2" },
});
const NOON = new Date("2026-01-01T12:00:00Z");

test("the shares of a batch add up with what is left", () => {
  expect(figures.sharesOf(BATCH.counts)).toEqual({ total: 1000, completed: 100, failed: 20, left: 880, good: 0.1, bad: 0.02 });
  expect(figures.sharesOf({ total: 0, completed: 0, failed: 0 })).toMatchObject({ left: 0, good: 0, bad: 0 });
});

test.each([
  [0, 10, "0 %"],
  [1, 50_000, "1 %"],
  [49_999, 50_000, "99 %"],
  [50_000, 50_000, "100 %"],
  [1, 3, "33 %"],
  [0, 0, "0 %"],
])("%i of %i is %s", (part, whole, text) => {
  expect(figures.percent(part, whole)).toBe(text);
});

test("a newer point moves the batch on, an older one does not take it back", () => {
  expect(figures.advanced(BATCH, undefined)).toBe(BATCH);
  expect(figures.advanced(BATCH, point(9, 110, 5))).toBe(BATCH);
  const { counts, usage, cost, progress } = figures.advanced(BATCH, point(9, 118, 5));
  expect([counts, usage, cost]).toEqual([
    { total: 1000, completed: 118, failed: 5 },
    { promptTokens: "1", completionTokens: "2" },
    { amount: "0.2" },
  ]);
  expect(progress).toEqual({ inFlight: 3, perSecond: 4, etaSeconds: 5 });
});

test("what has ended goes at no rate", () => {
  const { progress } = figures.advanced({ ...BATCH, status: "COMPLETED" }, point(9, 980, 20));
  expect(progress).toEqual({ inFlight: 0, perSecond: null, etaSeconds: null });
});

test("points come once each, and of very many the newer half stays whole", () => {
  const some = [point(1, 1), point(2, 2)];
  expect(figures.withPoints(some, [point(2, 2), point(3, 3)]).map((one) => one.completed)).toEqual([1, 2, 3]);
  const many = Array.from({ length: figures.KEPT_POINTS + 1 }, (_, index) => ({
    ...point(0, index),
    at: new Date(index * 1000).toISOString(),
  }));
  const kept = figures.withPoints([], many);
  const half = figures.KEPT_POINTS / 2;
  expect(kept.length).toBe(half + Math.ceil((half + 1) / 2));
  expect(kept.slice(-half)).toEqual(many.slice(-half));
  expect(kept.slice(0, 3).map((one) => one.completed)).toEqual([0, 2, 4]);
});

test("a rate is the lines between two moments, failed ones too", () => {
  const first = Date.parse("2026-01-01T00:00:00Z");
  expect(figures.rates([point(0, 0), point(2, 30, 10), point(4, 30, 10)])).toEqual({
    steps: [first + 2000, first + 4000],
    values: [20, 0],
  });
  expect(figures.rates([point(0, 5)])).toEqual({ steps: [], values: [] });
});

test("of one that was cut short neither progress nor rate counts the lines that were never sent", () => {
  const cut = { ...BATCH, cancellingAt: "2026-01-01T00:00:03Z" };
  expect(figures.doneOf(BATCH)).toBe(120);
  expect(figures.doneOf({ ...cut, status: "CANCELLED" })).toBe(100);
  const points = [point(0, 0), point(2, 30, 10), point(4, 30, 970)];
  expect(figures.rates(points, figures.sentUntil(cut)).values).toEqual([20]);
  expect(figures.sentUntil({ ...BATCH, status: "EXPIRED" })).toBe(Date.parse(BATCH.expiresAt));
  expect(figures.sentUntil(BATCH)).toBe(Number.POSITIVE_INFINITY);
});

test.each([
  [null, "–"],
  [0, "0 / s"],
  [0.05, "3 / min"],
  [3.26, "3.3 / s"],
  [1234.5, "1,235 / s"],
])("%s lines a second read %s", (rate, text) => {
  expect(figures.rateText(rate)).toBe(text);
});

test("the time left has an hour where that is near", () => {
  expect(figures.etaText(null, NOON)).toBeNull();
  expect(figures.etaText(0, NOON)).toEqual({ left: "a moment", at: "" });
  expect(figures.etaText(600, NOON)?.left).toBe("10 min");
  expect(figures.etaText(600, NOON)?.at).toMatch(/^\d\d:10$/);
  expect(figures.etaText(200_000, NOON)).toEqual({ left: "2 d 7 h", at: "" });
});

test("lines that cannot be answered in time are told", () => {
  expect(figures.lateLines(BATCH, NOON)).toBe(0);
  const soon = { ...BATCH, expiresAt: "2026-01-01T12:00:30Z" };
  expect(figures.lateLines(soon, NOON)).toBe(580);
  expect(figures.lateLines({ ...soon, status: "CANCELLING" }, NOON)).toBe(0);
  expect(figures.lateLines({ ...soon, progress: { inFlight: 0, perSecond: null, etaSeconds: null } }, NOON)).toBe(0);
});

const told = (batch: Batch) => figures.moments(batch).map(({ label, after, state }) => [label, after, state]);

test("what goes on stands between what was and what is to come", () => {
  expect(told(BATCH)).toEqual([
    ["Created", null, "past"],
    ["File checked", 2, "past"],
    ["All lines answered", null, "now"],
    ["Completed", null, "to come"],
  ]);
});

test.each<[string, Partial<Batch>, [string, number | null, string][]]>([
  [
    "found wrong",
    { status: "FAILED", inProgressAt: null, endedAt: "2026-01-01T00:00:01Z", problemCount: 2 },
    [
      ["Created", null, "past"],
      ["Failed", 1, "failed"],
    ],
  ],
  [
    "cancelled",
    { status: "CANCELLED", cancellingAt: "2026-01-01T00:01:02Z", endedAt: "2026-01-01T00:01:03Z" },
    [
      ["Created", null, "past"],
      ["File checked", 2, "past"],
      ["Cancelled by the user", 60, "cut short"],
      ["Cancelled", 1, "cut short"],
    ],
  ],
  [
    "being cancelled before it was checked",
    { status: "CANCELLING", inProgressAt: null, cancellingAt: "2026-01-01T00:00:09Z" },
    [
      ["Created", null, "past"],
      ["Cancelled by the user", 9, "cut short"],
      ["Files written", null, "now"],
    ],
  ],
  [
    "expired",
    { status: "EXPIRED", finalizingAt: "2026-01-02T00:00:00Z", endedAt: "2026-01-02T00:00:02Z" },
    [
      ["Created", null, "past"],
      ["File checked", 2, "past"],
      ["Expired", 86_400, "cut short"],
    ],
  ],
])("one that was %s has just what happened", (_, change, expected) => {
  expect(told({ ...BATCH, ...change })).toEqual(expected);
});

test("it says what it does where its status does not", () => {
  expect(figures.standing(BATCH)).toBe("");
  expect(figures.standing({ ...BATCH, progress: { ...BATCH.progress, inFlight: 0 } })).toBe("Waits for a replica that has room");
  expect(figures.standing({ ...BATCH, status: "FAILED", problemCount: 1 })).toBe("1 problem in its file; nothing was sent");
});

test("it is called by its label, then by its file, its model, its id", () => {
  expect(figures.nameOf({ ...BATCH, metadata: { name: "nightly" } })).toBe("nightly");
  expect(figures.nameOf({ ...BATCH, metadata: { name: 1, description: "all rows" } })).toBe("all rows");
  expect(figures.nameOf(BATCH)).toBe("requests.jsonl");
  expect(figures.nameOf({ ...BATCH, inputFile: null })).toBe("adder");
  expect(figures.nameOf({ ...BATCH, inputFile: null, model: null })).toBe("batch_1");
});

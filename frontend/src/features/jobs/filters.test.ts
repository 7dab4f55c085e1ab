import { expect, test } from "vitest";
import { readUrl } from "@/lib/url";
import { CODECS, type FilterView, finerCount, NO_FILTER, toFilter, toggled } from "./filters";

const view = (change: Partial<FilterView>): FilterView => ({ ...NO_FILTER, ...change });
const midnight = (year: number, month: number, day: number) => new Date(year, month - 1, day).toISOString();

test("nothing in the URL asks for everything", () => {
  expect(toFilter(readUrl(CODECS, {}))).toEqual({});
});

test("all that stands in the URL is asked for", () => {
  const read = readUrl(CODECS, {
    q: " adder ",
    status: "running,failed",
    method: "grpo",
    model: "tiny",
    dataset: "ds_1",
    reward: "rf_1",
  });
  expect(toFilter(read)).toEqual({
    search: "adder",
    status: ["RUNNING", "FAILED"],
    method: "GRPO",
    baseModel: "tiny",
    datasetId: "ds_1",
    rewardFunctionId: "rf_1",
  });
});

test("what makes no sense is left out rather than refused by the server", () => {
  expect(toFilter(view({ status: ["sleeping"], method: "magic", from: "yesterday", to: "2026-13-01", q: "  " }))).toEqual({});
  expect(toFilter(view({ from: "2026-06-31" }))).toEqual({});
  expect(toFilter(view({ status: ["sleeping", "QUEUED"] }))).toEqual({ status: ["QUEUED"] });
});

test("a range holds both of its days, by the clock of who looks", () => {
  expect(toFilter(view({ from: "2026-11-29", to: "2026-11-30" }))).toEqual({
    createdAfter: midnight(2026, 11, 29),
    createdBefore: midnight(2026, 12, 1),
  });
});

test("a chip adds its status or takes it away, in the order of a job's life", () => {
  expect(toggled([], "RUNNING")).toEqual(["running"]);
  expect(toggled(["failed"], "QUEUED")).toEqual(["queued", "failed"]);
  expect(toggled(["queued", "failed"], "QUEUED")).toEqual(["failed"]);
  expect(toggled(["nonsense"], "QUEUED")).toEqual(["queued"]);
});

test("the finer filters are counted; search and status are seen anyway", () => {
  expect(finerCount(view({ q: "a", status: ["running"] }))).toBe(0);
  expect(finerCount(view({ model: "tiny", from: "2026-11-29" }))).toBe(2);
});

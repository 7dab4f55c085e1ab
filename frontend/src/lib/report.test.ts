import { expect, test } from "vitest";
import { isMissingFile, loaded, MissingFile, report } from "./report";

test("a chunk that is gone is told from a screen that broke", async () => {
  const gone = new TypeError("Failed to fetch dynamically imported module: http://here/assets/JobPage-abc.js");
  await expect(loaded(() => Promise.reject(gone))()).rejects.toBeInstanceOf(MissingFile);
  expect(isMissingFile(gone)).toBe(true);
  const broke = new TypeError("x is undefined");
  await expect(loaded(() => Promise.reject(broke))()).rejects.toBe(broke);
  expect(isMissingFile(broke)).toBe(false);
});

test("what is there is handed on", async () => {
  expect(await loaded(() => Promise.resolve(7))()).toBe(7);
});

test("a report says where, when, in which browser, and what", () => {
  const error = new Error("no such thing");
  error.stack = "Error: no such thing\n    at Screen (index.js:1:2)";
  expect(report(error, "/jobs/job_1", "Firefox/150", new Date("2026-01-02T03:04:05Z"))).toBe(
    "at /jobs/job_1, 2026-01-02T03:04:05.000Z\nFirefox/150\n\nError: no such thing\n    at Screen (index.js:1:2)",
  );
});

import { expect, test } from "vitest";
import { causeText, grouped } from "./causes";
import type { Cause } from "./documents";

const cause = (code: string | null, deploymentId: string | null, count: number, line = 1): Cause => ({
  code,
  deploymentId,
  count,
  sample: { line, customId: `c${line}`, statusCode: code === null ? 400 : null, message: "no" },
});

test("causes are gathered by code, the most frequent first, each by deployment", () => {
  const [a, b, c] = [cause("timeout", "dep_1", 2, 4), cause("batch_expired", null, 5, 1), cause("timeout", "dep_2", 3, 9)];
  expect(grouped([b, c, a].filter((one) => one !== undefined))).toEqual([
    { code: "batch_expired", text: "Not answered before the batch expired", count: 5, share: 0.5, of: [b], sample: b?.sample },
    { code: "timeout", text: "The answer took too long", count: 5, share: 0.5, of: [c, a], sample: c?.sample },
  ]);
});

test("no cause is no group", () => {
  expect(grouped([])).toEqual([]);
});

test.each([
  ["batch_cancelled", null, "Not answered before the batch was cancelled"],
  ["some_new_code", null, "Some new code"],
  [null, 422, "Answered with 422"],
  [null, null, "Failed"],
])("%s with %s reads %j", (code, status, text) => {
  expect(causeText(code, status)).toBe(text);
});

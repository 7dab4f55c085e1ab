import { expect, test } from "vitest";
import { limitOf, limitsInFull, limitsInShort } from "./limits";

test("a limit is a whole number, grouped or not; nothing and 0 are none", () => {
  expect(["60", " 50,000 ", "1 000 000", "1_000", "1000000000"].map(limitOf)).toEqual([60, 50_000, 1_000_000, 1000, 1e9]);
  expect(["", "  ", "0"].map(limitOf)).toEqual([null, null, null]);
});

test("what is no limit is not taken for one", () => {
  const odd = ["-1", "1.5", "1e3", "many", "5,0", ",500", "1000000001", "60/min", "9".repeat(40)];
  expect(odd.map(limitOf)).toEqual(odd.map(() => undefined));
});

test("limits are told in short in a row, and to the last digit beside it", () => {
  const both = { inferenceRequestsPerMinute: 1, inferenceTokensPerMinute: 51_234 };
  expect([limitsInShort(both), limitsInFull(both)]).toEqual(["1 request, 51.2K tokens", "1 request and 51,234 tokens a minute"]);
  const one = { inferenceRequestsPerMinute: 1200, inferenceTokensPerMinute: null };
  expect([limitsInShort(one), limitsInFull(one)]).toEqual(["1.2K requests", "1,200 requests a minute"]);
  expect(limitsInShort({ inferenceRequestsPerMinute: null, inferenceTokensPerMinute: null })).toBe("");
});

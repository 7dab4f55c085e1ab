import { expect, test } from "vitest";
import { draftOf, SAMPLING, samplingOf, scorerOf, TYPES } from "./scorers";

test("only what was said is sent", () => {
  expect(scorerOf(draftOf())).toEqual({ scorer: { type: "exact-match" } });
  expect(scorerOf({ ...draftOf(), weight: "2", column: " answer ", ignoreCase: true })).toEqual({
    scorer: { type: "exact-match", weight: 2, column: "answer", ignore_case: true },
  });
  expect(scorerOf({ ...draftOf("json-schema"), schema: '{"type":"object"}' })).toEqual({
    scorer: { type: "json-schema", schema: { type: "object" } },
  });
  expect(scorerOf({ ...draftOf("judge"), model: "big", pattern: "left over" })).toEqual({
    scorer: { type: "judge", model: "big" },
  });
});

test("each type says what it is missing", () => {
  const missing = TYPES.map((type) => scorerOf(draftOf(type))).map((one) => ("problem" in one ? one.problem : null));
  expect(missing).toEqual([
    null,
    "There is no pattern yet.",
    "The schema is not JSON.",
    "No reward function is chosen.",
    "No judge is chosen.",
  ]);
  expect(scorerOf({ ...draftOf(), weight: "much" })).toEqual({ problem: "The weight is a number." });
});

test("sampling is sent by its names", () => {
  expect(samplingOf(SAMPLING)).toEqual({ params: null });
  expect(samplingOf({ samples: "4", temperature: "0.6", maxTokens: "" })).toEqual({ params: { n: 4, temperature: 0.6 } });
  expect(samplingOf({ ...SAMPLING, maxTokens: "many" })).toEqual({ problem: "Most tokens: this is not a number." });
});

import { expect, test } from "vitest";
import { byLine } from "./issues";

test("issues stand at their lines, in order, each message once", () => {
  const found = byLine(
    [
      { line: 7, message: "late" },
      { line: 2, message: "a" },
      { line: 2, message: "b" },
      { line: 2, message: "a" },
    ],
    10,
  );
  expect([...found].map(([line, issues]) => [line, issues.map((one) => one.message)])).toEqual([
    [2, ["a", "b"]],
    [7, ["late"]],
  ]);
});

test("what is about no line, or about one that is not there, is kept within the file", () => {
  const found = byLine(
    [
      { line: null, message: "whole" },
      { line: 99, message: "beyond" },
    ],
    3,
  );
  expect([...found.keys()]).toEqual([1, 3]);
});

import { expect, test } from "vitest";
import { cell, ordered, promptText } from "./cells";

test("a prompt of one message is its text, a longer one names who speaks", () => {
  expect(promptText("1+1")).toBe("1+1");
  expect(promptText([{ role: "user", content: "1+1" }])).toBe("1+1");
  expect(
    promptText([
      { role: "system", content: "Add." },
      { role: "user", content: [{ type: "text", text: "1+1" }] },
    ]),
  ).toBe("system: Add.  user: 1+1");
});

test("a cell is a text, JSON, or nothing where the row has no such column", () => {
  const row = { prompt: "p", answer: 3, meta: { a: [1] }, note: "n" };
  expect([cell(row, "answer"), cell(row, "meta"), cell(row, "note"), cell(row, "missing")]).toEqual(["3", '{"a":[1]}', "n", ""]);
  expect(cell({ note: "x".repeat(301) }, "note")).toBe(`${"x".repeat(300)}…`);
});

test("the prompt stands first", () => {
  expect(ordered(["id", "answer", "prompt"])).toEqual(["prompt", "id", "answer"]);
  expect(ordered(["video", "caption"])).toEqual(["caption", "video"]);
});

import { expect, test } from "vitest";
import { cell, ordered, promptText } from "./cells";

test("a prompt is what was said to the model: one message as its text, several with who speaks", () => {
  expect(promptText("1+1")).toBe("1+1");
  expect(promptText([{ role: "user", content: "1+1" }])).toBe("1+1");
  expect(
    promptText([
      { role: "system", content: "Add." },
      { role: "user", content: [{ type: "text", text: "1+1" }] },
    ]),
  ).toBe("1+1");
  expect(
    promptText([
      { role: "user", content: "1+1" },
      { role: "assistant", content: "3" },
      { role: "user", content: "no" },
    ]),
  ).toBe("user: 1+1  assistant: 3  user: no");
  expect(promptText([{ role: "system", content: "Add." }])).toBe("Add.");
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

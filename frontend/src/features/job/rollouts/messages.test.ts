import { expect, test } from "vitest";
import { after, callCount, turnsOf } from "./messages";

const ASKED = [
  { role: "system", content: "Use the tools." },
  { role: "user", content: "How many are left?" },
];
const HAD = [
  ...ASKED,
  {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "c1", type: "function", function: { name: "count", arguments: '{"of": "apples"}' } }],
  },
  {
    role: "tool",
    name: "count",
    tool_call_id: "c1",
    content: [{ type: "text", text: "7" }, { type: "image" }],
    reward: 0.5,
    finished: false,
  },
  { role: "assistant", content: "Seven.", tool_calls: [{ name: "answer", arguments: { value: 7 } }] },
  { role: "tool", name: "answer", content: "", reward: 1, finished: true, seconds: 0.1 },
];
const turns = turnsOf(HAD) ?? [];

test("a call has its name and its input, however it is written", () => {
  expect(turns.flatMap((turn) => turn.calls)).toEqual([
    { name: "count", input: { of: "apples" } },
    { name: "answer", input: { value: 7 } },
  ]);
  expect(callCount(turns)).toBe(2);
  expect(turnsOf([{ role: "assistant", tool_calls: [{ function: { name: "f", arguments: "{broken" } }] }])?.[0]?.calls).toEqual([
    { name: "f", input: "{broken" },
  ]);
});

test("a result tells of which tool it is, what it was worth and whether that was the end", () => {
  expect(turns.filter((turn) => turn.role === "tool")).toEqual([
    { role: "tool", name: "count", text: "7\n[image]", calls: [], reward: 0.5, finished: false, rest: {} },
    { role: "tool", name: "answer", text: "", calls: [], reward: 1, finished: true, rest: { seconds: 0.1 } },
  ]);
});

test("after the prompt comes what the model did; a conversation that begins otherwise is shown whole", () => {
  expect(after(turns, ASKED).map((turn) => turn.role)).toEqual(["assistant", "tool", "assistant", "tool"]);
  expect(after(turns, [{ role: "user", content: "Something else" }])).toHaveLength(6);
  expect(after(turns, "a text")).toHaveLength(6);
});

test("what is no list of messages has no turns", () => {
  expect([turnsOf("text"), turnsOf({ role: "user" }), turnsOf(["text"])]).toEqual([null, null, null]);
});

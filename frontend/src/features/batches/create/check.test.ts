import { expect, test } from "vitest";
import { Check, check, MOST_LINES, SHOWN, unknownModels } from "./check";
import { sampleLines } from "./sample";

const line = (id: unknown, change: Record<string, unknown> = {}, body: Record<string, unknown> = {}): string =>
  JSON.stringify({
    custom_id: id,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "adder", messages: [{ role: "user", content: "1+1" }], ...body },
    ...change,
  });

function looked(...texts: string[]) {
  const found = new Check();
  for (const [index, text] of texts.entries()) found.take(index + 1, text);
  return found.look;
}

const messages = (...texts: string[]) => looked(...texts).issues.map((one) => [one.line, one.message]);

// jsdom's Blob has no stream(); what is read here is what a browser gives.
const file = (text: string): Blob =>
  ({ size: new TextEncoder().encode(text).length, stream: () => new Response(text).body }) as unknown as Blob;

test("good lines are counted, with what they ask and the models that they name", () => {
  const look = looked(line("a"), "", line("b", {}, { model: "other" }), line("c"));
  expect(look).toEqual({
    lines: 3,
    endpoint: "/v1/chat/completions",
    models: new Map([
      ["adder", 2],
      ["other", 1],
    ]),
    issues: [],
    issueCount: 0,
  });
});

test.each([
  ["{", "not JSON: "],
  ["[1]", "a line is a JSON object"],
  [line(undefined), "'custom_id' is a text that names the line"],
  [line("x".repeat(513)), "'custom_id' is longer than 512 characters"],
  [line(7), "'custom_id' is a text that names the line"],
  [line("a", { method: "GET" }), "'method' is POST"],
  [line("a", { url: "/v1/embeddings" }), "'url' is one of /v1/chat/completions, /v1/completions"],
  [line("a", { body: "x" }), "'body' is the request: an object"],
  [line("a", {}, { model: "" }), "'body.model' names a deployment"],
  [line("a", {}, { stream: true }), "'body.stream' is not for batches"],
])("%s is told to be wrong", (text, message) => {
  const { issues, issueCount } = looked(text);
  expect(issueCount).toBe(1);
  expect(issues[0]?.line).toBe(1);
  expect(issues[0]?.message.startsWith(message)).toBe(true);
  expect(issues[0]?.text).toBe(text.length > 400 ? `${text.slice(0, 400)}…` : text);
});

test("lines that do not go together are told, each with the one before", () => {
  expect(messages(line("a"), line("b"), line("a"), line("c", { url: "/v1/completions" }))).toEqual([
    [3, `'custom_id' "a" is also that of line 1`],
    [4, "'url' is /v1/chat/completions in the lines before: all of a batch ask the same"],
  ]);
});

test("a line has all of its problems told", () => {
  expect(messages(JSON.stringify({ custom_id: "", url: "/v1/completions", body: { stream: true } }))).toEqual([
    [1, "'custom_id' is a text that names the line"],
    [1, "'method' is POST"],
    [1, "'body.model' names a deployment"],
    [1, "'body.stream' is not for batches"],
  ]);
});

test("many problems are counted, and the first shown", () => {
  const look = looked(...Array.from({ length: SHOWN + 5 }, () => "{"));
  expect([look.issues.length, look.issueCount, look.lines]).toEqual([SHOWN, SHOWN + 5, SHOWN + 5]);
});

test("more lines than a batch has are told once, at the first that is too many", () => {
  const found = new Check();
  for (let number = 1; number <= MOST_LINES + 2; number += 1) found.take(number, "{}", true);
  expect(found.look.issues.map((one) => [one.line, one.message])).toEqual([[50_001, "a batch has at most 50,000 lines"]]);
});

test("a file without requests is none", async () => {
  const look = await check(file("\n\n"), { signal: new AbortController().signal, onProgress: () => undefined });
  expect(look.issues).toEqual([{ line: 1, message: "the file holds no requests" }]);
});

test("the sample is a file without problems", async () => {
  const look = await check(file(sampleLines("adder")), { signal: new AbortController().signal, onProgress: () => undefined });
  expect(look).toEqual({
    lines: 8,
    endpoint: "/v1/chat/completions",
    models: new Map([["adder", 8]]),
    issues: [],
    issueCount: 0,
  });
});

test("reading stops where somebody chose another file", async () => {
  const stopped = new AbortController();
  stopped.abort();
  await expect(check(file(line("a")), { signal: stopped.signal, onProgress: () => undefined })).rejects.toThrow();
});

test("models are known by id and by name, with and without the account's own", () => {
  const models = new Map([
    ["adder", 1],
    ["me/adder", 1],
    ["dep_1", 1],
    ["deploy_id:dep_1", 1],
    ["you/adder", 2],
    ["gone", 9],
  ]);
  expect(unknownModels(models, [{ id: "dep_1", name: "adder" }], "me")).toEqual(["gone", "you/adder"]);
});

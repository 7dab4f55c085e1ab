import { expect, test } from "vitest";
import { readLines } from "./file";
import { firstLook, problemOf } from "./precheck";

// jsdom's Blob has no stream(); what is read here is what a browser gives.
const file = (text: string | Uint8Array<ArrayBuffer>): Blob => {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const made = {
    slice: (from: number, to: number) => ({ arrayBuffer: async () => bytes.slice(from, to).buffer }),
    stream: () => new Response(bytes).body,
  };
  return made as unknown as Blob;
};

async function packed(text: string): Promise<Blob> {
  const stream = new Response(text).body?.pipeThrough(new CompressionStream("gzip"));
  return file(new Uint8Array(await new Response(stream).arrayBuffer()));
}

const ROWS = '{"prompt": "1+1", "answer": "2"}\n\n{"prompt": [{"role": "user", "content": "hi"}], "id": 3}\n';

test("good rows are counted, with the columns of all of them in order", async () => {
  expect(await firstLook(file(ROWS))).toEqual({ rows: 2, columns: ["prompt", "answer", "id"], issues: [], isWhole: true });
});

test("what is wrong is told by line, with the line", async () => {
  const found = await firstLook(file('{"prompt": "a"}\n[1]\n{"answer": 1}\n'));
  expect(found?.issues).toEqual([
    { line: 2, message: "a row is a JSON object", text: "[1]" },
    { line: 3, message: "no 'prompt'", text: '{"answer": 1}' },
  ]);
});

test("a file without rows is none", async () => {
  expect((await firstLook(file("\n\n")))?.issues).toEqual([{ line: 1, message: "the file holds no rows" }]);
});

test("only the first rows are looked at", async () => {
  const found = await firstLook(file('{"prompt": "a"}\n'.repeat(501)));
  expect(found).toMatchObject({ rows: 500, isWhole: false });
});

test("gzip is looked into, and what only the server unpacks is left to it", async () => {
  expect(await firstLook(await packed(ROWS))).toMatchObject({ rows: 2, issues: [] });
  expect(await firstLook(file(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0])))).toBeNull();
});

test("a prompt is a text, messages, or the caption of a clip", () => {
  expect(problemOf({ prompt: " " })).toBe("'prompt' is empty");
  expect(problemOf({ prompt: [] })).toBe("'prompt' is a text or a list of messages");
  expect(problemOf({ prompt: [{ role: "robot", content: "x" }] })).toMatch(/^'prompt\[0\]' is not a message/);
  expect(problemOf({ caption: "a dog", video: "dog.mp4" })).toBeNull();
  expect(problemOf({ caption: "a dog" })).toBe("no 'prompt'");
});

test("single lines are read by number, across pieces and from gzip", async () => {
  const text = `${"x".repeat(70_000)}\nsecond\r\nthird`;
  const found = await readLines(file(text), [2, 3]);
  expect([...found]).toEqual([
    [2, "second"],
    [3, "third"],
  ]);
  expect((await readLines(await packed(text), [1])).get(1)).toBe(`${"x".repeat(4000)}…`);
});

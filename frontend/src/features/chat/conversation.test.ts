import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ownKey } from "@/lib/own";
import { body, DEFAULTS } from "./complete";
import { Conversation, type Turn } from "./conversation";

const encoder = new TextEncoder();
const event = (value: unknown) => `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;
const word = (content: string) => event({ choices: [{ delta: { content }, finish_reason: null }] });
const END =
  event({ choices: [{ delta: {}, finish_reason: "stop" }] }) +
  event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } }) +
  event("[DONE]");

/** Answers each request as it is told to, and remembers what was asked. */
function server(answer: (model: string) => Response) {
  const asked: ReturnType<typeof body>[] = [];
  vi.stubGlobal(
    "fetch",
    vi.fn(async (_: string, init: { body: string }) => {
      const request = JSON.parse(init.body) as ReturnType<typeof body>;
      asked.push(request);
      return answer(request.model);
    }),
  );
  return asked;
}

const streamed = (text: string) => new Response(encoder.encode(text), { status: 200 });
const said = (turns: readonly Turn[]) => turns.map((turn) => [turn.role, turn.text, turn.state]);
const idle = (talk: Conversation) => vi.waitFor(() => expect(talk.streaming()).toBe(0));

beforeEach(() => sessionStorage.clear());
afterEach(() => vi.unstubAllGlobals());

test("all models are asked the same, each goes on from its own answers", async () => {
  const asked = server((model) => streamed(word(`I am `) + word(model) + END));
  const talk = new Conversation();
  talk.send(["a", "b"], "Who?");
  await idle(talk);
  expect(said(talk.turns("b"))).toEqual([
    ["user", "Who?", "done"],
    ["assistant", "I am b", "done"],
  ]);
  expect(talk.turns("a")[1]).toMatchObject({ finish: "stop", promptTokens: 3, completionTokens: 2 });
  talk.send(["a", "b"], "Sure?");
  await idle(talk);
  expect(asked[3]?.messages.map((one) => one.content)).toEqual(["Who?", "I am b", "Sure?"]);
});

test("a refusal is told in the server's words, and is not part of what is asked next", async () => {
  server(() => new Response('{"error":{"message":"The model does not exist."}}', { status: 404 }));
  const talk = new Conversation();
  talk.send(["a"], "Hi");
  await idle(talk);
  expect(talk.turns("a")[1]).toMatchObject({ state: "failed", error: "The model does not exist." });
  expect(talk.messages("a")).toEqual([{ role: "user", content: "Hi" }]);
});

test("an answer that ends without its last event has broken off", async () => {
  server(() => streamed(word("Half")));
  const talk = new Conversation();
  talk.send(["a"], "Hi");
  await idle(talk);
  expect(talk.turns("a")[1]).toMatchObject({ text: "Half", state: "failed", error: "The answer broke off." });
});

test("a stopped answer keeps what it has said", async () => {
  let body_: ReadableStreamDefaultController<Uint8Array> | undefined;
  server(
    () =>
      new Response(
        new ReadableStream<Uint8Array>({
          start: (controller) => {
            body_ = controller;
          },
        }),
      ),
  );
  const talk = new Conversation();
  talk.send(["a"], "Hi");
  await vi.waitFor(() => expect(body_).toBeDefined());
  body_?.enqueue(encoder.encode(word("Once upon")));
  await vi.waitFor(() => expect(talk.turns("a")[1]?.text).toBe("Once upon"));
  talk.stop();
  body_?.error(new DOMException("aborted", "AbortError"));
  await idle(talk);
  expect(talk.turns("a")[1]).toMatchObject({ text: "Once upon", state: "stopped" });
});

test("a question is put differently in every column; what followed is dropped", async () => {
  const asked = server(() => streamed(word("yes") + END));
  const talk = new Conversation();
  for (const question of ["one", "two", "three"]) {
    talk.send(["a", "b"], question);
    await idle(talk);
  }
  talk.edit(["a", "b"], 1, "other");
  await idle(talk);
  for (const model of ["a", "b"]) expect(said(talk.turns(model)).map(([, text]) => text)).toEqual(["one", "yes", "other", "yes"]);
  expect(asked.at(-1)?.messages.map((one) => one.content)).toEqual(["one", "yes", "other"]);
});

test("it is there again after a reload, and what was under way has stopped", () => {
  const turns = [
    { id: 7, role: "user", text: "Hi", state: "done" },
    { id: 8, role: "assistant", text: "He", state: "streaming" },
  ];
  sessionStorage.setItem(ownKey("chat"), JSON.stringify({ columns: { a: turns }, settings: { seed: 4 } }));
  const talk = new Conversation();
  expect(said(talk.turns("a"))).toEqual([
    ["user", "Hi", "done"],
    ["assistant", "He", "stopped"],
  ]);
  expect(talk.settings()).toEqual({ ...DEFAULTS, seed: 4 });
});

test("a column is asked by its own settings, and as all are when it has none", async () => {
  const asked = server(() => streamed(word("yes") + END));
  const talk = new Conversation();
  talk.set({ temperature: 0.5 });
  talk.set({ temperature: 0 }, "b");
  talk.send(["a", "b"], "Hi");
  await idle(talk);
  expect(asked.map((one) => [one.model, one.temperature])).toEqual([
    ["a", 0.5],
    ["b", 0],
  ]);
  expect([talk.hasOwn("a"), talk.hasOwn("b")]).toEqual([false, true]);
  expect(new Conversation().settings("b").temperature).toBe(0);
  talk.disown("b");
  expect(talk.settings("b")).toEqual(talk.settings());
});

test("a deployment that wakes is asked again when it says so, and no refusal is shown meanwhile", async () => {
  const wakes = new Response('{"error":{"message":"No replica is ready yet."}}', {
    status: 503,
    headers: { "retry-after": "0" },
  });
  let refusals = 2;
  const asked = server(() => (refusals-- > 0 ? wakes.clone() : streamed(word("awake") + END)));
  const talk = new Conversation();
  talk.send(["a"], "Hi");
  await idle(talk);
  expect(asked).toHaveLength(3);
  expect(said(talk.turns("a"))).toEqual([
    ["user", "Hi", "done"],
    ["assistant", "awake", "done"],
  ]);
});

test("who waits for a deployment to wake can stop waiting", async () => {
  const asked = server(() => new Response("{}", { status: 503, headers: { "retry-after": "60" } }));
  const talk = new Conversation();
  talk.send(["a"], "Hi");
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  talk.stop("a");
  await idle(talk);
  expect(talk.turns("a")[1]).toMatchObject({ state: "stopped", text: "" });
});

test("only what was set is sent", () => {
  const messages = [{ role: "user" as const, content: "Hi" }];
  expect(body("a", messages, { ...DEFAULTS, maxTokens: null })).toEqual({ model: "a", messages });
  expect(
    body("a", messages, {
      ...DEFAULTS,
      system: "Be brief.",
      temperature: 0,
      topP: 0.5,
      seed: 0,
      stop: "\n\nEND\n",
      logprobs: true,
    }),
  ).toEqual({
    model: "a",
    messages: [{ role: "system", content: "Be brief." }, ...messages],
    temperature: 0,
    top_p: 0.5,
    max_tokens: 512,
    seed: 0,
    stop: ["END"],
    logprobs: true,
    top_logprobs: 5,
  });
});

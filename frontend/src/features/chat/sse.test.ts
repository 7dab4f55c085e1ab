import { expect, test } from "vitest";
import { ChatFailure, pieceOf } from "./complete";
import { EventParser } from "./sse";

const STREAM =
  'data: {"a":1}\n\n: a comment\ndata: two\ndata:lines\n\nevent: x\r\ndata: crlf\r\n\r\ndata: cr\r\rdata: [DONE]\n\n';
const EVENTS = ['{"a":1}', "two\nlines", "crlf", "cr", "[DONE]"];

test("a stream says the same wherever the network cuts it", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    const parser = new EventParser();
    const found: string[] = [];
    for (let at = 0; at < STREAM.length; at += size) found.push(...parser.push(STREAM.slice(at, at + size)));
    expect(found).toEqual(EVENTS);
  }
});

test("an event that is not finished is not told of", () => {
  const parser = new EventParser();
  expect(parser.push("data: half")).toEqual([]);
  expect(parser.push("\n")).toEqual([]);
  expect(parser.push("\n")).toEqual(["half"]);
});

test("a byte order mark, an empty datum and fields that nobody asked for", () => {
  const parser = new EventParser();
  expect(parser.push("\ufeffdata\n\nid: 4\nretry: 10\n\n")).toEqual([""]);
});

test("pieces carry text, probabilities, the end and the usage", () => {
  expect(pieceOf('{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}')).toEqual({
    text: "",
  });
  expect(
    pieceOf(
      '{"choices":[{"delta":{"content":"7"},"logprobs":{"content":[{"token":"7","logprob":0,"top_logprobs":[{"token":"8","logprob":0}]}]},"finish_reason":"stop"}]}',
    ),
  ).toEqual({
    text: "7",
    tokens: [{ token: "7", probability: 1, others: [{ token: "8", probability: 1 }] }],
    finish: "stop",
  });
  expect(pieceOf('{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}')).toEqual({
    text: "",
    usage: { prompt: 5, completion: 2 },
  });
  expect(() => pieceOf('{"error":{"message":"The engine died."}}')).toThrow(new ChatFailure("The engine died."));
});

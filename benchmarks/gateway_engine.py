"""An engine far faster than any: `python -m benchmarks.gateway_engine PORT` gives canned answers in vLLM's own words.

An answer has `max_tokens` tokens, a stream a chunk for each of them. `seed` is how many tokens come a second, 0 for all as fast
as they are taken; a whole answer comes at its end. Usage is told where it was asked for, after each chunk or at the end. `GET
/counts` tells what all complete answers came to, which is what whoever meters them must have found.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from typing import cast

import orjson
import uvloop

PROMPT_TOKENS = 24
MODEL = "bench"
CREATED = 1764460800
# How many chunks of an unpaced stream are written at once.
AT_ONCE = 64
BACKLOG = 1024
WORDS = "The gateway passes every token on as it came, and counts it once. "


@dataclass
class Counts:
    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


counts = Counts()


def content(tokens: int) -> str:
    """Return what a whole answer of so many tokens says: some four characters a token."""
    return (WORDS * (tokens // 16 + 1))[: tokens * 4]


def word(number: int) -> str:
    """Return what the chunk of that number says."""
    return f" t{number}"


def usage(tokens: int) -> bytes:
    return b'{"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d}' % (PROMPT_TOKENS, PROMPT_TOKENS + tokens, tokens)


def _whole(tokens: int) -> tuple[bytes, bytes]:
    """Return a whole answer but for its id, which stands between the two halves."""
    choice = {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": content(tokens),
            "refusal": None,
            "annotations": None,
            "audio": None,
            "function_call": None,
            "tool_calls": [],
            "reasoning": None,
        },
        "logprobs": None,
        "finish_reason": "stop",
        "stop_reason": None,
        "token_ids": None,
    }
    rest = b'","object":"chat.completion","created":%d,"model":"%b","choices":[%b],"service_tier":null,' % (
        CREATED,
        MODEL.encode(),
        orjson.dumps(choice),
    )
    rest += b'"system_fingerprint":null,"usage":%b,"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}' % (
        usage(tokens)
    )
    start = b'{"id":"chatcmpl-'
    size = len(start) + 32 + len(rest)
    head = b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % size
    return head + start, rest


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
wholes: dict[int, tuple[bytes, bytes]] = {}


class Engine(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.rest = b""
        self.stream: Stream | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transport by their class.
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.stream is not None:
            self.stream.stop()

    def pause_writing(self) -> None:
        if self.stream is not None:
            self.stream.paused = True

    def resume_writing(self) -> None:
        if self.stream is not None:
            self.stream.resume()

    def data_received(self, data: bytes) -> None:
        rest = self.rest + data if self.rest else data
        while (end := rest.find(b"\r\n\r\n")) >= 0:
            head = rest[:end].lower()
            at = head.find(b"content-length:")
            body_at = end + 4
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < body_at + size:
                break
            self._answer(head, rest[body_at : body_at + size])
            rest = rest[body_at + size :]
        self.rest = rest

    def _answer(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"post"):
            return self._tell(head)
        asked = orjson.loads(body)
        tokens, rate = asked["max_tokens"], asked.get("seed") or 0
        if asked.get("stream"):
            self.stream = Stream(self, tokens, rate, asked.get("stream_options") or {})
            self.stream.begin()
        elif rate:
            self.loop.call_later(tokens / rate, self._say, tokens)
        else:
            self._say(tokens)

    def _say(self, tokens: int) -> None:
        if self.transport.is_closing():
            return
        start, end = wholes.get(tokens) or wholes.setdefault(tokens, _whole(tokens))
        count(tokens)
        self.transport.write(b"%b%032x%b" % (start, counts.answers, end))

    def _tell(self, head: bytes) -> None:
        found: object = {}
        if head.startswith(b"get /counts"):
            found = asdict(counts)
        elif head.startswith(b"get /v1/models"):
            found = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": CREATED, "owned_by": "vllm"}]}
        body = json.dumps(found).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )


class Stream:
    """An answer that comes in chunks, the next when it is due and the last ones were taken."""

    def __init__(self, engine: Engine, tokens: int, rate: int, options: dict[str, bool]) -> None:
        self.engine, self.tokens, self.rate = engine, tokens, rate
        self.counted = options.get("include_usage", False)
        self.each = self.counted and options.get("continuous_usage_stats", False)
        self.sent = 0
        self.paused = False
        self.timer: asyncio.Handle | None = None
        self.start = b'data: {"id":"chatcmpl-%032x","object":"chat.completion.chunk","created":%d,"model":"%b","choices":[' % (
            id(self),
            CREATED,
            MODEL.encode(),
        )

    def begin(self) -> None:
        first = self._event(b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}', 0)
        self.engine.transport.write(STREAM_HEAD + _chunked(first))
        self.due = self.engine.loop.time()
        self._next()

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()

    def resume(self) -> None:
        self.paused = False
        self._next()

    def _next(self) -> None:
        self.timer = None
        if self.engine.transport.is_closing() or self.paused:
            return
        count_now = 1 if self.rate else AT_ONCE
        last = min(self.sent + count_now, self.tokens)
        pieces = [_chunked(self._token(number)) for number in range(self.sent, last)]
        self.sent = last
        self.engine.transport.write(b"".join(pieces))
        if self.sent == self.tokens:
            return self._end()
        if self.rate:
            self.due += 1 / self.rate
            self.timer = self.engine.loop.call_at(self.due, self._next)
        else:
            self.timer = self.engine.loop.call_soon(self._next)

    def _token(self, number: int) -> bytes:
        finish = b'"stop","stop_reason":null' if number == self.tokens - 1 else b"null"
        said = b'{"index":0,"delta":{"content":"%b"},"logprobs":null,"finish_reason":%b,"token_ids":null}' % (
            word(number).encode(),
            finish,
        )
        return self._event(said, number + 1)

    def _event(self, choice: bytes, so_far: int) -> bytes:
        return b"%b%b]%b}\n\n" % (self.start, choice, b',"usage":' + usage(so_far) if self.each else b"")

    def _end(self) -> None:
        count(self.tokens)
        last = b""
        if self.counted:
            last = _chunked(b'%b],"usage":%b}\n\n' % (self.start, usage(self.tokens)))
        self.engine.stream = None
        self.engine.transport.write(last + _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def count(tokens: int) -> None:
    counts.answers += 1
    counts.prompt_tokens += PROMPT_TOKENS
    counts.completion_tokens += tokens


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Engine, "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))

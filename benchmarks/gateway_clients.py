"""Who asks a gateway: `python -m benchmarks.gateway_clients PLAN` keeps connections open and asks again once it is answered.

It says `ready` when it has warmed up, begins at a line on stdin, tells what it saw as one line of JSON, and looks at every token
of every answer: a wrong one ends it.
"""

import asyncio
import json
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import httptools
import orjson
import uvloop

from benchmarks.gateway_engine import PROMPT_TOKENS, content, word

PATH = "/v1/chat/completions"
SAID = "You are a helpful assistant who answers in one short sentence, without a preamble and without asking anything in return."
ASKED = "What does a gateway in front of an inference engine have to do with every request, and what may it leave alone?"
SLOW_BYTES, SLOW_EVERY_S = 1024, 0.05
SHORT = 4


@dataclass(frozen=True)
class Question:
    """What is asked for: so many tokens, `rate` a second (0: at once), as a stream or whole."""

    tokens: int = 16
    rate: int = 0
    stream: bool = False


@dataclass(frozen=True)
class Plan:
    """`clients` ask in turn what `questions` say, `each` times (0: for `seconds`), after `warm` short answers for nothing."""

    port: int
    key: str
    model: str
    questions: Sequence[Question]
    clients: int
    seconds: float = 0.0
    each: int = 0
    warm: int = 0
    # Between the begins of two clients, so that not all ask at once, and not all chunks are due at once.
    stagger_s: float = 0.0
    # One more client, who asks for so many tokens at once and hardly reads.
    slow_tokens: int = 0
    # Whether what fails is counted, where otherwise it ends the program.
    failing: bool = False

    def argument(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class Seen:
    asked: int = 0
    answered: int = 0
    # Not answered, without a word of a stream before; and streams that ended early, with an error event and without.
    failed: int = 0
    cut: int = 0
    cut_silently: int = 0
    chunks: int = 0
    latencies_s: list[float] = field(default_factory=list)
    ttfts_s: list[float] = field(default_factory=list)
    gaps_s: list[float] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def told(self, seconds: float) -> dict[str, Any]:
        return {
            "asked": self.asked,
            "answered": self.answered,
            "failed": self.failed,
            "cut": self.cut,
            "cut_silently": self.cut_silently,
            "chunks": self.chunks,
            "s": seconds,
            "latency_ms": _percentiles(self.latencies_s),
            "ttft_ms": _percentiles(self.ttfts_s),
            "gap_ms": _percentiles(self.gaps_s),
            "reasons": self.reasons[:5],
        }


def _percentiles(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    cuts = statistics.quantiles(values, n=100)
    return {"p50": round(cuts[49] * 1000, 4), "p95": round(cuts[94] * 1000, 4), "p99": round(cuts[98] * 1000, 4)}


def _request(plan: Plan, question: Question) -> bytes:
    body: dict[str, Any] = {
        "model": plan.model,
        "messages": [{"role": "system", "content": SAID}, {"role": "user", "content": ASKED}],
        "max_tokens": question.tokens,
        "temperature": 0.7,
    }
    if question.rate:
        body["seed"] = question.rate
    if question.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    raw = json.dumps(body).encode()
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1:{plan.port}\r\nauthorization: Bearer {plan.key}\r\n"
        f"content-type: application/json\r\naccept: */*\r\ncontent-length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


class Failed(Exception):
    """No answer, or not the right one."""


class Connection(asyncio.Protocol):
    """One connection, on which one request is under way at a time."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._loop = asyncio.get_running_loop()
        self._parser: Any = None
        self._done: asyncio.Future[None] | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no asyncio.Transport by their class.
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._fail(f"the connection is lost: {exc}")

    async def ask(self, request: bytes, question: Question, seen: Seen) -> None:
        """Return once the answer is complete and right; Failed where it does not become so."""
        self._question, self._seen = question, seen
        self._pieces: list[bytes] = []
        self._rest = b""
        self.words: list[str] = []
        self.usage: dict[str, Any] | None = None
        self.ended = False
        self.begun = False
        self._last = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._done = self._loop.create_future()
        self._started = time.perf_counter()
        self.transport.write(request)
        await self._done

    def data_received(self, data: bytes) -> None:
        self._now = time.perf_counter()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._fail(str(error.__context__))
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")

    def on_body(self, body: bytes) -> None:
        if not self._question.stream or self._parser.get_status_code() != 200:
            self._pieces.append(body)
            return
        *events, self._rest = (self._rest + body).split(b"\n\n")
        for event in events:
            self._event(event)

    def on_message_complete(self) -> None:
        status, body = self._parser.get_status_code(), b"".join(self._pieces)
        if status != 200:
            return self._fail(f"{status} {body[:300].decode(errors='replace')}")
        if not self._question.stream:
            self._whole(orjson.loads(body))
        elif not self.ended:
            return self._fail("the stream has no end")
        self._seen.latencies_s.append(self._now - self._started)
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _whole(self, answer: dict[str, Any]) -> None:
        self._right(answer["choices"][0]["message"]["content"] == content(self._question.tokens), answer)
        self._right(answer["choices"][0]["finish_reason"] == "stop", answer)
        self._counted(answer["usage"])
        self._right(answer["model"] == self._model, answer)

    def _event(self, event: bytes) -> None:
        if event == b"data: [DONE]":
            self.ended = True
            self._right(self.words == [word(number) for number in range(self._question.tokens)], self.words)
            return self._counted(self.usage or {})
        chunk = orjson.loads(event.removeprefix(b"data: "))
        if "error" in chunk:
            return self._fail(event.decode(), told=True)
        self.begun = True
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk["choices"]:
            if said := choice["delta"].get("content"):
                self._said(said)
                self._right(chunk["model"] == self._model, chunk)

    def _said(self, said: str) -> None:
        self.words.append(said)
        self._seen.chunks += 1
        if self._last:
            self._seen.gaps_s.append(self._now - self._last)
        else:
            self._seen.ttfts_s.append(self._now - self._started)
        self._last = self._now

    def _counted(self, usage: dict[str, Any]) -> None:
        found = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
        self._right(found == (PROMPT_TOKENS, self._question.tokens), usage)

    def _right(self, right: bool, found: Any) -> None:
        if not right:
            raise ValueError(f"a wrong answer: {found}")

    def _fail(self, reason: str, *, told: bool = False) -> None:
        if self._done is not None and not self._done.done():
            self.told = told
            self._done.set_exception(Failed(reason))


class Client:
    """Asks one thing after the other, on one connection as long as it lasts."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan, self._number = plan, number
        self._connection: Connection | None = None
        self._questions = [(question, _request(plan, question)) for question in plan.questions]

    async def warm(self) -> None:
        for turn in range(self._plan.warm):
            short = replace(self._plan.questions[turn % len(self._plan.questions)], tokens=SHORT, rate=0)
            await (await self._connected()).ask(_request(self._plan, short), short, Seen())

    async def run(self, seen: Seen, *, each: int = 0, until: float = 0.0) -> None:
        await asyncio.sleep(self._number * self._plan.stagger_s)
        turn = self._number
        while turn - self._number < each if each else time.perf_counter() < until:
            question, request = self._questions[turn % len(self._questions)]
            turn += 1
            await self._ask(request, question, seen)

    async def _ask(self, request: bytes, question: Question, seen: Seen) -> None:
        seen.asked += 1
        connection = None
        try:
            connection = await self._connected()
            await connection.ask(request, question, seen)
            seen.answered += 1
        except (Failed, OSError) as error:
            if not self._plan.failing:
                raise
            self._failed(connection, question, seen, str(error))

    def _failed(self, connection: Connection | None, question: Question, seen: Seen, reason: str) -> None:
        self._connection = None
        if connection is None or not question.stream or not connection.begun:
            seen.failed += 1
            seen.reasons.append(reason)
        elif connection.told:
            seen.cut += 1
        else:
            seen.cut_silently += 1
        if connection is not None:
            connection.transport.abort()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.lost:
            loop = asyncio.get_running_loop()
            # Any server may end a connection that nothing is asked on.
            _, self._connection = await loop.create_connection(lambda: Connection(self._plan.model), "127.0.0.1", self._plan.port)
        return self._connection


async def slow_reader(plan: Plan, begun: asyncio.Event) -> None:
    """Ask for a long stream, and take little of it now and then."""
    loop = asyncio.get_running_loop()
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.setblocking(False)
        await loop.sock_connect(reader, ("127.0.0.1", plan.port))
        await loop.sock_sendall(reader, _request(plan, Question(plan.slow_tokens, 0, stream=True)))
        first = await loop.sock_recv(reader, SLOW_BYTES)
        if not first.startswith(b"HTTP/1.1 200"):
            raise Failed(f"the slow reader is refused: {first!r}")
        begun.set()
        while await loop.sock_recv(reader, SLOW_BYTES):
            await asyncio.sleep(SLOW_EVERY_S)
        raise Failed("the slow reader was cut off")


async def main(plan: Plan) -> None:
    clients = [Client(plan, number) for number in range(plan.clients)]
    await asyncio.gather(*(client.warm() for client in clients))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    seen, begun = Seen(), asyncio.Event()
    slow = asyncio.create_task(slow_reader(plan, begun)) if plan.slow_tokens else None
    if slow is not None:
        await asyncio.wait([slow, asyncio.create_task(begun.wait())], return_when=asyncio.FIRST_COMPLETED)
    started = time.perf_counter()
    await asyncio.gather(*(client.run(seen, each=plan.each, until=started + plan.seconds) for client in clients))
    seconds = time.perf_counter() - started
    if slow is not None:
        if slow.done():
            slow.result()
        slow.cancel()
    print(json.dumps(seen.told(seconds)), flush=True)


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    uvloop.run(main(Plan(**{**wanted, "questions": [Question(**question) for question in wanted["questions"]]})))

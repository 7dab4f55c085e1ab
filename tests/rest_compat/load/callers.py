"""Callers of a load, on bare sockets: what they ask, how they read, and what came of it as they saw it.

Nothing of a client library is between: a caller that reads nothing has the kernel's buffers and a few bytes of its own.
"""

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

from tests.rest_compat.load.engine import CHAT, TEXT, Orders

DEADLINE_S = 60.0
RECEIVE_BYTES = 16 * 1024
PIECE_BYTES = 16 * 1024
AGAIN = (429, 503)
Json = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """A request and how its caller reads the answer: it leaves after `leaves_after` tokens, or when `leaves` is set; it reads no
    more after `stops_after` tokens until `resumes` is set.
    """

    orders: Orders
    model: str
    tokens: int = 4
    stream: bool = False
    text: bool = False
    choices: int = 1
    usage: bool = False
    leaves_after: int | None = None
    leaves: asyncio.Event | None = None
    stops_after: int | None = None
    resumes: asyncio.Event | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def number(self) -> int:
        return self.orders.number

    @property
    def all_tokens(self) -> int:
        return self.tokens * self.choices

    def body(self) -> bytes:
        prompt = json.dumps({key: value for key, value in asdict(self.orders).items() if value is not None})
        said: Json = {"prompt": prompt} if self.text else {"messages": [{"role": "user", "content": prompt}]}
        body = {"model": self.model, **said, "max_tokens": self.tokens}
        if self.choices > 1:
            body["n"] = self.choices
        if self.stream:
            body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if self.usage else {})
        return json.dumps(body).encode()


@dataclass
class Seen:
    """What a caller saw: `counts` are the tokens of each choice, `wrong` what no answer may be; times are of `monotonic`."""

    ask: Ask
    began_at: float = field(default_factory=monotonic)
    ended_at: float = 0.0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    usage: Json | None = None
    error: Json | None = None
    done: bool = False
    left: bool = False
    wrong: str | None = None

    @property
    def tokens(self) -> int:
        return sum(self.counts.values())

    @property
    def over_limit(self) -> bool:
        """Whether it was refused for its key's own limit, before anyone asked which deployment it is of."""
        return (
            self.status == 429 and self.error is not None and self.error["message"].startswith("Rate limit reached: this caller")
        )

    @property
    def verdict(self) -> str:
        """`whole`, `cut` (one error frame ended it), `left`, a status with an error of OpenAI's shape, or what is wrong."""
        if self.wrong is not None:
            return self.wrong
        if self.left:
            return "left"
        if self.status == 200:
            return self._of_200()
        if self.error is None or set(self.error) != {"message", "type", "param", "code"}:
            return f"{self.status} without a proper error: {self.error}"
        if self.status in AGAIN and not self.headers.get("retry-after", "").isdigit():
            return f"{self.status} without retry-after"
        return str(self.status)

    def _of_200(self) -> str:
        if self.error is not None:
            return "[DONE] after an error" if self.done else "cut"
        if not self.done:
            return "ended without its end"
        if self.counts != dict.fromkeys(range(self.ask.choices), self.ask.tokens):
            return f"tokens {self.counts}"
        wants = self.ask.usage or not self.ask.stream
        expected = {
            "prompt_tokens": self.ask.number,
            "completion_tokens": self.ask.all_tokens,
            "total_tokens": self.ask.number + self.ask.all_tokens,
        }
        return "whole" if self.usage == (expected if wants else None) else f"usage {self.usage}"


class Caller:
    """One connection at a time, used again while the answers allow it."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, ask: Ask) -> Seen:
        seen = Seen(ask)
        reading = asyncio.ensure_future(self._exchange(seen))
        leaving = asyncio.ensure_future(ask.leaves.wait()) if ask.leaves is not None else None
        both: set[asyncio.Future[Any]] = {reading} | ({leaving} if leaving is not None else set())
        try:
            done, _ = await asyncio.wait(both, timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                seen.wrong = f"no end within {DEADLINE_S} s"
            elif reading not in done:
                seen.left = True
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        if not reading.cancelled() and reading.exception() is not None:
            seen.wrong = f"{type(reading.exception()).__name__}: {reading.exception()}"
        if seen.left or seen.wrong or seen.headers.get("connection") == "close" or reading.cancelled():
            self.close()
        seen.ended_at = monotonic()
        return seen

    def close(self) -> None:
        """Leave at once, whatever was not read."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def _exchange(self, seen: Seen) -> None:
        if self._writer is None:
            mine = socket.socket()
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            mine.setblocking(False)
            await asyncio.get_running_loop().sock_connect(mine, ("127.0.0.1", self._port))
            self._reader, self._writer = await asyncio.open_connection(sock=mine, limit=PIECE_BYTES)
        assert self._reader is not None
        body = seen.ask.body()
        head = [
            f"POST {TEXT if seen.ask.text else CHAT} HTTP/1.1",
            "host: burnish",
            f"authorization: Bearer {self._key}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in seen.ask.headers.items()),
        ]
        self._writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        await self._answer(self._reader, seen)

    async def _answer(self, reader: asyncio.StreamReader, seen: Seen) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        seen.status = int(first.split(" ")[1])
        seen.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        if seen.headers.get("transfer-encoding") == "chunked":
            events = Events(seen)
            await _chunks(reader, events.feed)
            events.end()
        else:
            _whole(seen, json.loads(await reader.readexactly(int(seen.headers["content-length"]))))


async def _chunks(reader: asyncio.StreamReader, feed: Callable[[bytes], Awaitable[bool]]) -> None:
    """Read a chunked body; whatever was read of a chunk is fed at once, until `feed` says that it is enough."""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        while size:
            piece = await reader.read(min(size, PIECE_BYTES))
            if not piece:
                raise asyncio.IncompleteReadError(piece, size)
            size -= len(piece)
            if await feed(piece):
                return
        await reader.readexactly(2)
    await reader.readexactly(2)


class Events:
    """The events of a stream on their way into what is seen of it."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._rest = b""

    async def feed(self, piece: bytes) -> bool:
        """Take bytes; True where the caller leaves now."""
        *events, self._rest = (self._rest + piece).split(b"\n\n")
        seen, ask = self._seen, self._seen.ask
        for event in events:
            self._event(event)
            if ask.leaves_after is not None and seen.tokens >= ask.leaves_after:
                seen.left = True
                return True
        if ask.stops_after is not None and ask.resumes is not None and seen.tokens >= ask.stops_after:
            await ask.resumes.wait()
        return False

    def end(self) -> None:
        if self._rest and not self._seen.left:
            self._seen.wrong = f"half an event: {self._rest[:100]!r}"

    def _event(self, event: bytes) -> None:
        seen = self._seen
        if seen.done or seen.error is not None:
            seen.wrong = f"an event after the last one: {event[:100]!r}"
        elif event == b"data: [DONE]":
            seen.done = True
        elif not event.startswith(b"data: {"):
            seen.wrong = f"no event: {event[:100]!r}"
        else:
            self._chunk(json.loads(event.removeprefix(b"data: ")))

    def _chunk(self, chunk: Json) -> None:
        seen = self._seen
        if "error" in chunk:
            seen.error = chunk["error"]
            return
        if chunk.get("usage") is not None:
            if chunk["choices"]:
                seen.wrong = f"usage that nobody asked for: {chunk['usage']}"
            seen.usage = chunk["usage"]
        for choice in chunk["choices"]:
            said = choice["text"] if seen.ask.text else choice["delta"].get("content")
            if said:
                _count(seen, choice["index"], said)


def _whole(seen: Seen, body: Json) -> None:
    if seen.status != 200:
        seen.error = body.get("error")
        return
    seen.usage, seen.done = body["usage"], True
    for choice in body["choices"]:
        said = choice["text"] if seen.ask.text else choice["message"]["content"]
        for token in said.split(" ")[:-1]:
            _count(seen, choice["index"], f"{token} ")


def _count(seen: Seen, choice: int, said: str) -> None:
    """Count a token; each says the how manieth it is, so that none can be missing, doubled or out of order."""
    nth = seen.counts.get(choice, 0) + 1
    if re.fullmatch(rf"{nth}\.+ ", said) is None:
        seen.wrong = f"token {said[:20]!r} where {nth} was to come"
    seen.counts[choice] = nth

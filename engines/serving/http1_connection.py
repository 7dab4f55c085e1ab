"""One connection of the gateway's HTTP/1.1 client, and the answer that comes in on it.

A connection has one exchange at a time and knows at each moment whether it is in order. It goes back to where it is taken from
exactly where an answer ended as its head had announced, nothing came after it, and both sides may go on; in every other case it
is aborted, so that an engine stops as soon as nobody reads. What waits for a reader is bounded: the socket rests while more
than `WAITING_BYTES` (and one read of it) are there. What can go wrong:

    Unanswered
    ├── Unreachable   no connection, or it ended before any byte of an answer: another may be asked
    │   └── Dropped   it had been asked, which may be why
    ├── Broken        an answer began and cannot be had: cut off, no HTTP
    │   └── TooLarge  it has more than is kept: from another it would have too
    └── TooSlow       the server was silent for too long
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# An answer that says to be no longer than this is handed over whole: its reader wakes once.
GATHERED_BYTES = 65_536
WAITING_BYTES = 65_536
# Of a head with all that goes before it, of the trailers, and of what stands between the parts of a body.
MAX_HEAD_BYTES = 65_536
MANY_PIECES = 4096


class Unanswered(Exception):
    """There is no whole answer; the message says of which server, and why."""


class Unreachable(Unanswered):
    """No byte of an answer has come: there was no connection, or it ended."""


class Dropped(Unreachable):
    """The connection ended when the request had been sent."""


class Broken(Unanswered):
    """An answer began and does not end as it should."""


class TooLarge(Broken):
    """The answer has more bytes than are kept of one."""


class TooSlow(Unanswered):
    """The server was silent for longer than it may be."""


class Response:
    """An answer whose head has come. A reader that does not come to its end calls `close`; one task reads it at a time."""

    __slots__ = (
        "_connection",
        "_ended",
        "_held",
        "_max_body_bytes",
        "_pieces",
        "_size",
        "_waiter",
        "failure",
        "headers",
        "sink",
        "status",
    )

    status: int
    headers: dict[bytes, bytes]  # by their names in lower case; what came twice is joined by a comma

    def __init__(self, connection: "Connection", max_body_bytes: int) -> None:
        self._connection: Connection | None = connection
        self._max_body_bytes = max_body_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._held = True  # Whether the reader wakes at the end only, and what comes is kept until then.
        self._ended = False
        # Made an exception by who raises it: each has a traceback of its own.
        self.failure: tuple[type[Unanswered], str] | None = None
        self._waiter: asyncio.Future[None] | None = None
        # Is offered what comes while its reader waits; what it does not take is kept, and wakes the reader.
        self.sink: Callable[[bytes], bool] | None = None
        self.status = 0

    async def read(self) -> bytes:
        """Return the whole body, or what `chunk` has left of it; Broken or TooSlow where its end does not come."""
        connection = self._connection
        if connection is not None:
            self._held = True
            connection.resume()
            await self.arrival()
        if self._size > self._max_body_bytes:
            self.fail(TooLarge, f"the answer is longer than {self._max_body_bytes} bytes")
        if self.failure is not None:
            raise self.failure[0](self.failure[1])
        return self._take()

    async def chunk(self) -> bytes:
        """Return what has come of the body, waiting for some, and b"" at its end; Broken or TooSlow where that does not come."""
        while not self._pieces:
            connection = self._connection
            if connection is None:
                if self.failure is not None:
                    raise self.failure[0](self.failure[1])
                return b""
            self._held = False
            await self.arrival()
        data = self._take()
        if self._connection is not None:
            self._connection.resume()
        return data

    async def flow(self, sink: Callable[[bytes], bool]) -> None:
        """Offer what comes to `sink`, until it does not take something, or there is no more; `chunk` has that, and tells the end.

        A piece that it takes wakes no task: that would cost as much as everything else that is done for it.
        """
        if self._pieces or self._connection is None:
            return
        self._held = False
        self.sink = sink
        try:
            await self.arrival()
        finally:
            self.sink = None

    def close(self) -> None:
        """Let go of the connection: unless the answer has ended, the server sees it end."""
        if self._connection is not None:
            self._connection.fail(Broken, "its reader has closed it")

    async def arrival(self) -> None:
        """Wait for what the reader waits for; cancelled, the connection ends."""
        connection = self._connection
        assert connection is not None
        assert self._waiter is None, "one task reads an answer"
        self._waiter = connection.loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.close()
            raise

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def fail(self, kind: type[Unanswered], message: str) -> None:
        self._connection = None
        if self.failure is None:
            self.failure = kind, message
        self.wake()

    def _take(self) -> bytes:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        return data


@dataclass(slots=True)
class Terms:
    """What all connections of a client have in common. `open` are those that a socket belongs to."""

    idle_s: float
    max_body_bytes: int
    open: set["Connection"] = field(default_factory=set)


class Connection(asyncio.Protocol):
    """A socket to `name`, which lies in `idle` while nobody uses it."""

    __slots__ = (
        "_alarm",
        "_alarm_at",
        "_answer",
        "_due",
        "_headers",
        "_idle",
        "_keep",
        "_name",
        "_parser",
        "_paused",
        "_pieces",
        "_silence_s",
        "_terms",
        "_transport",
        "_without_body",
        "loop",
        "lost",
        "on_body",
    )

    _parser: HttpResponseParser
    _transport: asyncio.Transport

    def __init__(self, name: str, idle: list["Connection"], terms: Terms) -> None:
        self.loop = asyncio.get_running_loop()
        self.lost = False
        self._name = name
        self._idle = idle
        self._terms = terms
        self._answer: Response | None = None
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        # The parser's own call, without a frame of Python for each piece.
        self.on_body: Callable[[bytes], None] = self._pieces.append
        self._keep = False
        self._paused = False
        self._without_body = 0
        self._silence_s = 0.0
        # One timer for silence and idleness: it is set anew only where it would ring too late.
        self._due = self._alarm_at = inf
        self._alarm: asyncio.TimerHandle | None = None

    def send(self, request: bytes, silence_s: float) -> Response:
        """Send a request, and return the answer to be."""
        self._answer = answer = Response(self, self._terms.max_body_bytes)
        self._keep = False
        self._without_body = 0
        self._silence_s = silence_s
        self._watch(silence_s)
        self._transport.write(request)
        return answer

    def resume(self) -> None:
        """Read from the socket again, where it rests."""
        if self._paused:
            self._paused = False
            self._watch(self._silence_s)
            self._transport.resume_reading()

    def fail(self, kind: type[Unanswered], what: str) -> None:
        """End the connection at once, and with it the answer."""
        answer, self._answer = self._answer, None
        if answer is None:
            self._leave()
        else:
            answer.fail(kind, f"{self._name}: {what}")
        self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._parser = HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            # Nobody asked: some say that they close before they do.
            self.fail(Broken, "it spoke unasked")
            return
        self._due = self.loop.time() + self._silence_s
        wrong = None
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            wrong = f"its answer is not HTTP/1.1 ({error.__context__ or error})"
        pieces = self._pieces
        if pieces:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            sink = answer.sink
            if sink is not None and not answer._pieces and not answer._ended and wrong is None and sink(body):
                self._without_body = 0
                return
            answer._pieces.append(body)
            answer._size += len(body)
            self._without_body = 0
        else:
            self._without_body += len(data)
        if answer._ended:
            self._end(answer, keep=wrong is None and self._keep)
        elif wrong is not None:
            self.fail(Broken, wrong)
        elif self._without_body > MAX_HEAD_BYTES:
            self.fail(Broken, f"more than {MAX_HEAD_BYTES} bytes of its answer are none of the body")
        elif not answer._held:
            if answer._size > WAITING_BYTES and not self._paused:
                self._paused = True
                self._due = inf
                self._transport.pause_reading()
            answer.wake()
        elif answer._size > self._terms.max_body_bytes:
            self.fail(TooLarge, f"its answer is longer than {self._terms.max_body_bytes} bytes")
        elif len(answer._pieces) > MANY_PIECES:
            # Each costs more than the byte that it may be. Joining costs less than it took to read them.
            answer._pieces[:] = [b"".join(answer._pieces)]

    def eof_received(self) -> None:
        if self._answer is None:
            self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._terms.open.discard(self)
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        answer = self._answer
        if answer is None:
            self._leave()
        elif answer.status and exc is None and _ends_with_the_connection(answer.headers):
            self._end(answer, keep=False)
        elif answer.status or self._without_body:
            self.fail(Broken, f"it ended the connection within its answer ({exc or 'closed'})")
        else:
            self.fail(Dropped, f"it ended the connection without an answer ({exc or 'closed'})")
        del self._parser  # It knows us and we know it.

    # What the parser calls, besides `on_body`.

    def on_message_begin(self) -> None:
        assert self._answer is not None
        if self._answer._ended:
            raise ValueError("more came after its end")
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        name, value = name.lower(), value.strip()
        headers = self._headers
        headers[name] = value if name not in headers else headers[name] + b", " + value

    def on_headers_complete(self) -> None:
        answer = self._answer
        assert answer is not None
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise ValueError("it changes the protocol unasked")
            return
        answer.status = status
        answer.headers = headers = self._headers
        # Trailers are none of the head.
        self._headers = {}
        length = headers.get(b"content-length")
        answer._held = length is not None and int(length) <= GATHERED_BYTES

    def on_message_complete(self) -> None:
        answer = self._answer
        assert answer is not None
        # What goes before an answer (1xx) is complete as well.
        if answer.status:
            answer._ended = True
            self._keep = self._parser.should_keep_alive()

    def _end(self, answer: Response, *, keep: bool) -> None:
        self._answer = answer._connection = None
        # A server that answers before it has read the question might read the rest of it as the next one.
        if keep and not self._transport.is_closing() and not self._transport.get_write_buffer_size():
            if self._paused:
                self.resume()
            self._watch(self._terms.idle_s)
            self._idle.append(self)
        else:
            self._transport.abort()
        answer.wake()

    def _leave(self) -> None:
        if self in self._idle:
            self._idle.remove(self)

    def _watch(self, seconds: float) -> None:
        self._due = due = self.loop.time() + seconds
        if due < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at = due
            self._alarm = self.loop.call_at(due, self._rang)

    def _rang(self) -> None:
        self._alarm = None
        self._alarm_at = inf
        left_s = self._due - self.loop.time()
        if left_s == inf:
            return
        if left_s > 0:
            self._watch(left_s)
        elif self._answer is None:
            self.fail(Broken, "it was idle")
        else:
            self.fail(TooSlow, f"it was silent for {self._silence_s:g} s")


def _ends_with_the_connection(headers: dict[bytes, bytes]) -> bool:
    coding = headers.get(b"transfer-encoding")
    if coding is None:
        return b"content-length" not in headers
    return coding.rpartition(b",")[2].strip().lower() != b"chunked"

"""A streamed answer on its way from the engine to the client.

Chunks are parsed until one holds something of the model's own. Those after it have its pattern and differ in the text: their
usage is cut out and put aside, and read when it is known to be the newest. What looks otherwise is parsed: a chunk with a finish
reason or an error, one of another shape, the usage of the whole, what is no chunk at all.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import orjson

from engines.serving import chunk_pattern, engine_errors, http1
from engines.serving.chunk_pattern import Pattern
from engines.serving.metering import Meter

DONE = b"[DONE]"
DIED = "The engine died while it answered."
CUT_SHORT = "The engine ended the answer before it was complete."
NO_EVENT = "The engine answered something that is not an event."
TOO_SLOW = "The engine did not answer in time."
# An event with the log-probabilities of a long prompt has some MB.
MAX_EVENT_BYTES = 32 * 1024 * 1024
# One for each choice; an engine whose chunks have ever new beginnings fills no memory.
MOST_PATTERNS = 16


class Relay:
    """The frames of an answer as the client is to see them: without the usage that only the meter asked for.

    Ends with `[DONE]`, or with one error frame. Read once, with `next` or as an iterator; who does not come to the end closes it,
    which lets the engine stop. `asked` is the client's own `stream_options`, `alive` says whether the engine lives, and
    `shown_model` is what each chunk calls the model where that is not the engine's word.
    """

    __slots__ = (
        "_alive", "_ended", "_error", "_events", "_first", "_kept", "_meter", "_patterns", "_response", "_shown_model", "_tail",
        "_wants_each", "_wants_usage", "_width",
    )  # fmt: skip

    def __init__(
        self,
        response: http1.Response,
        meter: Meter,
        asked: Mapping[str, Any],
        alive: Callable[[], Awaitable[bool]],
        shown_model: str | None = None,
    ) -> None:
        self._response = response
        self._meter = meter
        self._alive = alive
        self._shown_model = shown_model
        self._wants_usage = bool(asked.get("include_usage"))
        self._wants_each = self._wants_usage and bool(asked.get("continuous_usage_stats"))
        # What stands after the choices in place of the usage: who asked for it at the end is promised the field in every chunk.
        self._tail = b',"usage":null}\n\n' if self._wants_usage else b"}\n\n"
        self._events = Events()
        self._first = b""
        self._error: bytes | None = None
        self._ended = False
        # What was to be written and could not be.
        self._kept = b""
        self._patterns: dict[bytes, Pattern] = {}
        self._width = 0

    async def first_error(self) -> bytes | None:
        """Wait for the engine's first word and return it where it is an error; http1.Unanswered where there is none, NoEvent
        where it said something else.

        Called before the first `next`: until then the answer may still become an ordinary HTTP error, or another replica's.
        """
        first = b""
        while not first:
            got = await self._response.chunk()
            if not got:
                if self._events.rest.strip():
                    # It has answered, if not what it was asked for: so would another.
                    raise NoEvent
                raise http1.Broken("the engine said nothing")
            self._first = self._events.whole(got)
            # Comments and other fields are no word.
            first = next(filter(None, map(_data, self._first.split(b"\n\n"))), b"")
        chunk = _parse(first) if b'"error"' in first else None
        return first if chunk is not None and _is_error(chunk) else None

    async def next(self) -> bytes:
        """Return the frames that have come since, nothing at the end. Cancelled, it says that the client has left."""
        try:
            frames, self._kept = self._kept, b""
            if self._first:
                frames, self._first = self._pass(self._first), b""
            while not self._meter.told and not frames and self._error is None:
                piece = await self._response.chunk()
                if not piece:
                    return self._failed(CUT_SHORT, engine_errors.ENGINE_DIED)
                frames = self._arrived(piece)
            if self._error is not None and not self._meter.told:
                return frames + await self._explain(self._error)
            if frames:
                return frames
            return await self._end()
        except NoEvent:
            return self._failed(NO_EVENT)
        except http1.TooSlow:
            return self._failed(TOO_SLOW, "timeout", 504)
        except http1.Unanswered:
            return self._failed(DIED, engine_errors.ENGINE_DIED)
        except BaseException:
            self.close()
            raise

    async def flow(self, write: Callable[[bytes], bool]) -> None:
        """Hand to `write` what comes, for as long as it takes that and nothing comes which `next` is for."""
        if self._patterns and not (self._meter.told or self._error or self._first or self._events.rest):
            with suppress(http1.Unanswered):
                await self._response.flow(partial(self._pour, write))

    def _pour(self, write: Callable[[bytes], bool], piece: bytes) -> bool:
        if self._kept or piece.find(b"\n") != len(piece) - 2 or not piece.endswith(b"}\n\n"):
            return False
        pattern = self._patterns.get(piece[: self._width])
        frame = None if pattern is None else pattern.take(piece, self._meter.so_far)
        if frame is None:
            return False
        if not write(frame):
            # It has been counted.
            self._kept = frame
            self._response.wake()
        return True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        frames = await self.next()
        if not frames:
            raise StopAsyncIteration
        return frames

    def close(self, status_code: int = 200, why: str | None = None) -> None:
        """Let go of the engine, which stops generating; where this comes before the end, the client has left unless we say why.

        Also while `next` waits, which then returns nothing.
        """
        if why is None:
            self._meter.client_gone(status_code)
        else:
            self._meter.done(status_code, why)
        self._response.close()

    async def aclose(self) -> None:
        self.close()

    async def _end(self) -> bytes:
        # A connection is used again only when it was read to its end.
        if not self._ended:
            self._ended = True
            with suppress(http1.Unanswered):
                await self._response.chunk()
            self._response.close()
        return b""

    def _arrived(self, piece: bytes) -> bytes:
        """Meter what arrived and return the frames that the client is to see of it, as far as the last one of the answer."""
        if piece.find(b"\n") == len(piece) - 2 and piece.endswith(b"}\n\n") and not self._events.rest:
            return self._frame(piece)
        return self._pass(self._events.whole(piece))

    def _pass(self, whole: bytes) -> bytes:
        frames = []
        start, end = 0, whole.find(b"\n\n") + 2
        while end > 1 and not self._meter.told and self._error is None:
            event = whole[start:end]
            in_one_line = event.endswith(b"}\n\n") and event.find(b"\n") == end - start - 2
            frames.append(self._frame(event) if in_one_line else self._read(_data(event)))
            start, end = end, whole.find(b"\n\n", end) + 2
        return b"".join(frames)

    def _frame(self, event: bytes) -> bytes:
        """As `_pass`, for an event of one line that ends with a brace."""
        pattern = self._patterns.get(event[: self._width])
        if pattern is not None:
            frame = pattern.take(event, self._meter.so_far)
            if frame is not None:
                return frame
        return self._read(_data(event), event)

    def _read(self, data: bytes, event: bytes = b"") -> bytes:
        """As `_pass`, for the data of an event; `event` is given where a pattern may be seen in it."""
        if not data:
            return b""
        if data == DONE:
            self._meter.done(200)
            return _framed(data)
        chunk = _parse(data)
        if chunk is None:
            return self._failed(NO_EVENT)
        if _is_error(chunk):
            self._error = data
            return b""
        try:
            self._meter.chunk(chunk)
        except (AttributeError, TypeError):
            return self._failed(NO_EVENT)
        if event and self._meter.served.ttft_ms is not None:
            self._learn(event, chunk)
        return self._shown(chunk, data)

    def _learn(self, event: bytes, chunk: Mapping[str, Any]) -> None:
        pattern = chunk_pattern.learn(event, chunk, self._shown_model, None if self._wants_each else self._tail)
        if pattern is None:
            return
        width = len(pattern.head)
        if width != self._width or len(self._patterns) > MOST_PATTERNS:
            self._patterns, self._width = {}, width
        self._patterns[pattern.head] = pattern

    def _shown(self, chunk: dict[str, Any], data: bytes) -> bytes:
        if self._shown_model is not None:
            chunk["model"] = self._shown_model
            data = orjson.dumps(chunk)
        if self._wants_each or "usage" not in chunk:
            return _framed(data)
        if not chunk.get("choices"):
            return _framed(data) if self._wants_usage else b""
        del chunk["usage"]
        return _framed(orjson.dumps(chunk | {"usage": None} if self._wants_usage else chunk))

    async def _explain(self, event: bytes) -> bytes:
        status = engine_errors.status_of(event)
        error = engine_errors.translate(status, event)["error"]
        if status >= 500 and not await self._alive():
            return self._failed(DIED, engine_errors.ENGINE_DIED)
        return self._failed(error["message"], error["code"], status)

    def _failed(self, message: str, code: str | None = None, status: int = 500) -> bytes:
        if self._meter.told:
            return b""
        self._meter.done(status, message, replica_failed=status >= 500)
        self._ended = True
        self._response.close()
        kind = engine_errors.kind_of(status)
        return _framed(orjson.dumps(engine_errors.envelope(message, kind, code=code)))


class NoEvent(Exception):
    """What does not end as an event does."""


class Events:
    """Server-sent events, whole, however the bytes were cut on their way."""

    __slots__ = ("rest",)

    def __init__(self) -> None:
        self.rest = bytearray()

    def whole(self, piece: bytes) -> bytes:
        """Return what is whole with this piece, each event with `\\n\\n` at its end and no carriage return; NoEvent for what does
        not end.
        """
        rest = self.rest
        if not rest and piece.endswith(b"\n\n") and b"\r" not in piece:
            return piece
        # An event of many pieces is not looked through again with each of them.
        since = max(len(rest) - 3, 0)
        rest += piece
        end = max(rest.rfind(b"\n\n", since) + 2, rest.rfind(b"\n\r\n", since) + 3)
        # An empty event at the very beginning waits for the next one.
        if end <= 2:
            if len(rest) > MAX_EVENT_BYTES:
                raise NoEvent
            return b""
        found = bytes(rest[:end]).replace(b"\r\n", b"\n")
        del rest[:end]
        return found


def _framed(data: bytes) -> bytes:
    if b"\n" not in data:
        return b"data: " + data + b"\n\n"
    return b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n"


def _data(block: bytes) -> bytes:
    if block.startswith(b"data: ") and block.find(b"\n") >= len(block) - 2:
        return block[6:].rstrip(b"\n")
    lines = [line.removeprefix(b"data:").removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)


def _parse(event: bytes) -> dict[str, Any] | None:
    try:
        chunk = orjson.loads(event)
    except orjson.JSONDecodeError:
        return None
    return chunk if isinstance(chunk, dict) else None


def _is_error(chunk: Mapping[str, Any]) -> bool:
    return "error" in chunk and "choices" not in chunk

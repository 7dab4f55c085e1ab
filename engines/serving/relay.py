"""A streamed answer on its way from the engine to the client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx2
import orjson

from engines.serving import engine_errors
from engines.serving.metering import Meter

DONE = b"[DONE]"
DIED = "The engine died while it answered."


class Relay:
    """The frames of an answer as the client is to see them: without the usage that only the meter asked for.

    Ends with `[DONE]`, or with one error frame. Iterate once; a caller that does not come to the end closes it with `aclose`,
    which lets the engine stop. `asked` is the client's own `stream_options`, `alive` says whether the engine lives, and
    `shown_model` is what each chunk calls the model where that is not the engine's word.
    """

    def __init__(
        self,
        response: httpx2.Response,
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
        self._batches = _batches(response)
        self._first: list[bytes] = []
        self._frames = self._run()

    async def first_error(self) -> bytes | None:
        """Wait for the engine's first word and return it where it is an error; httpx2.TransportError where there is none.

        Called before the iteration: until then the answer may still become an ordinary HTTP error, or another replica's.
        """
        self._first = await anext(self._batches, [])
        if not self._first:
            raise httpx2.RemoteProtocolError("the engine said nothing")
        chunk = _parse(self._first[0])
        return self._first[0] if chunk is not None and _is_error(chunk) else None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._frames

    async def aclose(self) -> None:
        """Let go of the engine, which stops generating; where this comes before the end, the client has left."""
        await self._frames.aclose()
        self._meter.client_gone(200)
        await self._close()

    async def _run(self) -> AsyncGenerator[bytes, None]:
        try:
            batch = self._first
            while batch and not self._meter.told:
                frames = await self._translate(batch)
                if frames:
                    yield frames
                # Also after the last event: a connection is used again only when it was read to its end.
                batch = await anext(self._batches, [])
            if not self._meter.told:
                yield self._failed("The engine ended the answer before it was complete.", engine_errors.ENGINE_DIED)
        except httpx2.TransportError:
            if not self._meter.told:
                yield self._failed(DIED, engine_errors.ENGINE_DIED)
        except (asyncio.CancelledError, GeneratorExit):
            self._meter.client_gone(200)
            raise
        finally:
            await self._close()

    async def _close(self) -> None:
        await self._batches.aclose()
        await self._response.aclose()

    async def _translate(self, batch: list[bytes]) -> bytes:
        """Meter events and return the frames that the client is to see of them, as far as the last one of the answer."""
        frames = b""
        for event in batch:
            frames += await self._frame(event)
            if self._meter.told:
                break
        return frames

    async def _frame(self, event: bytes) -> bytes:
        if event == DONE:
            self._meter.done(200)
            return _framed(event)
        chunk = _parse(event)
        if chunk is None:
            return self._failed("The engine answered something that is not an event.")
        if _is_error(chunk):
            return await self._error(event)
        self._meter.chunk(chunk)
        if self._shown_model is not None:
            chunk["model"] = self._shown_model
            event = orjson.dumps(chunk)
        return self._shown(chunk, event)

    def _shown(self, chunk: dict[str, Any], event: bytes) -> bytes:
        if self._wants_each or "usage" not in chunk:
            return _framed(event)
        if not chunk.get("choices"):
            return _framed(event) if self._wants_usage else b""
        # A client that asked for usage at the end is promised the field in every chunk, null until then.
        del chunk["usage"]
        return _framed(orjson.dumps(chunk | {"usage": None} if self._wants_usage else chunk))

    async def _error(self, event: bytes) -> bytes:
        status = engine_errors.status_of(event)
        error = engine_errors.translate(status, event)["error"]
        if status >= 500 and not await self._alive():
            return self._failed(DIED, engine_errors.ENGINE_DIED)
        return self._failed(error["message"], error["code"], status)

    def _failed(self, message: str, code: str | None = None, status: int = 500) -> bytes:
        self._meter.done(status, message)
        kind = engine_errors.kind_of(status)
        return _framed(orjson.dumps(engine_errors.envelope(message, kind, code=code)))


def _framed(data: bytes) -> bytes:
    return b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n"


def _parse(event: bytes) -> dict[str, Any] | None:
    try:
        chunk = orjson.loads(event)
    except orjson.JSONDecodeError:
        return None
    return chunk if isinstance(chunk, dict) else None


def _is_error(chunk: Mapping[str, Any]) -> bool:
    return "error" in chunk and "choices" not in chunk


async def _batches(response: httpx2.Response) -> AsyncGenerator[list[bytes], None]:
    """Yield the data of server-sent events, as many at once as came together, however the bytes were cut on their way."""
    rest = b""
    async for piece in response.aiter_bytes():
        *blocks, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        events = [event for event in map(_data, blocks) if event]
        if events:
            yield events


def _data(block: bytes) -> bytes:
    lines = [line.removeprefix(b"data:").removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)

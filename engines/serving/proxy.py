"""The gateway's inner part: a parsed request goes to a replica, the answer comes back as it is, and its usage is metered on the
way.

Of a stream each chunk is parsed once, for its usage, which the engine is always asked to count; what the client did not ask for
is taken out again. Whatever
happens, `on_done` is told exactly once what was served.
"""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson

DONE = b"data: [DONE]\n\n"
CONTEXT_WORDS = ("maximum context length", "max_model_len", "context length")


class ReplicaUnreachable(Exception):
    """The replica could not be reached before it answered anything: another may be asked instead."""


@dataclass
class Served:
    """What one request came to, in tokens and milliseconds since it was forwarded; `ttft_ms` is of streams only."""

    status_code: int = 500
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    streamed: bool = False
    finish_reason: str | None = None
    client_cancelled: bool = False
    error_message: str | None = None


OnDone = Callable[[Served], None]


@dataclass
class Reply:
    """An answer: `body` or `stream`. A caller that does not exhaust the stream closes it with `aclose`."""

    status: int
    headers: dict[str, str]
    body: bytes | None = None
    stream: "Relay | None" = None

    async def aclose(self) -> None:
        if self.stream is not None:
            await self.stream.aclose()


@dataclass
class _Meter:
    """Fills in a `Served` and hands it over once."""

    on_done: OnDone
    streamed: bool
    served: Served = field(init=False)
    _started: float = field(default_factory=time.perf_counter)
    _by_choice: dict[int, int] = field(default_factory=dict)
    told: bool = False

    def __post_init__(self) -> None:
        self.served = Served(streamed=self.streamed)

    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self._started) * 1000

    def usage(self, usage: dict[str, Any], choice: int | None = None) -> None:
        """Take a usage object: of a whole answer, or so far of one choice."""
        self.served.prompt_tokens = usage.get("prompt_tokens") or 0
        tokens = usage.get("completion_tokens") or 0
        if choice is None:
            self.served.completion_tokens = tokens
        else:
            self._by_choice[choice] = tokens
            self.served.completion_tokens = sum(self._by_choice.values())

    def choices(self, choices: list[dict[str, Any]]) -> None:
        for choice in choices:
            delta = choice.get("delta") or {}
            generated = choice.get("text") or any(value for key, value in delta.items() if key != "role")
            if self.served.ttft_ms is None and (generated or choice.get("finish_reason")):
                self.served.ttft_ms = self.elapsed_ms()
            self.served.finish_reason = choice.get("finish_reason") or self.served.finish_reason

    def done(self, status_code: int, error: str | None = None) -> None:
        if self.told:
            return
        self.told = True
        self.served.status_code = status_code
        self.served.latency_ms = self.elapsed_ms()
        self.served.error_message = error
        self.on_done(self.served)


async def forward(client: httpx2.AsyncClient, replica_url: str, path: str, body: dict[str, Any], *, on_done: OnDone) -> Reply:
    """Send a request to a replica and return its answer; ReplicaUnreachable, with `on_done` not told, where it gives none."""
    meter = _Meter(on_done, bool(body.get("stream")))
    asked = body.get("stream_options") if isinstance(body.get("stream_options"), dict) else None
    if meter.streamed and (asked or body.get("stream_options") is None):
        body = {**body, "stream_options": {**(asked or {}), "include_usage": True, "continuous_usage_stats": True}}
    request = client.build_request("POST", replica_url + path, json=body)
    try:
        response = await client.send(request, stream=True)
    except httpx2.TransportError as error:
        raise ReplicaUnreachable(replica_url) from error
    except BaseException:
        meter.served.client_cancelled = True
        meter.done(499)
        raise
    if meter.streamed and response.status_code == 200:
        relay = Relay(response, meter, asked or {})
        return Reply(200, {"content-type": "text/event-stream; charset=utf-8"}, stream=relay)
    return await _whole(response, meter)


async def _whole(response: httpx2.Response, meter: _Meter) -> Reply:
    try:
        content = await response.aread()
    except httpx2.TransportError as error:
        raise ReplicaUnreachable(str(response.url)) from error
    except BaseException:
        meter.served.client_cancelled = True
        meter.done(499)
        raise
    finally:
        await response.aclose()
    headers = {"content-type": "application/json"}
    if response.status_code != 200:
        error_body = error_of(response.status_code, content)
        meter.done(response.status_code, error_body["error"]["message"])
        return Reply(response.status_code, headers, orjson.dumps(error_body))
    answer = orjson.loads(content)
    meter.usage(answer.get("usage") or {})
    meter.choices(answer.get("choices") or [])
    meter.served.ttft_ms = None
    meter.done(200)
    return Reply(200, headers, content)


def error_of(status: int, content: bytes) -> dict[str, Any]:
    """Return an engine's error in OpenAI's envelope."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        found = {}
    inner = found.get("error") if isinstance(found, dict) else None
    inner = inner if isinstance(inner, dict) else found if isinstance(found, dict) else {}
    message = str(inner.get("message") or f"The engine answered {status}.")
    if status >= 500:
        return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}
    too_long = any(words in message for words in CONTEXT_WORDS)
    code = "context_length_exceeded" if too_long else "model_not_found" if status == 404 else None
    return {"error": {"message": message, "type": "invalid_request_error", "param": inner.get("param"), "code": code}}


class Relay:
    """The chunks of a streamed answer as the client is to see them. Ends with `[DONE]`, or with one error frame where the engine
    died.
    """

    def __init__(self, response: httpx2.Response, meter: _Meter, asked: dict[str, Any]) -> None:
        self._response = response
        self._meter = meter
        self._wants_usage = bool(asked.get("include_usage"))
        self._wants_each = self._wants_usage and bool(asked.get("continuous_usage_stats"))
        self._frames = self._run()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._frames

    async def aclose(self) -> None:
        """Let go of the engine, which stops generating; what it generated so far is what was served."""
        await self._frames.aclose()
        await self._finish()

    async def _run(self) -> AsyncGenerator[bytes, None]:
        try:
            async for event in _events(self._response):
                if event == b"[DONE]":
                    self._meter.done(200)
                    yield DONE
                    return
                frame = self._frame(event)
                if frame is not None:
                    yield frame
                if self._meter.served.error_message is not None:
                    return
            yield self._died("The engine ended the stream early.")
        except httpx2.TransportError as error:
            yield self._died(f"The engine died while it answered ({type(error).__name__}).")
        finally:
            await self._finish()

    async def _finish(self) -> None:
        """Tell what was served where nobody has yet: the engine died, or the client went away."""
        error = self._meter.served.error_message
        if not self._meter.told:
            self._meter.served.client_cancelled = error is None
            self._meter.done(500 if error else 200, error)
        await self._response.aclose()

    def _frame(self, event: bytes) -> bytes | None:
        chunk = orjson.loads(event)
        if "error" in chunk and "choices" not in chunk:
            self._meter.served.error_message = str(error_of(500, event)["error"]["message"])
            return b"data: " + orjson.dumps(error_of(500, event)) + b"\n\n"
        choices = chunk.get("choices") or []
        usage = chunk.get("usage")
        if usage:
            self._meter.usage(usage, choices[0].get("index", 0) if choices else None)
        self._meter.choices(choices)
        if not choices and usage and not self._wants_usage:
            return None
        if choices and not self._wants_each:
            # Asked for a usage chunk at the end, OpenAI's own chunks before it carry `usage: null`.
            if self._wants_usage:
                chunk["usage"] = None
            else:
                chunk.pop("usage", None)
        return b"data: " + orjson.dumps(chunk) + b"\n\n"

    def _died(self, message: str) -> bytes:
        self._meter.served.error_message = message
        error = {"error": {"message": message, "type": "server_error", "param": None, "code": "engine_died"}}
        return b"data: " + orjson.dumps(error) + b"\n\n"


async def _events(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Yield the data of each server-sent event, however the bytes were cut on their way."""
    rest = b""
    async for piece in response.aiter_bytes():
        *whole, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
        for event in whole:
            lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
            if lines:
                yield b"\n".join(lines)

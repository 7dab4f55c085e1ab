"""The gateway's inner part: a parsed request goes to a replica, the answer comes back as it is and is metered on the way.

A whole answer is parsed once, and of a stream each chunk, for the usage, which the engine is always asked to count; what the
client did not ask for is taken out again. Whatever happens, `on_done` is told exactly once what was served, and not at all where
another replica may still be asked.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson

from engines.serving import engine, engine_errors
from engines.serving.metering import Meter, OnDone, Served
from engines.serving.relay import Relay
from engines.serving.upstream import KEY_REFUSED, Upstream

__all__ = ["OnDone", "Relay", "ReplicaUnreachable", "Reply", "Served", "forward"]

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"}
COUNTED_AT_THE_END = {"include_usage": True}
COUNTED = {**COUNTED_AT_THE_END, "continuous_usage_stats": True}
TIMED_OUT = 504
# What comes with a word on when to come again.
LATER = (429, 503)
RETRY_AFTER_S = "5"


class ReplicaUnreachable(Exception):
    """The replica could not be reached, or died, before it answered anything: another may be asked instead."""


@dataclass
class Reply:
    """An answer: `body` or `stream`. A caller that does not exhaust the stream closes it with `aclose`."""

    status: int
    headers: dict[str, str]
    body: bytes | None = None
    stream: Relay | None = None

    async def aclose(self) -> None:
        if self.stream is not None:
            await self.stream.aclose()


async def forward(
    client: httpx2.AsyncClient,
    replica_url: str,
    path: str,
    body: dict[str, Any],
    *,
    on_done: OnDone,
    shown_model: str | None = None,
    upstream: Upstream | None = None,
) -> Reply:
    """Send a request to a replica and return its answer; ReplicaUnreachable, with `on_done` not told, where it gives none.

    `shown_model` is what the answer calls the model where the replica knows it by another name than the client. `upstream`
    is given where the replica is somebody else's server: it gets its key, and no question that only our engines understand.
    Of a stream the engine's first word is awaited, so that an error before it is an ordinary one. A caller whose client leaves
    meanwhile cancels the call: the engine stops, and `on_done` hears that the client is gone.
    """
    choices = body.get("n")
    per_prompt = choices if isinstance(choices, int) and choices > 0 else 1
    meter = Meter(on_done, streamed=body.get("stream") is True, per_prompt=per_prompt)
    shown = shown_model if shown_model != body.get("model") else None
    exchange = _Exchange(client, replica_url, path, meter, shown, upstream)
    try:
        return await exchange.run(body)
    except httpx2.ReadTimeout:
        return exchange.failed(TIMED_OUT, "The engine did not answer in time.", code="timeout")
    except httpx2.TransportError as error:
        raise ReplicaUnreachable(replica_url) from error
    except asyncio.CancelledError:
        exchange.meter.client_gone()
        raise


@dataclass
class _Exchange:
    client: httpx2.AsyncClient
    url: str
    path: str
    meter: Meter
    shown_model: str | None
    upstream: Upstream | None

    async def run(self, body: dict[str, Any]) -> Reply:
        # What the engine would read out of other types is not ours to guess, and metering rests on these two.
        if not isinstance(body.get("stream"), bool | None):
            return self.failed(400, "'stream' is true or false.", param="stream")
        if not isinstance(body.get("stream_options"), dict | None):
            return self.failed(400, "'stream_options' is an object.", param="stream_options")
        asked: dict[str, Any] = body.get("stream_options") or {}
        if self.meter.served.streamed:
            counted = COUNTED if self.upstream is None else COUNTED_AT_THE_END
            body = {**body, "stream_options": {**asked, **counted}}
        headers = JSON if self.upstream is None else {**JSON, **self.upstream.headers}
        request = self.client.build_request("POST", self.url + self.path, content=orjson.dumps(body), headers=headers)
        async with AsyncExitStack() as open_response:
            response = await self.client.send(request, stream=True)
            open_response.push_async_callback(response.aclose)
            if not self.meter.served.streamed or response.status_code != 200:
                return await self._whole(response)
            relay = Relay(response, self.meter, asked, self._alive, self.shown_model)
            error = await relay.first_error()
            if error is not None:
                return await self._engine_failed(engine_errors.status_of(error), error)
            open_response.pop_all()
            return Reply(200, dict(EVENTS), stream=relay)

    async def _whole(self, response: httpx2.Response) -> Reply:
        content = await response.aread()
        if response.status_code != 200:
            return await self._engine_failed(response.status_code, content, response.headers.get("retry-after"))
        try:
            answer = orjson.loads(content)
            self.meter.answer(answer)
        except (orjson.JSONDecodeError, AttributeError):
            return self.failed(500, "The engine's answer cannot be read.")
        if self.shown_model is not None:
            content = orjson.dumps({**answer, "model": self.shown_model})
        self.meter.done(200)
        return Reply(200, dict(JSON), content)

    async def _engine_failed(self, status: int, content: bytes, retry_after: str | None = None) -> Reply:
        # The server in front of an engine that died goes on answering for some seconds.
        if status >= 500 and not await self._alive():
            raise httpx2.RemoteProtocolError("the engine is dead")
        if self.upstream is not None and status in KEY_REFUSED:
            # It is our key that it refuses, not the caller's, and what it says of it may quote it.
            return self.failed(502, "The adopted server refuses the API key that it was adopted with.", code="upstream_refused")
        reply = self._refused(status, engine_errors.translate(status, content, self.path))
        if status in LATER:
            reply.headers["retry-after"] = retry_after or RETRY_AFTER_S
        return reply

    async def _alive(self) -> bool:
        if self.upstream is not None:
            return await self.upstream.alive(self.client)
        return await engine.health(self.client, self.url)

    def failed(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> Reply:
        kind = engine_errors.kind_of(status)
        return self._refused(status, engine_errors.envelope(message, kind, param=param, code=code))

    def _refused(self, status: int, error: Mapping[str, Any]) -> Reply:
        self.meter.done(status, error["error"]["message"])
        return Reply(status, dict(JSON), orjson.dumps(error))

"""The gateway's inner part: a parsed request goes to a replica, the answer comes back as it is and is metered on the way.

What the client sent goes out as it came, but for the model's name and for the usage that the engine is always asked to count;
what the engine answers comes back so. A whole answer is parsed once, and of a stream what `relay` cannot tell by looking.
`on_done` is told exactly once what was served, whatever happens, and not at all where another replica may still be asked.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from engines.serving import engine, engine_errors, http1, splice
from engines.serving.metering import Meter, OnDone, Served
from engines.serving.relay import NO_EVENT, TOO_SLOW, Relay, TooLong
from engines.serving.upstream import KEY_REFUSED, Upstream

__all__ = ["Call", "OnDone", "Relay", "ReplicaUnreachable", "Reply", "Served", "forward"]

Headers = Sequence[tuple[bytes, bytes]]
JSON: Headers = ((b"content-type", b"application/json"),)
EVENTS: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
COUNTED_AT_THE_END = {"include_usage": True}
COUNTED = {**COUNTED_AT_THE_END, "continuous_usage_stats": True}
NO_HEADERS: Mapping[str, str] = {}
TIMED_OUT = 504
UPSTREAM_REFUSED = "upstream_refused"
# What comes with a word on when to come again.
LATER = (429, 503)
RETRY_AFTER = b"5"
WORD = re.compile(rb"[ -~]{1,64}")


class ReplicaUnreachable(Exception):
    """The replica could not be reached, or died, before it answered anything: another may be asked instead."""


class Call(NamedTuple):
    """A request for a completion: `body` is what `raw`, the client's own bytes, says."""

    path: str
    raw: bytes
    body: dict[str, Any]


@dataclass(slots=True)
class Reply:
    """An answer: `body` or `stream`, which who does not exhaust it closes. `pairs` are its headers as they go on the wire."""

    status: int
    pairs: Headers
    body: bytes | None = None
    stream: Relay | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.pairs}

    async def aclose(self) -> None:
        if self.stream is not None:
            self.stream.close()


async def forward(
    client: http1.Client,
    target_url: str,
    call: Call,
    *,
    model: str,
    on_done: OnDone,
    started: float | None = None,
    shown_model: str | None = None,
    upstream: Upstream | None = None,
) -> Reply:
    """Send a request to a replica and return its answer; ReplicaUnreachable, with `on_done` not told, where it gives none.

    `model` is what the replica calls the model, `shown_model` what the answer calls it where that is another name. `started` is
    when the request arrived, by `time.perf_counter`. `upstream` is given where the replica is somebody else's server: it gets its
    key, and no question that only our engines understand. Of a stream the engine's first word is awaited, so that an error before
    it is an ordinary one. A caller whose client leaves meanwhile cancels the call: the engine stops, and `on_done` hears that the
    client is gone.
    """
    choices = call.body.get("n")
    per_prompt = choices if isinstance(choices, int) and choices > 0 else 1
    meter = Meter(on_done, streamed=call.body.get("stream") is True, per_prompt=per_prompt, started=started)
    shown = shown_model if shown_model != model else None
    exchange = _Exchange(client, target_url, call, model, meter, shown, upstream)
    try:
        return await exchange.run()
    except http1.TooSlow:
        return exchange.failed(TIMED_OUT, TOO_SLOW, code="timeout")
    except http1.Unanswered as error:
        raise ReplicaUnreachable(target_url) from error
    except asyncio.CancelledError:
        meter.client_gone()
        raise


@dataclass(slots=True)
class _Exchange:
    client: http1.Client
    url: str
    call: Call
    model: str
    meter: Meter
    shown_model: str | None
    upstream: Upstream | None

    async def run(self) -> Reply:
        body = self.call.body
        stream, options = body.get("stream"), body.get("stream_options")
        # What the engine would read out of other types is not ours to guess, and metering rests on these two.
        if stream is not None and type(stream) is not bool:
            return self.failed(400, "'stream' is true or false.", param="stream")
        if options is not None and type(options) is not dict:
            return self.failed(400, "'stream_options' is an object.", param="stream_options")
        headers = NO_HEADERS if self.upstream is None else self.upstream.headers
        response = await self.client.post(self.url, self.call.path, self._asked(), headers)
        is_handed_over = False
        try:
            if stream is not True or response.status != 200:
                return await self._whole(response)
            relay = Relay(response, self.meter, options or {}, self._alive, self.shown_model)
            error = await relay.first_error()
            if error is not None:
                return await self._engine_failed(engine_errors.status_of(error), error)
            is_handed_over = True
            return Reply(200, EVENTS, stream=relay)
        except TooLong:
            return self.failed(500, NO_EVENT)
        finally:
            if not is_handed_over:
                response.close()

    def _asked(self) -> bytes:
        """Return what the engine is asked: the client's own bytes with as little changed as can be."""
        raw, body = self.call.raw, self.call.body
        asked: bytes | None = raw if body.get("model") == self.model else splice.asked_for(raw, body, self.model)
        more: dict[str, Any] = {}
        if body.get("stream") is True:
            counted = COUNTED if self.upstream is None else COUNTED_AT_THE_END
            options = body.get("stream_options")
            more["stream_options"] = {**(options or {}), **counted}
            if "stream_options" not in body:
                asked = asked and splice.with_members(asked, body, more)
            elif options != more["stream_options"]:
                asked = None
        return orjson.dumps({**body, "model": self.model, **more}) if asked is None else asked

    async def _whole(self, response: http1.Response) -> Reply:
        content = await response.read()
        if response.status != 200:
            return await self._engine_failed(response.status, content, response.headers.get(b"retry-after"))
        try:
            answer = orjson.loads(content)
            self.meter.answer(answer)
        except (orjson.JSONDecodeError, AttributeError, TypeError):
            return self.failed(500, "The engine's answer cannot be read.")
        if self.shown_model is not None:
            shown = splice.called(content, answer.get("model"), self.shown_model)
            content = orjson.dumps({**answer, "model": self.shown_model}) if shown is None else shown
        self.meter.done(200)
        return Reply(200, JSON, content)

    async def _engine_failed(self, status: int, content: bytes, told: bytes | None = None) -> Reply:
        # The server in front of an engine that died goes on answering for some seconds.
        if status >= 500 and not await self._alive():
            raise http1.Broken("the engine is dead")
        if self.upstream is not None and status in KEY_REFUSED:
            # It is our key that it refuses, not the caller's, and what it says of it may quote it.
            return self.failed(502, "The adopted server refuses the API key that it was adopted with.", code=UPSTREAM_REFUSED)
        reply = self._refused(status, engine_errors.translate(status, content, self.call.path))
        if status in LATER:
            reply.pairs = (*JSON, (b"retry-after", told if told and WORD.fullmatch(told) else RETRY_AFTER))
        return reply

    async def _alive(self) -> bool:
        if self.upstream is not None:
            return await self.upstream.alive(self.client)
        return await engine.alive(self.client, self.url)

    def failed(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> Reply:
        kind = engine_errors.kind_of(status)
        return self._refused(status, engine_errors.envelope(message, kind, param=param, code=code))

    def _refused(self, status: int, error: Mapping[str, Any]) -> Reply:
        told = error["error"]
        # A server that refuses our key works as well as it ever will.
        failed = status >= 500 and told["code"] != UPSTREAM_REFUSED
        self.meter.done(status, told["message"], replica_failed=failed)
        return Reply(status, JSON, orjson.dumps(error))

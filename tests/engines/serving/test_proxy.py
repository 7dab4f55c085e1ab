"""One request to one replica: what reaches the engine, what comes back, and what is written down of it."""

import asyncio
import json
import time
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engines.serving import http1
from engines.serving.engine import free_port
from engines.serving.metering import Served
from engines.serving.proxy import Call, ReplicaUnreachable, forward
from tests.engines.serving.upstream import STREAM, Upstream, event, sent, usage

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "model", "messages": [{"role": "user", "content": "Hi"}], "top_k": 3}
ANSWER: dict[str, Any] = {
    "id": "x",
    "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": usage(4, 2),
}


def error(message: str, kind: str = "server_error", code: str | None = None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


async def test_a_whole_answer_comes_back_byte_for_byte(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.whole(ANSWER)
    reply = await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    assert (reply.status, reply.body, reply.stream) == (200, json.dumps(ANSWER, separators=(",", ":")).encode(), None)
    assert upstream.bodies == [BODY]


async def test_a_whole_answer_is_metered(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.whole(ANSWER)
    await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    [one] = served
    assert 0 < one.latency_ms < 30_000
    assert one == Served(200, 4, 2, one.latency_ms, None, False, "stop", False, None)


@pytest.mark.parametrize("count", ["4", 4.5, -1, 2**31, [4]])
@pytest.mark.parametrize("reason", [{"type": "stop"}, 7, "st\0p", "s" * 65])
async def test_what_no_log_can_hold_is_not_metered(
    upstream: Upstream, wire: http1.Client, served: list[Served], count: Any, reason: Any
) -> None:
    choice = {**ANSWER["choices"][0], "finish_reason": reason}
    upstream.answer = upstream.whole({"choices": [choice], "usage": {"prompt_tokens": count, "completion_tokens": 2}})
    reply = await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    assert reply.status == 200
    assert [(one.prompt_tokens, one.completion_tokens, one.finish_reason) for one in served] == [(0, 2, None)]


async def test_an_engines_refusal_comes_back_in_openais_envelope(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    inner = {"message": "top_k must be 0 or at least 1.", "type": "BadRequestError", "param": "top_k", "code": 400}
    upstream.answer = upstream.whole({"error": inner}, 400)
    reply = await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    assert (reply.status, json.loads(reply.body or b"")) == (
        400,
        error("top_k must be 0 or at least 1.", "invalid_request_error", param="top_k"),
    )
    assert [(one.status_code, one.error_message) for one in served] == [(400, "top_k must be 0 or at least 1.")]


async def test_a_failure_of_a_living_engine_is_the_requests(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.whole({"error": {"message": "Internal server error", "code": 500}}, 500)
    reply = await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    assert (reply.status, json.loads(reply.body or b"")) == (500, error("Internal server error"))
    assert [one.status_code for one in served] == [500]


async def test_a_failure_of_a_dead_engine_is_not_the_requests(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.healthy = False
    upstream.answer = upstream.whole({"error": {"message": "EngineCore encountered an issue.", "code": 500}}, 500)
    with pytest.raises(ReplicaUnreachable):
        await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    assert served == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_replica_that_refuses_the_connection_is_unreachable(
    wire: http1.Client, served: list[Served], stream: bool
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ReplicaUnreachable):
        await forward(wire, url, sent(CHAT, {**BODY, "stream": stream}), model="model", on_done=served.append)
    assert served == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_replica_that_dies_before_its_first_word_is_unreachable(
    upstream: Upstream, wire: http1.Client, served: list[Served], stream: bool
) -> None:
    upstream.answer = upstream.dying()
    with pytest.raises(ReplicaUnreachable):
        await forward(wire, upstream.url, sent(CHAT, {**BODY, "stream": stream}), model="model", on_done=served.append)
    assert served == []


async def test_a_stream_that_ends_without_a_word_is_a_dead_replica(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.stream(b": nothing\n\n")
    with pytest.raises(ReplicaUnreachable):
        await forward(wire, upstream.url, sent(CHAT, {**BODY, "stream": True}), model="model", on_done=served.append)
    assert served == []


async def test_an_error_before_the_first_word_of_a_stream_is_an_ordinary_one(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    inner = {"message": "This is no tool.", "type": "BadRequestError", "param": None, "code": 400}
    upstream.answer = upstream.stream(event({"error": inner}), event("[DONE]"))
    reply = await forward(wire, upstream.url, sent(CHAT, {**BODY, "stream": True}), model="model", on_done=served.append)
    assert (reply.status, reply.stream) == (400, None)
    assert json.loads(reply.body or b"") == error("This is no tool.", "invalid_request_error")
    assert [(one.status_code, one.streamed) for one in served] == [(400, True)]


async def test_a_refused_stream_is_an_ordinary_error(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.whole({"error": {"message": "No.", "code": 400}}, 400)
    reply = await forward(wire, upstream.url, sent(CHAT, {**BODY, "stream": True}), model="model", on_done=served.append)
    assert (reply.status, reply.stream, len(served)) == (400, None, 1)


async def test_an_answer_that_cannot_be_read_is_a_server_error(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.stream(b"<html>")
    reply = await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    assert (reply.status, json.loads(reply.body or b"")) == (500, error("The engine's answer cannot be read."))
    assert [one.status_code for one in served] == [500]


async def test_an_engine_that_takes_too_long_is_given_up(upstream: Upstream, served: list[Served]) -> None:
    upstream.answer = upstream.silent()
    hasty = http1.Client(silence_s=0.05)
    reply = await forward(hasty, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    assert (reply.status, json.loads(reply.body or b"")) == (504, error("The engine did not answer in time.", code="timeout"))
    assert [one.status_code for one in served] == [504]
    await asyncio.wait_for(upstream.left.wait(), 10)
    await hasty.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_before_the_answer_stops_the_engine(
    upstream: Upstream, wire: http1.Client, served: list[Served], stream: bool
) -> None:
    upstream.answer = upstream.silent()
    call = asyncio.create_task(
        forward(wire, upstream.url, sent(CHAT, {**BODY, "stream": stream}), model="model", on_done=served.append)
    )
    while not upstream.bodies:
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(upstream.left.wait(), 10)
    assert [(one.status_code, one.client_cancelled) for one in served] == [(499, True)]


@pytest.mark.parametrize("value", ["true", "false", 1, 0, [], "yes"])
async def test_a_stream_field_that_is_no_boolean_is_refused_here(
    upstream: Upstream, wire: http1.Client, served: list[Served], value: Any
) -> None:
    reply = await forward(wire, upstream.url, sent(CHAT, {**BODY, "stream": value}), model="model", on_done=served.append)
    refusal = error("'stream' is true or false.", "invalid_request_error", param="stream")
    assert (reply.status, json.loads(reply.body or b"")) == (400, refusal)
    assert upstream.bodies == []
    assert [one.status_code for one in served] == [400]


async def test_stream_options_that_are_no_object_are_refused_here(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    body = {**BODY, "stream": True, "stream_options": ["include_usage"]}
    reply = await forward(wire, upstream.url, sent(CHAT, body), model="model", on_done=served.append)
    refusal = error("'stream_options' is an object.", "invalid_request_error", param="stream_options")
    assert (reply.status, json.loads(reply.body or b""), upstream.bodies) == (400, refusal, [])


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"continuous_usage_stats": False, "more": 1}])
async def test_the_engine_is_always_asked_to_count_a_stream(
    upstream: Upstream, wire: http1.Client, served: list[Served], options: dict[str, Any] | None
) -> None:
    upstream.answer = upstream.stream(STREAM)
    body = {**BODY, "stream": True, "stream_options": options}
    reply = await forward(wire, upstream.url, sent(CHAT, body), model="model", on_done=served.append)
    await reply.aclose()
    asked = {**(options or {}), "include_usage": True, "continuous_usage_stats": True}
    assert upstream.bodies == [{**body, "stream_options": asked}]


async def test_stream_options_of_a_whole_answer_are_the_engines_to_judge(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.whole(ANSWER)
    body = {**BODY, "stream_options": {"include_usage": True}}
    await forward(wire, upstream.url, sent(CHAT, body), model="model", on_done=served.append)
    assert upstream.bodies == [body]


async def test_an_answer_calls_the_model_what_the_client_calls_it(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    """What the text says of the engine's own name stays as it is."""
    body = {**BODY, "model": "dep_1:v2"}
    said = {"index": 0, "message": {"content": '"model":"dep_1:v2"'}, "finish_reason": "stop"}
    upstream.answer = upstream.whole({**ANSWER, "model": "dep_1:v2", "choices": [said]})
    reply = await forward(wire, upstream.url, sent(CHAT, body), model="dep_1:v2", on_done=served.append, shown_model="sums")
    assert json.loads(reply.body or b"") == {**ANSWER, "model": "sums", "choices": [said]}
    assert upstream.bodies == [body]
    assert [one.completion_tokens for one in served] == [2]


async def test_each_chunk_calls_the_model_what_the_client_calls_it(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.stream(STREAM)
    reply = await forward(
        wire, upstream.url, sent(CHAT, {**BODY, "stream": True}), model="model", on_done=served.append, shown_model="sums"
    )
    assert reply.stream is not None
    content = b"".join([frames async for frames in reply.stream])
    *chunks, done = [frame.removeprefix(b"data: ") for frame in content[:-2].split(b"\n\n")]
    assert done == b"[DONE]"
    assert [json.loads(chunk)["model"] for chunk in chunks] == ["sums"] * 4
    assert [one.completion_tokens for one in served] == [4]


@pytest.mark.parametrize(
    "body",
    [BODY, {**BODY, "stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True, "more": [1]}}],
)
async def test_what_says_all_that_is_needed_goes_out_byte_for_byte(
    upstream: Upstream, wire: http1.Client, served: list[Served], body: dict[str, Any]
) -> None:
    upstream.answer = upstream.stream(STREAM) if "stream" in body else upstream.whole(ANSWER)
    raw = json.dumps(body, indent=2).encode()
    reply = await forward(wire, upstream.url, Call(CHAT, raw, body), model="model", on_done=served.append)
    await reply.aclose()
    assert upstream.raws == [raw]


@pytest.mark.parametrize(
    ("raw", "asked"),
    [
        (b'{"stream": true, "model": "sums"}\n', b'{"stream": true, "model": "served","stream_options":%b}'),
        (b'{"stream":true}', b'{"stream":true,"model":"served","stream_options":%b}'),
        (
            b'{"model":"sums","stream":true,"x":"\\u006f"}',
            b'{"model":"served","stream":true,"x":"o","stream_options":%b}',
        ),
        (
            b'{"model":"sums", "stream":true, "stream_options":null}',
            b'{"model":"served","stream":true,"stream_options":%b}',
        ),
    ],
)
async def test_of_a_request_only_what_must_be_is_changed(
    upstream: Upstream, wire: http1.Client, served: list[Served], raw: bytes, asked: bytes
) -> None:
    upstream.answer = upstream.stream(STREAM)
    reply = await forward(wire, upstream.url, Call(CHAT, raw, json.loads(raw)), model="served", on_done=served.append)
    await reply.aclose()
    assert upstream.raws == [asked % b'{"include_usage":true,"continuous_usage_stats":true}']


async def test_latencies_count_from_when_the_request_arrived(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.stream(STREAM)
    an_hour_ago = time.perf_counter() - 3600
    body = {**BODY, "stream": True}
    reply = await forward(wire, upstream.url, sent(CHAT, body), model="model", on_done=served.append, started=an_hour_ago)
    assert reply.stream is not None
    assert b"".join([frames async for frames in reply.stream]).endswith(b"[DONE]\n\n")
    [one] = served
    assert one.ttft_ms is not None
    assert 3_600_000 <= one.ttft_ms <= one.latency_ms < 3_700_000


@pytest.mark.parametrize(("status", "failed"), [(200, False), (400, False), (404, False), (429, False), (500, True), (503, True)])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_the_replicas_doing_is_told(
    upstream: Upstream, wire: http1.Client, served: list[Served], status: int, failed: bool, stream: bool
) -> None:
    upstream.answer = upstream.whole(ANSWER if status == 200 else {"error": {"message": "No.", "code": status}}, status)
    if stream:
        pieces = [STREAM] if status == 200 else [event({"choices": []}), event({"error": {"message": "No.", "code": status}})]
        upstream.answer = upstream.stream(*pieces)
    reply = await forward(wire, upstream.url, sent(CHAT, {**BODY, "stream": stream}), model="model", on_done=served.append)
    if reply.stream is not None:
        assert [frames async for frames in reply.stream]
    assert [(one.status_code, one.replica_failed) for one in served] == [(status, failed)]


async def test_an_answer_that_cannot_be_read_is_the_replicas_doing(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    for answer in ([1], {"choices": 5}, {"choices": [5]}, {"choices": [], "usage": [1]}):
        upstream.answer = upstream.whole(answer)
        reply = await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
        assert json.loads(reply.body or b"") == error("The engine's answer cannot be read.")
    assert [(one.status_code, one.replica_failed) for one in served] == [(500, True)] * 4


A_DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(("told", "passed"), [("7", "7"), (A_DATE, A_DATE), ("x" * 65, "5"), (None, "5")])
async def test_when_to_come_again_is_passed_on(
    upstream: Upstream, wire: http1.Client, served: list[Served], told: str | None, passed: str
) -> None:
    headers = {} if told is None else {"retry-after": told}

    async def answer(_: Request) -> Response:
        return JSONResponse({"error": {"message": "Too many."}}, 429, headers)

    upstream.answer = answer
    reply = await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    assert reply.headers == {"content-type": "application/json", "retry-after": passed}

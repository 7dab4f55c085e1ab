"""A streamed answer: what the client sees of it, what is metered, and how it ends."""

import asyncio
import json
from typing import Any

import anyio
import pytest

from engines.serving import http1, relay
from engines.serving.metering import Served
from engines.serving.proxy import Relay, forward
from tests.engines.serving.upstream import DONE, HELLO, STREAM, Upstream, delta, event, role, sent, total, usage, without

pytestmark = pytest.mark.anyio
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
BODY: dict[str, Any] = {"model": "model", "messages": [], "stream": True}
PLAIN = [without(chunk, "usage") for chunk in HELLO]
NULLED = [{**chunk, "usage": None} for chunk in HELLO]


async def opened(upstream: Upstream, wire: http1.Client, served: list[Served], path: str = CHAT, **body: Any) -> Relay:
    reply = await forward(wire, upstream.url, sent(path, {**BODY, **body}), model="model", on_done=served.append)
    assert reply.status == 200, reply.body
    assert reply.stream is not None
    return reply.stream


async def read(through: Relay) -> bytes:
    return b"".join([frames async for frames in through])


def events(content: bytes) -> list[Any]:
    """Parse a stream as a client does."""
    assert content.endswith(b"\n\n")
    datas = [frame.removeprefix(b"data: ") for frame in content[:-2].split(b"\n\n")]
    return [data.decode() if data == b"[DONE]" else json.loads(data) for data in datas]


def died(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": "engine_died"}}


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"continuous_usage_stats": True}])
async def test_usage_that_was_not_asked_for_is_not_seen(
    upstream: Upstream, wire: http1.Client, served: list[Served], options: dict[str, Any] | None
) -> None:
    upstream.answer = upstream.stream(STREAM)
    content = await read(await opened(upstream, wire, served, stream_options=options))
    assert events(content) == [*PLAIN, "[DONE]"]


async def test_usage_that_was_asked_for_comes_last(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.stream(STREAM)
    content = await read(await opened(upstream, wire, served, stream_options={"include_usage": True}))
    assert events(content) == [*NULLED, total(4, 4), "[DONE]"]


async def test_continuous_usage_passes_byte_for_byte(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.stream(STREAM)
    options = {"include_usage": True, "continuous_usage_stats": True}
    assert await read(await opened(upstream, wire, served, stream_options=options)) == STREAM


async def test_a_stream_is_metered(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.stream(STREAM)
    await read(await opened(upstream, wire, served))
    [one] = served
    assert one.ttft_ms is not None
    assert 0 < one.ttft_ms <= one.latency_ms
    assert one == Served(200, 4, 4, one.latency_ms, one.ttft_ms, True, "stop", False, None)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
async def test_frames_are_whole_however_the_bytes_were_cut(
    upstream: Upstream, wire: http1.Client, served: list[Served], size: int
) -> None:
    upstream.answer = upstream.stream(*[STREAM[at : at + size] for at in range(0, len(STREAM), size)])
    assert events(await read(await opened(upstream, wire, served))) == [*PLAIN, "[DONE]"]
    assert [one.completion_tokens for one in served] == [4]


@pytest.mark.parametrize("size", [1, 1000])
async def test_carriage_returns_comments_and_other_fields_are_read(
    upstream: Upstream, wire: http1.Client, served: list[Served], size: int
) -> None:
    chunk = json.dumps(delta("Hi", tokens=1)).encode()
    stream = b": keep-alive\r\n\r\nevent: message\r\nid: 1\r\ndata:" + chunk + b"\r\n\r\nretry: 5\r\n\r\ndata: [DONE]\r\n\r\n"
    upstream.answer = upstream.stream(*[stream[at : at + size] for at in range(0, len(stream), size)])
    content = await read(await opened(upstream, wire, served))
    assert events(content) == [without(delta("Hi", tokens=1), "usage"), "[DONE]"]


async def test_an_event_of_several_lines_is_one_document(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    lines = json.dumps(delta("Hi", tokens=1), indent=1).encode().split(b"\n")
    upstream.answer = upstream.stream(b"".join(b"data: " + line + b"\n" for line in lines) + b"\n", DONE)
    content = await read(await opened(upstream, wire, served))
    assert events(content) == [without(delta("Hi", tokens=1), "usage"), "[DONE]"]


async def test_fields_of_the_engines_own_pass_unchanged(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    chunk = {**delta("ü\u2028", tokens=1), "prompt_token_ids": None, "x": {"y": [1.5, -9999.0, 10**15]}}
    upstream.answer = upstream.stream(event(chunk), DONE)
    assert events(await read(await opened(upstream, wire, served))) == [without(chunk, "usage"), "[DONE]"]


async def test_choices_of_several_prompts_add_up_before_the_end(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    """Two prompts of 4 and 6 tokens with two choices each, and no chunk yet of the last choice."""
    chunks = [delta("a", tokens=2, index=0), delta("b", tokens=3, index=1), delta("c", tokens=5, index=2, prompt=6)]
    upstream.answer = upstream.stalling(*map(event, chunks))
    through = await opened(upstream, wire, served, TEXT, prompt=["a", "b"], n=2)
    seen = b""
    async for frames in through:
        seen += frames
        if b'"c"' in seen:
            break
    await through.aclose()
    assert [(one.prompt_tokens, one.completion_tokens) for one in served] == [(10, 10)]


async def test_an_engine_that_breaks_the_connection_ends_the_stream_with_one_error(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.dying(event(role()), event(delta("Hel", tokens=1)))
    content = await read(await opened(upstream, wire, served))
    message = "The engine died while it answered."
    assert events(content) == [*PLAIN[:2], died(message)]
    assert [(one.status_code, one.completion_tokens, one.client_cancelled, one.error_message) for one in served] == [
        (500, 1, False, message)
    ]


async def test_a_stream_that_ends_early_is_an_error(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.stream(event(role()), b"data: {")
    content = await read(await opened(upstream, wire, served))
    assert events(content) == [PLAIN[0], died("The engine ended the answer before it was complete.")]
    assert [one.status_code for one in served] == [500]


async def test_an_error_of_the_engine_ends_the_stream(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    inner = {"message": "Request failed; please retry", "type": "ServiceUnavailableError", "param": None, "code": 503}
    upstream.answer = upstream.stream(event(role()) + event({"error": inner}) + DONE)
    content = await read(await opened(upstream, wire, served))
    error = {"message": "Request failed; please retry", "type": "server_error", "param": None, "code": None}
    assert events(content) == [PLAIN[0], {"error": error}]
    assert [(one.status_code, one.error_message) for one in served] == [(503, "Request failed; please retry")]


async def test_an_error_of_a_dead_engine_says_that_it_died(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.healthy = False
    inner = {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "param": None, "code": 500}
    upstream.answer = upstream.stream(event(role()), event({"error": inner}), DONE)
    content = await read(await opened(upstream, wire, served))
    assert events(content) == [PLAIN[0], died("The engine died while it answered.")]


@pytest.mark.parametrize("nonsense", ["<html>", "[1]", "null"])
async def test_an_event_that_is_no_chunk_ends_the_stream(
    upstream: Upstream, wire: http1.Client, served: list[Served], nonsense: str
) -> None:
    upstream.answer = upstream.stream(event(role()), event(nonsense), DONE)
    content = await read(await opened(upstream, wire, served))
    message = "The engine answered something that is not an event."
    assert events(content)[1:] == [{"error": {"message": message, "type": "server_error", "param": None, "code": None}}]
    assert [one.error_message for one in served] == [message]


async def test_a_client_that_leaves_stops_the_engine_and_pays_for_what_it_got(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.stalling(event(role()), event(delta("Hel", tokens=3)))
    through = await opened(upstream, wire, served)
    seen = b""
    async for frames in through:
        seen += frames
        if b"Hel" in seen:
            break
    await through.aclose()
    await asyncio.wait_for(upstream.left.wait(), 10)
    [one] = served
    assert one == Served(200, 4, 3, one.latency_ms, one.ttft_ms, True, None, True, None)


async def test_a_client_that_leaves_while_the_engine_is_silent_stops_it_too(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.stalling(event(delta("Hel", tokens=2)))
    through = await opened(upstream, wire, served)
    waiting = anyio.Event()

    async def follow() -> None:
        async for _ in through:
            waiting.set()

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await waiting.wait()
        group.cancel_scope.cancel()
    await asyncio.wait_for(upstream.left.wait(), 10)
    assert [(one.completion_tokens, one.client_cancelled) for one in served] == [(2, True)]


async def test_a_stream_that_nobody_begins_to_read_is_closed(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.stalling(event(delta("Hel", tokens=2)))
    through = await opened(upstream, wire, served)
    await through.aclose()
    await asyncio.wait_for(upstream.left.wait(), 10)
    assert [one.client_cancelled for one in served] == [True]


async def test_closing_a_stream_that_has_ended_changes_nothing(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.stream(STREAM)
    through = await opened(upstream, wire, served)
    await read(through)
    await through.aclose()
    await through.aclose()
    assert [(one.status_code, one.client_cancelled) for one in served] == [(200, False)]


async def test_a_connection_is_used_again_after_a_stream(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.stream(STREAM)
    for _ in range(3):
        await read(await opened(upstream, wire, served))
    assert (len(served), len(upstream.connections)) == (3, 1)


async def test_the_first_token_is_not_the_role(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    upstream.answer = upstream.stream(event(role()), event(total(4, 0)), DONE)
    await read(await opened(upstream, wire, served))
    assert [one.ttft_ms for one in served] == [None]


async def test_an_answer_of_tools_only_has_a_first_token(upstream: Upstream, wire: http1.Client, served: list[Served]) -> None:
    call = {"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "call_1"}]}, "finish_reason": None}
    upstream.answer = upstream.stream(event({"choices": [call], "usage": usage(4, 1)}), DONE)
    await read(await opened(upstream, wire, served))
    assert [one.ttft_ms is not None for one in served] == [True]


@pytest.mark.parametrize(
    "odd", [{"choices": 5}, {"choices": [5]}, {"choices": [{"index": "0"}], "usage": usage(1, 1)}, {"usage": 5}]
)
async def test_a_chunk_that_cannot_be_metered_ends_the_stream(
    upstream: Upstream, wire: http1.Client, served: list[Served], odd: dict[str, Any]
) -> None:
    upstream.answer = upstream.stalling(event(role()), event(odd))
    content = await read(await opened(upstream, wire, served))
    message = "The engine answered something that is not an event."
    assert events(content)[1:] == [{"error": {"message": message, "type": "server_error", "param": None, "code": None}}]
    assert [(one.error_message, one.replica_failed) for one in served] == [(message, True)]
    # It would go on.
    await asyncio.wait_for(upstream.left.wait(), 10)


async def test_an_event_that_does_not_end_is_given_up(
    upstream: Upstream, wire: http1.Client, served: list[Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "MAX_EVENT_BYTES", 100_000)
    upstream.answer = upstream.stalling(event(role()), b"data: {" + b" " * 200_000)
    content = await read(await opened(upstream, wire, served))
    assert events(content)[1]["error"]["message"] == "The engine answered something that is not an event."
    upstream.answer = upstream.stalling(b"data: {" + b" " * 200_000)
    reply = await forward(wire, upstream.url, sent(CHAT, BODY), model="model", on_done=served.append)
    assert (reply.status, reply.stream) == (500, None)
    assert [one.replica_failed for one in served] == [True, True]


async def test_an_engine_that_falls_silent_is_given_up(upstream: Upstream, served: list[Served]) -> None:
    upstream.answer = upstream.stalling(event(role()), event(delta("Hel", tokens=1)))
    hasty = http1.Client(silence_s=0.2)
    content = await read(await opened(upstream, hasty, served))
    assert events(content)[-1]["error"]["message"] == "The engine did not answer in time."
    assert [(one.status_code, one.completion_tokens, one.replica_failed) for one in served] == [(504, 1, True)]
    await hasty.close()


async def test_a_stream_that_is_closed_while_it_is_waited_for_ends(
    upstream: Upstream, wire: http1.Client, served: list[Served]
) -> None:
    upstream.answer = upstream.stalling(event(delta("Hel", tokens=2)))
    through = await opened(upstream, wire, served)
    assert b"Hel" in await through.next()
    waiting = asyncio.create_task(through.next())
    await asyncio.sleep(0)
    through.close()
    assert (await waiting, await through.next()) == (b"", b"")
    await asyncio.wait_for(upstream.left.wait(), 10)
    assert [(one.completion_tokens, one.client_cancelled, one.replica_failed) for one in served] == [(2, True, False)]

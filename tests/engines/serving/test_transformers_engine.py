"""One real transformers engine with the tiny model: it answers what is asked of vLLM, and refuses what it would not do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from engines.serving import http1
from engines.serving.engine import drain, metrics, ready
from engines.serving.engine_metrics import SIGNALS
from engines.serving.metering import Served
from engines.serving.proxy import Reply, forward
from tests.engines.serving.conftest import Engine
from tests.engines.serving.upstream import sent

pytestmark = [pytest.mark.anyio, pytest.mark.engine]
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
SUM: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "1+2"}], "max_tokens": 3, "temperature": 0}
ENDLESS: dict[str, Any] = {"model": "tiny", "prompt": "1+2=", "max_tokens": 500, "ignore_eos": True}
SAMPLED: dict[str, Any] = {"model": "tiny", "prompt": "1+2=", "max_tokens": 12, "ignore_eos": True}


async def ask(engine: Engine, wire: http1.Client, body: dict[str, Any], served: list[Served], path: str = CHAT) -> Reply:
    return await forward(wire, engine.url, sent(path, body), model=body["model"], on_done=served.append)


async def answer(engine: Engine, wire: http1.Client, body: dict[str, Any], path: str = CHAT) -> Any:
    reply = await forward(wire, engine.url, sent(path, body), model=body["model"], on_done=lambda _: None)
    assert reply.status == 200, reply.body
    return json.loads(reply.body or b"")


async def texts(engine: Engine, wire: http1.Client, **change: Any) -> list[str]:
    return [choice["text"] for choice in (await answer(engine, wire, {**SAMPLED, **change}, TEXT))["choices"]]


async def stream_of(reply: Reply) -> list[Any]:
    assert reply.stream is not None, reply.body
    content = b"".join([frames async for frames in reply.stream])
    datas = [frame.removeprefix(b"data: ") for frame in content[:-2].split(b"\n\n")]
    return [data.decode() if data == b"[DONE]" else json.loads(data) for data in datas]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.02)


async def outstanding(engine: Engine, client: httpx2.AsyncClient) -> int:
    return (await metrics(client, engine.url)).outstanding


async def test_it_is_ready_under_each_of_its_names_only(batching_server: Engine, client: httpx2.AsyncClient) -> None:
    names = ("tiny", "alias", "other")
    assert [await ready(client, batching_server.url, name) for name in names] == [True, True, False]


async def test_a_chat_is_answered_and_metered(batching_server: Engine, wire: http1.Client, served: list[Served]) -> None:
    said = json.loads((await ask(batching_server, wire, SUM, served)).body or b"")
    assert (said["object"], said["model"]) == ("chat.completion", "tiny")
    [choice] = said["choices"]
    assert (choice["message"], choice["finish_reason"]) == ({"role": "assistant", "content": "3"}, "stop")
    assert said["usage"] == {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
    [one] = served
    assert (one.prompt_tokens, one.completion_tokens, one.finish_reason) == (4, 2, "stop")


async def test_parts_of_text_are_read_as_one(batching_server: Engine, wire: http1.Client) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "1+2"}]}]
    assert (await answer(batching_server, wire, {**SUM, "messages": parts}))["choices"][0]["message"]["content"] == "3"


@pytest.mark.parametrize("usage", [False, True])
async def test_a_stream_says_the_same_as_the_whole_answer(
    batching_server: Engine, wire: http1.Client, served: list[Served], usage: bool
) -> None:
    asked = {**SUM, "stream": True, **({"stream_options": {"include_usage": True}} if usage else {})}
    chunks = await stream_of(await ask(batching_server, wire, asked, served))
    assert chunks.pop() == "[DONE]"
    if usage:
        last = chunks.pop()
        assert (last["choices"], last["usage"]) == ([], {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6})
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [{"role": "assistant", "content": ""}, {"content": "3"}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, "stop"]
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert [chunk.get("usage", "absent") for chunk in chunks] == [None if usage else "absent"] * 3
    [one] = served
    assert (one.prompt_tokens, one.completion_tokens, one.finish_reason) == (4, 2, "stop")
    assert one.ttft_ms is not None


async def test_a_seed_makes_the_same_answers_again_whatever_else_runs(batching_server: Engine, wire: http1.Client) -> None:
    alone = await texts(batching_server, wire, seed=7, n=3)
    assert len(set(alone)) == 3
    among = [texts(batching_server, wire, seed=seed, n=3) for seed in (1, 7, 9)]
    assert (await asyncio.gather(*among))[1] == alone


async def test_the_documented_temperature_is_the_default(batching_server: Engine, wire: http1.Client) -> None:
    """At 1.0 the half-trained model gives several answers; where it may choose from one token only, it gives one."""
    assert len(set(await texts(batching_server, wire, n=16, max_tokens=1))) > 1
    for narrowed in ({"temperature": 0}, {"top_k": 1}, {"top_p": 0.01}, {"min_p": 1}):
        assert len(set(await texts(batching_server, wire, n=8, max_tokens=1, **narrowed))) == 1


async def test_penalties_and_biases_change_what_is_said(
    batching_server: Engine, client: httpx2.AsyncClient, wire: http1.Client
) -> None:
    tokenized = (await client.post(f"{batching_server.url}/tokenize", json={"prompt": "7"})).json()
    assert tokenized["count"] == 1
    biased = await texts(batching_server, wire, logit_bias={str(tokenized["tokens"][0]): 100}, max_tokens=4)
    assert biased == ["7777"]
    plain, penalised = [
        (await texts(batching_server, wire, temperature=0, max_tokens=24, **change))[0]
        for change in ({}, {"frequency_penalty": 2, "presence_penalty": 2, "repetition_penalty": 2})
    ]
    assert len(set(penalised)) > len(set(plain))


async def test_the_answer_ends_before_a_stop_string(batching_server: Engine, wire: http1.Client, served: list[Served]) -> None:
    [whole] = await texts(batching_server, wire, seed=3, max_tokens=20)
    stop = whole[2:4]
    body = {**SAMPLED, "seed": 3, "max_tokens": 20, "stop": stop}
    answered = await answer(batching_server, wire, body, TEXT)
    [said] = answered["choices"]
    assert (said["text"], said["finish_reason"]) == (whole[: whole.index(stop)], "stop")
    assert answered["usage"]["completion_tokens"] < 20
    chunks = await stream_of(await ask(batching_server, wire, {**body, "stream": True}, served, TEXT))
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks[:-1]) == said["text"]
    assert (served[0].finish_reason, served[0].completion_tokens) == ("stop", answered["usage"]["completion_tokens"])


async def test_what_has_no_room_left_ends_by_its_length(batching_server: Engine, wire: http1.Client) -> None:
    said = await answer(batching_server, wire, {**SAMPLED, "max_tokens": 5}, TEXT)
    assert (said["choices"][0]["finish_reason"], said["usage"]["completion_tokens"]) == ("length", 5)


async def test_several_prompts_each_have_their_answers(batching_server: Engine, wire: http1.Client) -> None:
    prompts = ["1+1=", "2+2="]
    body = {"model": "tiny", "prompt": prompts, "max_tokens": 3, "temperature": 0, "n": 2}
    said = await answer(batching_server, wire, body, TEXT)
    each = [(await answer(batching_server, wire, {**body, "prompt": prompt}, TEXT))["choices"] for prompt in prompts]
    assert [choice["text"] for choice in said["choices"]] == [choice["text"] for choices in each for choice in choices]
    assert [choice["index"] for choice in said["choices"]] == [0, 1, 2, 3]
    assert said["usage"]["prompt_tokens"] == 8


async def test_logprobs_are_the_models_own(batching_server: Engine, wire: http1.Client) -> None:
    chat = await answer(batching_server, wire, {**SUM, "logprobs": True, "top_logprobs": 3})
    first = chat["choices"][0]["logprobs"]["content"][0]
    assert (first["token"], first["bytes"], len(first["top_logprobs"])) == ("3", [51], 3)
    assert first["top_logprobs"][0]["logprob"] == first["logprob"] < 0
    text = await answer(
        batching_server, wire, {"model": "tiny", "prompt": "1+2=", "max_tokens": 2, "temperature": 0, "logprobs": 1}, TEXT
    )
    told = text["choices"][0]["logprobs"]
    assert (told["tokens"][0], told["text_offset"]) == ("3", [0, 1])
    assert told["token_logprobs"][0] == pytest.approx(first["logprob"], abs=1e-4)


@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"messages": [{"role": "user", "content": "1+2 " * 200}]}, 400, "messages", "context_length_exceeded"),
        ({"max_tokens": 5000}, 400, "max_tokens", "context_length_exceeded"),
        ({"messages": "hi"}, 400, "messages", None),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, 400, "messages", None),
        ({"temperature": -1}, 400, "temperature", None),
        ({"n": 500}, 400, "n", None),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, 400, None, None),
        ({"response_format": {"type": "json_object"}}, 400, "response_format", None),
        ({"structured_outputs": {"choice": ["a"]}}, 400, "structured_outputs", None),
        ({"model": "other"}, 404, "model", "model_not_found"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_its_refusals_are_openais(
    batching_server: Engine,
    wire: http1.Client,
    served: list[Served],
    change: dict[str, Any],
    status: int,
    param: str | None,
    code: str | None,
    stream: bool,
) -> None:
    reply = await ask(batching_server, wire, {**SUM, **change, "stream": stream}, served)
    error = json.loads(reply.body or b"")["error"]
    assert (reply.status, error["type"], error["param"], error["code"]) == (status, "invalid_request_error", param, code)
    assert [(one.status_code, one.completion_tokens) for one in served] == [(status, 0)]


async def test_a_client_that_leaves_a_stream_stops_the_generation(
    batching_server: Engine, client: httpx2.AsyncClient, wire: http1.Client, served: list[Served]
) -> None:
    reply = await ask(batching_server, wire, {**ENDLESS, "n": 4, "stream": True}, served, TEXT)
    assert reply.stream is not None
    async for _ in reply.stream:
        break
    assert await outstanding(batching_server, client) > 0
    await reply.aclose()

    async def stopped() -> bool:
        return await outstanding(batching_server, client) == 0

    await eventually(stopped)
    [one] = served
    assert (one.client_cancelled, one.prompt_tokens) == (True, 4)
    assert 0 < one.completion_tokens < 4 * 500


async def test_a_client_that_leaves_before_the_whole_answer_stops_the_generation(
    batching_server: Engine, client: httpx2.AsyncClient, wire: http1.Client, served: list[Served]
) -> None:
    call = asyncio.create_task(ask(batching_server, wire, {**ENDLESS, "n": 32}, served, TEXT))

    async def begun() -> bool:
        return await outstanding(batching_server, client) > 0

    async def stopped() -> bool:
        return not await begun()

    await eventually(begun)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await eventually(stopped)
    assert [one.client_cancelled for one in served] == [True]


async def test_its_metrics_hold_the_signals(
    batching_server: Engine, client: httpx2.AsyncClient, wire: http1.Client, served: list[Served]
) -> None:
    before = await metrics(client, batching_server.url)
    await ask(batching_server, wire, SUM, served)
    after = await metrics(client, batching_server.url)
    assert (after.time_to_first_token.count, after.latency.count) == (
        before.time_to_first_token.count + 1,
        before.latency.count + 1,
    )
    text = (await client.get(f"{batching_server.url}/metrics")).text
    assert [name for name in SIGNALS if f"\ntransformers:{name}" not in text] == []
    assert (after.running, after.waiting) == (0, 0)


async def test_it_is_drained_when_nothing_runs(batching_server: Engine, client: httpx2.AsyncClient) -> None:
    assert await drain(client, batching_server.url, 30) is True

"""The official `openai` package: models, chats, streams, and the exception class of every refusal."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from sqlmodel import select

from models import deployment as dep
from models import transitions
from models.deployment import Deployment, InferenceRequest
from tests.conftest import Server, Tenant
from tests.rest_compat import things
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio
MESSAGES: Any = [{"role": "user", "content": "2+2?"}]
EXTRAS = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}}
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": PLACE}}
LEAVING_S = 5


class Sum(BaseModel):
    """A sum and its answer."""

    answer: int


async def call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await asyncio.to_thread(function, *args, **options)


async def test_models(sdk: openai.OpenAI, server: Server) -> None:
    row = await things.serving_deployment(server, "http://127.0.0.1:9")
    (model,) = (await call(sdk.models.list)).data
    assert (model.id, model.object, model.owned_by) == ("sums", "model", "tenant")
    assert (await call(sdk.models.retrieve, row.id)).id == "sums"


async def test_a_chat(sdk: openai.OpenAI, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    for model in (row.name, row.id):
        raw = await call(sdk.chat.completions.with_raw_response.create, model=model, messages=MESSAGES)
        answer = raw.parse()
        assert answer.choices[0].message.content == "four it is"
        assert answer.usage.total_tokens == 5
        assert answer._request_id == raw.headers["x-request-id"]
        assert int(raw.headers["openai-processing-ms"]) >= 0


async def test_a_stream(sdk: openai.OpenAI, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)

    def read(**options: Any) -> list[Any]:
        return list(sdk.chat.completions.create(model=row.name, messages=MESSAGES, stream=True, **options))

    chunks = await call(read)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "four it is"
    assert {(chunk.id, chunk.created) for chunk in chunks} == {("chatcmpl-1", 1_714_900_000)}
    *_, last = await call(read, stream_options={"include_usage": True})
    assert (last.choices, last.usage.total_tokens) == ([], 5)


async def test_a_deployments_own_url_is_a_base_url(server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    with openai.OpenAI(base_url=f"{server.url}/v1/deployments/{row.id}", api_key=server.tenant.key) as sdk:
        answer = await call(sdk.chat.completions.create, model=row.name, messages=MESSAGES)
        assert answer.choices[0].message.content == "four it is"
        text = await call(sdk.completions.create, model=row.name, prompt="2+2=")
        assert text.choices[0].text == "four"
        assert [model.id for model in (await call(sdk.models.list)).data] == ["sums"]


def say(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def refusal(server: Server, tenant: Tenant, **body: Any) -> openai.APIStatusError:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=tenant.key, max_retries=0) as sdk:
        with pytest.raises(openai.APIStatusError) as caught:
            await call(sdk.chat.completions.create, **{"model": "ready", "messages": MESSAGES, **body})
    return caught.value


async def test_every_refusal_has_its_class(sdk: openai.OpenAI, server: Server, engine: Replica) -> None:
    await things.serving_deployment(server, engine.url, "ready")
    await things.queued_deployment(server, "queued")
    made = (await call(sdk.post, "/api_keys", body={"name": "reader", "scopes": ["read"]}, cast_to=object))["key"]
    mine, reader, nobody = server.tenant, Tenant(server.tenant.account, made), Tenant(server.tenant.account, "vk_wrong")
    spent = await things.serving_deployment(server, engine.url, "spent")
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Deployment, spent.id)
        assert await transitions.move(session, row, dep.STOPPED, error="QUOTA_EXCEEDED: The account's credit is used up.")
    wanted: list[tuple[type[openai.APIStatusError], str | None, Tenant, dict[str, Any]]] = [
        (openai.AuthenticationError, None, nobody, {}),
        (openai.PermissionDeniedError, "insufficient_scope", reader, {}),
        (openai.NotFoundError, "model_not_found", mine, {"model": "unknown"}),
        (openai.BadRequestError, "context_length_exceeded", mine, {"messages": say("too long")}),
        (openai.APIStatusError, "insufficient_credit", mine, {"model": spent.id}),
        (openai.RateLimitError, "rate_limit_exceeded", mine, {"messages": say("too many")}),
        (openai.RateLimitError, "insufficient_quota", mine, {"messages": say("no quota")}),
        (openai.InternalServerError, None, mine, {"messages": say("broken")}),
        (openai.InternalServerError, "upstream_unavailable", mine, {"model": "queued"}),
    ]
    for kind, code, tenant, body in wanted:
        error = await refusal(server, tenant, **body)
        assert (type(error), error.code) == (kind, code)
        assert error.request_id is not None
    assert error.response.headers["retry-after"] == "5"


async def test_other_refusals_have_their_class_too(sdk: openai.OpenAI, server: Server) -> None:
    post: Any = sdk.post
    with pytest.raises(openai.UnprocessableEntityError):
        await call(post, "/api_keys", body={}, cast_to=object)
    idempotent: Any = {"headers": {"Idempotency-Key": "k"}}
    await call(post, "/api_keys", body={"name": "a"}, cast_to=object, options=idempotent)
    with pytest.raises(openai.ConflictError):
        await call(post, "/api_keys", body={"name": "b"}, cast_to=object, options=idempotent)


async def test_an_unreachable_server_is_a_connection_error(server: Server) -> None:
    with openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="vk_x", max_retries=0) as sdk:
        with pytest.raises(openai.APIConnectionError):
            await call(sdk.models.list)


async def test_tools_whole_and_in_a_stream(sdk: openai.OpenAI, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    given: Any = {"model": row.name, "messages": MESSAGES, "tools": [WEATHER], "parallel_tool_calls": False}
    answer = await call(sdk.chat.completions.create, **given)
    (tool,) = answer.choices[0].message.tool_calls
    assert (answer.choices[0].finish_reason, tool.function.name, json.loads(tool.function.arguments)) == (
        "tool_calls",
        "weather",
        {"city": "four"},
    )
    assert engine.seen[-1] == given
    said = [*MESSAGES, answer.choices[0].message, {"role": "tool", "tool_call_id": tool.id, "content": "sunny"}]
    assert (await call(sdk.chat.completions.create, **{**given, "messages": said})).choices[0].message.content == "four it is"

    def streamed() -> Any:
        with sdk.chat.completions.stream(**given) as stream:
            return stream.get_final_completion()

    (tool,) = (await call(streamed)).choices[0].message.tool_calls
    assert json.loads(tool.function.arguments) == {"city": "four"}


async def test_structured_output_is_parsed(sdk: openai.OpenAI, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    answer = await call(sdk.chat.completions.parse, model=row.name, messages=MESSAGES, response_format=Sum)
    assert answer.choices[0].message.parsed == Sum(answer=4)
    wanted = engine.seen[-1]["response_format"]
    assert (wanted["type"], wanted["json_schema"]["strict"]) == ("json_schema", True)
    assert wanted["json_schema"]["schema"]["required"] == ["answer"]


async def test_logprobs_and_what_only_the_engine_knows_pass_through(sdk: openai.OpenAI, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    given: dict[str, Any] = {
        "model": row.name, "messages": MESSAGES, "logprobs": True, "top_logprobs": 1, "n": 1, "stop": ["."], "seed": 7,
        "logit_bias": {"5": -100}, "presence_penalty": 0.5, "max_completion_tokens": 9, "temperature": 0,
    }  # fmt: skip
    answer = await call(sdk.chat.completions.create, **given, extra_body=EXTRAS)
    assert [one.token for one in answer.choices[0].logprobs.content] == ["four", " it is"]
    assert answer.choices[0].logprobs.content[0].top_logprobs[0].logprob == -0.25
    assert engine.seen[-1] == {**given, **EXTRAS}


async def test_who_leaves_a_stream_is_metered_for_what_came(sdk: openai.OpenAI, server: Server, engine: Replica) -> None:
    engine.endless = True
    row = await things.serving_deployment(server, engine.url)

    def leave() -> None:
        with sdk.chat.completions.create(model=row.name, messages=MESSAGES, stream=True) as stream:
            assert next(chunk for chunk in stream if chunk.choices[0].delta.content)

    await call(leave)
    await asyncio.wait_for(engine.left.wait(), LEAVING_S)
    (one,) = await logged(server)
    assert (one.status_code, one.client_cancelled, one.streamed) == (200, True, True)
    assert (one.prompt_tokens, one.completion_tokens) == (3, 1)


async def test_an_answer_that_does_not_come_in_time_is_a_timeout(server: Server, engine: Replica) -> None:
    engine.silent = True
    row = await things.serving_deployment(server, engine.url)
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.tenant.key, max_retries=0, timeout=0.5) as sdk:
        with pytest.raises(openai.APITimeoutError):
            await call(sdk.chat.completions.create, model=row.name, messages=MESSAGES)
    await asyncio.wait_for(engine.left.wait(), LEAVING_S)
    (one,) = await logged(server)
    assert (one.status_code, one.client_cancelled, one.completion_tokens) == (499, True, 0)


async def test_a_stream_that_breaks_is_an_error_and_metered(sdk: openai.OpenAI, server: Server, engine: Replica) -> None:
    engine.breaks = True
    row = await things.serving_deployment(server, engine.url)

    said: list[str] = []

    def read() -> None:
        stream = sdk.chat.completions.create(model=row.name, messages=MESSAGES, stream=True)
        said.extend(chunk.choices[0].delta.content or "" for chunk in stream)

    with pytest.raises(openai.APIError) as caught:
        await call(read)
    assert ("".join(said), type(caught.value), caught.value.type) == ("four it is", openai.APIError, "server_error")
    (one,) = await logged(server)
    assert (one.status_code, one.client_cancelled, one.completion_tokens) == (500, False, 1)
    assert one.error_message == "The engine ran out of memory."


async def test_a_rate_is_told_in_the_headers_and_its_end_in_a_class(
    sdk: openai.OpenAI, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = server.platform.core
    monkeypatch.setattr(core.limiter, "_clock", lambda: 1000.0)
    monkeypatch.setattr(core.settings, "requests_per_minute", 2)
    raw = [await call(sdk.models.with_raw_response.list) for _ in range(2)]
    names = [f"x-ratelimit-{name}-requests" for name in ("limit", "remaining", "reset")]
    assert [[answer.headers[name] for name in names] for answer in raw] == [["2", "1", "30s"], ["2", "0", "60s"]]
    with pytest.raises(openai.RateLimitError) as caught:
        await call(sdk.models.list)
    assert (caught.value.code, caught.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "30")


async def test_the_client_comes_again_after_an_engine_that_was_busy(server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    engine.refusing = 1
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.tenant.key, max_retries=1) as sdk:
        answer = await call(sdk.chat.completions.create, model=row.name, messages=MESSAGES)
    assert answer.choices[0].message.content == "four it is"
    assert sorted(one.status_code for one in await logged(server)) == [200, 429]


async def logged(server: Server) -> list[InferenceRequest]:
    """Return the log of requests once there is something in it."""
    async with asyncio.timeout(LEAVING_S):
        while True:
            await server.platform.gateway.flush()
            async with server.platform.db.read() as session:
                rows = list((await session.exec(select(InferenceRequest))).all())
            if rows:
                return rows
            await asyncio.sleep(0.01)

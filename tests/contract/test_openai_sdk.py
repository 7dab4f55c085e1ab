"""The official `openai` package: models, chats, streams, and the exception class of every refusal."""

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.conftest import Server, Tenant
from tests.rest_compat import things
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio
MESSAGES: Any = [{"role": "user", "content": "2+2?"}]


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
    too_long = [{"role": "user", "content": "too long"}]
    wanted: list[tuple[type[openai.APIStatusError], str | None, Tenant, dict[str, Any]]] = [
        (openai.AuthenticationError, None, nobody, {}),
        (openai.PermissionDeniedError, "insufficient_scope", reader, {}),
        (openai.NotFoundError, "model_not_found", mine, {"model": "unknown"}),
        (openai.BadRequestError, "context_length_exceeded", mine, {"messages": too_long}),
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

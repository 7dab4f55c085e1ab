"""`langchain-openai`, `litellm` and `instructor`: chat, streams, tools, structured output, log-probabilities, every refusal."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import select

from models import deployment as dep
from models import transitions
from models.deployment import Deployment, InferenceRequest
from tests.conftest import Server, Tenant
from tests.contract.chatting import VERSIONS, Chatting
from tests.contract.published import Refused
from tests.rest_compat import things
from tests.rest_compat.replica import Replica

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
LEAVING_S = 5
CALLED = [{"name": "weather", "arguments": {"city": "four"}}]
EXTRAS = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "chat_template_kwargs": {"enable_thinking": False}}
# By which means each asks for something structured.
SEEN = {
    "langchain-openai": ["json_schema", "tools"],
    "litellm": ["json_schema"],
    "instructor": ["tools", "json_schema", "json_object"],
}
# What each raises for an answer's status, and where there is none in time.
CLASSES: dict[str, dict[int | None, str]] = {
    "langchain-openai": {
        400: "OpenAIInvalidRequestError",
        401: "OpenAIAuthenticationError",
        402: "APIStatusError",
        403: "OpenAIPermissionDeniedError",
        404: "OpenAIModelNotFoundError",
        429: "OpenAIRateLimitError",
        500: "OpenAIAPIError",
        503: "OpenAIAPIError",
        None: "OpenAITimeoutError",
    },
    "litellm": {
        400: "ContextWindowExceededError",
        401: "AuthenticationError",
        402: "APIError",
        403: "APIError",
        404: "NotFoundError",
        429: "RateLimitError",
        500: "InternalServerError",
        503: "ServiceUnavailableError",
        None: "Timeout",
    },
    "instructor": {
        400: "BadRequestError",
        401: "AuthenticationError",
        402: "APIStatusError",
        403: "PermissionDeniedError",
        404: "NotFoundError",
        429: "RateLimitError",
        500: "InternalServerError",
        503: "InternalServerError",
        None: "APITimeoutError",
    },
}


@pytest.fixture(params=VERSIONS, scope="module")
def client(request: pytest.FixtureRequest) -> Iterator[Chatting]:
    made = Chatting(request.param)
    yield made
    made.close()


async def ask(client: Chatting, server: Server, what: str, model: str, *, tenant: Tenant | None = None, **given: Any) -> Any:
    return await client.do(what, f"{server.url}/v1", (tenant or server.tenant).key, model, **given)


async def logged(server: Server) -> list[InferenceRequest]:
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        return list((await session.exec(select(InferenceRequest))).all())


async def test_a_chat(client: Chatting, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    for model in (row.name, row.id):
        assert await ask(client, server, "chat", model) == {"text": "four it is", "usage": [3, 2]}
    assert [(one.prompt_tokens, one.completion_tokens) for one in await logged(server)] == [(3, 2)] * 2


async def test_a_stream(client: Chatting, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    found = await ask(client, server, "stream", row.name)
    assert found == ({"answer": 4} if client.name == "instructor" else {"text": "four it is", "usage": [3, 2], "parts": 2})
    (one,) = await logged(server)
    assert (one.streamed, one.prompt_tokens, one.completion_tokens, one.client_cancelled) == (True, 3, 2, False)


async def test_tools_and_structured_output(client: Chatting, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    if client.name != "instructor":
        assert await ask(client, server, "tools", row.name) == CALLED
        assert await ask(client, server, "streamed_tools", row.name) == CALLED
        assert [tool["function"]["name"] for tool in engine.seen[-1]["tools"]] == ["weather"]
    before = len(engine.seen)
    assert await ask(client, server, "structured", row.name) == [4] * len(SEEN[client.name])
    # Each asked for it in its own way, as the engine has it before it.
    assert [asked_for(body) for body in engine.seen[before:]] == SEEN[client.name]


def asked_for(body: dict[str, Any]) -> str:
    """Return by which means a body asks for a sum; the schema must have come with it."""
    kind: str = body.get("response_format", {}).get("type", "tools")
    if kind != "json_object":
        schema = body["response_format"]["json_schema"]["schema"] if kind == "json_schema" else None
        schema = schema or body["tools"][0]["function"]["parameters"]
        assert schema["properties"]["answer"]["type"] == "integer"
    return kind


async def test_what_only_the_engine_knows_reaches_it(client: Chatting, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    assert await ask(client, server, "logprobs", row.name) == ["four", " it is"]
    assert {"logprobs": True, "top_logprobs": 1}.items() <= engine.seen[-1].items()
    await ask(client, server, "chat", row.name, extra_body=EXTRAS)
    assert EXTRAS.items() <= engine.seen[-1].items()


async def test_who_leaves_a_stream_is_metered_for_what_came(client: Chatting, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    engine.endless = True
    assert await ask(client, server, "leave", row.name) == "four"
    await asyncio.wait_for(engine.left.wait(), LEAVING_S)
    async with asyncio.timeout(LEAVING_S):
        while not (rows := await logged(server)):
            await asyncio.sleep(0.01)
    (one,) = rows
    assert (one.status_code, one.client_cancelled, one.prompt_tokens, one.completion_tokens) == (200, True, 3, 1)


async def test_an_answer_that_does_not_come_in_time(client: Chatting, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    engine.silent = True
    with pytest.raises(Refused) as caught:
        await ask(client, server, "chat", row.name, timeout=0.5)
    assert caught.value.type == CLASSES[client.name][None]
    await asyncio.wait_for(engine.left.wait(), LEAVING_S)


async def test_every_refusal_has_its_class(client: Chatting, server: Server, engine: Replica) -> None:
    await things.serving_deployment(server, engine.url, "ready")
    await things.queued_deployment(server, "queued")
    spent = await things.serving_deployment(server, engine.url, "spent")
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Deployment, spent.id)
        assert await transitions.move(session, row, dep.STOPPED, error="QUOTA_EXCEEDED: The account's credit is used up.")
    async with server.client() as http:
        reader = (await http.post("/v1/api_keys", json={"name": "reader", "scopes": ["read"]})).json()["key"]
    wanted: list[tuple[int, dict[str, Any]]] = [
        (400, {"model": "ready", "say": "too long"}),
        (401, {"model": "ready", "tenant": Tenant(server.tenant.account, "vk_wrong")}),
        (402, {"model": spent.id}),
        (403, {"model": "ready", "tenant": Tenant(server.tenant.account, reader)}),
        (404, {"model": "unknown"}),
        (429, {"model": "ready", "say": "too many"}),
        (500, {"model": "ready", "say": "broken"}),
        (503, {"model": "queued"}),
    ]
    for status, given in wanted:
        with pytest.raises(Refused) as caught:
            await ask(client, server, "chat", **given)
        assert (caught.value.type, caught.value.status) == (CLASSES[client.name][status], status)

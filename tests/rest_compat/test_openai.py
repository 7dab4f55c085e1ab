"""The OpenAI routes: what passes through, the models, the errors in their words, and callers who leave."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from sqlmodel import select

import models.replica
from burnish.kit import clock, ids
from burnish.kit.settings import Settings
from models import deployment as dep
from models import transitions
from models.deployment import Deployment, InferenceRequest
from resolvers import accounts
from resolvers.context import Platform
from rest_compat import keys, sse
from tests.conftest import Server, Tenant, serving
from tests.rest_compat import replica, things
from tests.rest_compat.replica import Replica
from tests.rest_compat.test_rate_limits import statements

pytestmark = pytest.mark.anyio
MESSAGES = [{"role": "user", "content": "2+2?"}]
LEAVING_S = 5


@pytest.fixture
async def engine() -> AsyncIterator[Replica]:
    async with replica.running() as made:
        yield made


def error(answer: httpx2.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


async def test_a_chat_goes_through_unchanged(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    extras = {"temperature": 0.7, "top_k": 5, "chat_template_kwargs": {"thinking": False}, "seed": 1}
    answer = await client.post("/v1/chat/completions", json={"model": row.name, "messages": MESSAGES, **extras})
    assert answer.status_code == 200
    found = answer.json()
    assert found["choices"][0]["message"] == {"role": "assistant", "content": "four it is"}
    assert found["usage"] == replica.USAGE
    assert engine.seen == [{"model": row.name, "messages": MESSAGES, **extras}]


async def test_the_same_routes_are_under_other_prefixes(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    for prefix, model in (("/v1", row.id), ("/v1/openai", row.name), (f"/v1/deployments/{row.id}", row.name)):
        chat = await client.post(f"{prefix}/chat/completions", json={"model": model, "messages": MESSAGES})
        assert (chat.status_code, chat.json()["object"]) == (200, "chat.completion")
        text = await client.post(f"{prefix}/completions", json={"model": model, "prompt": "2+2="})
        assert (text.status_code, text.json()["choices"][0]["text"]) == (200, "four")


async def test_answers_carry_the_headers_that_clients_read(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    answers = [
        await client.post("/v1/chat/completions", json={"model": row.id, "messages": MESSAGES}),
        await client.post("/v1/chat/completions", json={"model": "unknown", "messages": MESSAGES}),
        await client.get("/v1/models"),
    ]
    for answer in answers:
        assert answer.headers["x-request-id"].startswith("req_")
        assert int(answer.headers["openai-processing-ms"]) >= 0


async def test_an_answer_is_in_the_log_under_its_id_unless_the_caller_gave_one(server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    body = {"model": row.id, "messages": MESSAGES}
    async with server.client() as client:
        ours = await client.post("/v1/chat/completions", json=body)
        theirs = [await client.post("/v1/chat/completions", json=body, headers={"x-request-id": "req_1"}) for _ in range(2)]
    assert [answer.headers["x-request-id"] for answer in theirs] == ["req_1"] * 2
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        logged = {one.id for one in (await session.exec(select(InferenceRequest))).all()}
    assert len(logged) == 3
    assert ours.headers["x-request-id"] in logged
    assert "req_1" not in logged


async def test_a_stream_is_events_and_ends_with_done(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    answer = await client.post("/v1/chat/completions", json={"model": row.id, "messages": MESSAGES, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    frames = answer.text.strip().split("\n\n")
    assert all(frame.startswith("data: ") for frame in frames)
    assert frames[-1] == "data: [DONE]"


async def test_a_caller_who_leaves_a_stream_stops_the_engine(server: Server, engine: Replica) -> None:
    engine.endless = True
    row = await things.serving_deployment(server, engine.url)
    body = {"model": row.id, "messages": MESSAGES, "stream": True}
    async with server.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        await anext(answer.aiter_bytes())
    await asyncio.wait_for(engine.left.wait(), LEAVING_S)


async def test_a_caller_who_leaves_before_the_answer_stops_the_engine(server: Server, engine: Replica) -> None:
    engine.silent = True
    row = await things.serving_deployment(server, engine.url)
    async with server.client() as client:
        body = {"model": row.id, "messages": MESSAGES}
        asking = asyncio.create_task(client.post("/v1/chat/completions", json=body))
        await asyncio.wait_for(engine.asked.wait(), LEAVING_S)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await asyncio.wait_for(engine.left.wait(), LEAVING_S)


async def test_errors_are_in_openais_words(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    await things.serving_deployment(server, engine.url, "ready")
    queued = await things.queued_deployment(server, "queued")
    stopped = await things.queued_deployment(server, "stopped")
    await client.post(f"/v1/deployments/{stopped.id}/stop")
    too_long = [{"role": "user", "content": "too long"}]
    wanted: list[tuple[str, dict[str, Any], int, str, str | None]] = [
        ("/v1", {"model": "unknown", "messages": MESSAGES}, 404, "invalid_request_error", "model_not_found"),
        ("/v1", {"messages": MESSAGES}, 400, "invalid_request_error", None),
        ("/v1", {"model": 5, "messages": MESSAGES}, 400, "invalid_request_error", None),
        ("/v1", {"model": "queued", "messages": MESSAGES}, 503, "server_error", "upstream_unavailable"),
        ("/v1", {"model": stopped.id, "messages": MESSAGES}, 400, "invalid_request_error", "deployment_not_serving"),
        ("/v1", {"model": "ready", "messages": too_long}, 400, "invalid_request_error", "context_length_exceeded"),
        (f"/v1/deployments/{queued.id}", {"model": "ready", "messages": []}, 404, "invalid_request_error", "model_not_found"),
        ("/v1/deployments/dep_unknown", {"model": "ready", "messages": []}, 404, "invalid_request_error", "resource_not_found"),
    ]
    for prefix, body, status, kind, code in wanted:
        answer = await client.post(f"{prefix}/chat/completions", json=body)
        assert (answer.status_code, error(answer)["type"], error(answer)["code"]) == (status, kind, code), body
        assert set(error(answer)) == {"type", "code", "message", "param"}
        assert ("retry-after" in answer.headers) == (status == 503)


async def test_how_an_engine_refuses_is_passed_on_in_openais_words(
    client: httpx2.AsyncClient, server: Server, engine: Replica
) -> None:
    row = await things.serving_deployment(server, engine.url)
    for said, status, kind, code in (
        ("too many", 429, "rate_limit_exceeded", "rate_limit_exceeded"),
        ("no quota", 429, "insufficient_quota", "insufficient_quota"),
        ("broken", 500, "server_error", None),
        ("overloaded", 503, "server_error", None),
    ):
        for stream in (False, True):
            body = {"model": row.id, "messages": [{"role": "user", "content": said}], "stream": stream}
            answer = await client.post("/v1/chat/completions", json=body)
            assert (answer.status_code, error(answer)["type"], error(answer)["code"]) == (status, kind, code), said
            assert answer.headers.get("retry-after") == {429: "7", 503: "5"}.get(status)


async def test_a_deployment_that_ran_out_of_money_is_402(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    async with server.platform.db.transaction() as session:
        ended = await session.get_one(Deployment, row.id)
        assert await transitions.move(session, ended, dep.STOPPED, error="QUOTA_EXCEEDED: The account's credit is used up.")
    answer = await client.post("/v1/chat/completions", json={"model": row.id, "messages": MESSAGES})
    assert (answer.status_code, error(answer)["type"], error(answer)["code"]) == (402, *["insufficient_credit"] * 2)
    assert error(answer)["message"] == "The deployment sums was stopped: The account's credit is used up."
    assert engine.seen == []


async def test_a_body_that_is_no_json_is_400_here(client: httpx2.AsyncClient) -> None:
    for content in (b"{", b"[]", b""):
        answer = await client.post("/v1/chat/completions", content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, error(answer)["type"]) == (400, "invalid_request_error")


async def test_models_are_the_deployments_that_serve(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.serving_deployment(server, "http://127.0.0.1:9", "org/sums")
    await things.queued_deployment(server, "queued")
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Deployment, row.id)
        row.min_replicas, row.max_replicas, row.gpu_requested = 2, 5, {"type": "A100-40GB", "count": 1}
        its: dict[str, Any] = {"account_id": row.account_id, "deployment_id": row.id, "gpu_requested": row.gpu_requested}
        for status, ended_at in (("warming", None), ("failed", clock.now())):
            made = models.replica.Replica(id=ids.new("rep"), status=status, created_at=clock.now(), ended_at=ended_at, **its)
            session.add(made)
        session.add(row)
    found = (await client.get("/v1/models")).json()
    model = {
        "id": "org/sums",
        "object": "model",
        "created": int(row.created_at.timestamp()),
        "owned_by": "tenant",
        "meta": {
            "hf_model_id": "Qwen/Qwen3-4B",
            "hardware_profile": "gpu.a100",
            "min_replicas": 2,
            "max_replicas": 5,
            "healthy_replicas": 1,
            "total_replicas": 2,
        },
    }
    assert found == {"object": "list", "data": [model]}
    for path in ("/v1/models/org/sums", f"/v1/models/{row.id}", "/v1/openai/models/org/sums"):
        assert (await client.get(path)).json() == model
    assert (await client.get(f"/v1/deployments/{row.id}/models")).json() == found
    for unknown in ("queued", "none"):
        answer = await client.get(f"/v1/models/{unknown}")
        assert (answer.status_code, error(answer)["code"], error(answer)["param"]) == (404, "model_not_found", "model")


async def test_any_number_of_models_takes_as_many_statements(client: httpx2.AsyncClient, server: Server) -> None:
    counts = []
    for number in range(1, 4):
        await things.serving_deployment(server, "http://127.0.0.1:9", f"m{number}")
        with statements(server) as found:
            assert len((await client.get("/v1/models")).json()["data"]) == number
        counts.append(len([text for text in found.seen if "FROM replica" in text or "FROM deployment" in text]))
    assert counts == [2, 2, 2]


async def test_a_streamed_answer_ends_with_the_key_and_the_engine_stops(
    client: httpx2.AsyncClient, server: Server, engine: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "CHECK_S", 0.02)
    monkeypatch.setattr(keys, "LOOK_S", 0.02)
    row = await things.serving_deployment(server, engine.url)
    made = (await client.post("/v1/api_keys", json={"name": "ci", "scopes": ["inference"]})).json()
    engine.endless = True
    body = {"model": row.id, "messages": MESSAGES, "stream": True}
    async with server.client(Tenant(server.tenant.account, made["key"])) as other:
        async with other.stream("POST", "/v1/chat/completions", json=body) as answer:
            events: list[str] = []
            async for line in answer.aiter_lines():
                events += [line] if line else []
                if len(events) == 3:
                    await client.delete(f"/v1/api_keys/{made['id']}")
    assert json.loads(events[-1].removeprefix("data: "))["error"]["message"] == "Invalid API key"
    assert "data: [DONE]" not in events
    await asyncio.wait_for(engine.left.wait(), LEAVING_S)
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        [logged] = (await session.exec(select(InferenceRequest))).all()
    assert (logged.status_code, logged.client_cancelled, logged.error_message) == (401, False, "Invalid API key")


async def test_a_server_that_is_stopped_says_so_to_those_who_still_wait(settings: Settings, engine: Replica) -> None:
    async with AsyncExitStack() as running:
        app = await running.enter_async_context(serving(settings))
        platform: Platform = app.state.platform
        tenant = Tenant(*await accounts.create(platform.core, "tenant", credit_micros=100_000_000))
        server = Server(f"http://127.0.0.1:{settings.port}", app, platform, tenant, _no_other_tenant)
        row = await things.serving_deployment(server, engine.url)
        body = {"model": row.id, "messages": MESSAGES}
        async with server.client() as client:
            engine.endless = True
            async with client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as streamed:
                lines = streamed.aiter_lines()
                await anext(lines)
                engine.silent = True
                engine.asked.clear()
                asking = asyncio.create_task(client.post("/v1/chat/completions", json=body))
                await asyncio.wait_for(engine.asked.wait(), LEAVING_S)
                stopping = asyncio.create_task(running.aclose())
                events = [line async for line in lines if line]
            whole = await asking
            await stopping
    stopped = {"type": "server_error", "code": "upstream_unavailable", "message": "This server is being stopped. Try again."}
    assert json.loads(events[-1].removeprefix("data: "))["error"] == {**stopped, "param": None}
    assert (whole.status_code, whole.json()["error"]) == (503, {**stopped, "param": None})
    assert whole.headers["retry-after"] == "5" and whole.headers["x-request-id"]


async def _no_other_tenant(slug: str, credit_usd: str = "100") -> Tenant:
    raise NotImplementedError

"""Completions named by a header, bounded in time, or asked for now and fetched later."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from burnish.kit import clock, ids
from engines import retention
from models import async_completion as later
from models.async_completion import AsyncCompletion
from models.deployment import Deployment
from resolvers import answering
from rest_compat.openai import asynchronous
from tests.conftest import Server
from tests.rest_compat import replica, things
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio
MESSAGES = [{"role": "user", "content": "2+2?"}]
CHAT = "/v1/chat/completions"
LATER = {"X-Async": "true"}
SOON_S = 10


@pytest.fixture
async def engine() -> AsyncIterator[Replica]:
    async with replica.running() as made:
        yield made


async def asked(client: httpx2.AsyncClient, row: Deployment, path: str = CHAT, **body: Any) -> str:
    headers = {**LATER, "X-Deployment-ID": row.id}
    answer = await client.post(path, json={"messages": MESSAGES, **body}, headers=headers)
    assert answer.status_code == 202, answer.text
    assert list(answer.json()) == ["request_id"]
    return str(answer.json()["request_id"])


async def state(client: httpx2.AsyncClient, request_id: str) -> dict[str, Any]:
    answer = await client.get(f"{CHAT}/{request_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def ended(client: httpx2.AsyncClient, request_id: str) -> dict[str, Any]:
    async with asyncio.timeout(SOON_S):
        while (found := await state(client, request_id))["status"] == "pending":
            await asyncio.sleep(0.01)
    return found


async def written(server: Server, row: Deployment, **values: Any) -> AsyncCompletion:
    """Write a completion as a process that died leaves it behind."""
    now = clock.now()
    given: dict[str, Any] = {"created_at": now, "deadline_at": now + timedelta(seconds=60)}
    made = AsyncCompletion(id=ids.new("areq"), account_id=row.account_id, deployment_id=row.id, **{**given, **values})
    async with server.platform.db.transaction() as session:
        session.add(made)
    return made


async def test_a_header_names_the_deployment(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    headers = {"X-Deployment-ID": row.id}
    for model in ({}, {"model": row.id}, {"model": row.name}, {"model": row.model}):
        answer = await client.post(CHAT, json={**model, "messages": MESSAGES}, headers=headers)
        assert (answer.status_code, answer.json()["model"]) == (200, row.name)
    other = await client.post(CHAT, json={"model": "other", "messages": MESSAGES}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    unknown = await client.post(CHAT, json={"messages": MESSAGES}, headers={"X-Deployment-ID": "dep_unknown"})
    assert unknown.status_code == 404
    path = f"/v1/deployments/{row.id}/chat/completions"
    against = await client.post(path, json={"messages": MESSAGES}, headers={"X-Deployment-ID": "dep_other"})
    assert (against.status_code, against.json()["error"]["param"]) == (400, "X-Deployment-ID")
    assert len(engine.seen) == 4


async def test_an_answer_is_fetched_later(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    found = await ended(client, await asked(client, row, temperature=0.5))
    assert (found["status"], found["error"]) == ("completed", None)
    assert found["result"]["choices"][0]["message"]["content"] == "four it is"
    assert found["result"]["usage"] == replica.USAGE
    assert engine.seen == [{"messages": MESSAGES, "temperature": 0.5, "model": row.name}]
    await server.platform.gateway.flush()
    (logged,) = (await client.get(f"/v1/deployments/{row.id}/requests")).json()["data"]
    assert (logged["status_code"], logged["completion_tokens"], logged["client_cancelled"]) == (200, 2, False)


async def test_texts_are_fetched_in_the_same_way(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    answer = await client.post("/v1/completions", json={"model": row.name, "prompt": "2+2="}, headers=LATER)
    found = await ended(client, answer.json()["request_id"])
    assert found["result"]["choices"][0]["text"] == "four"


async def test_what_the_engine_refuses_is_failed(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    found = await ended(client, await asked(client, row, messages=[{"role": "user", "content": "too long"}]))
    assert (found["status"], found["result"]) == ("failed", None)
    assert found["error"].startswith("This model's maximum context length is 2048 tokens.")


async def test_a_deployment_that_is_not_ready_is_failed_too(client: httpx2.AsyncClient, server: Server) -> None:
    server.platform.core.settings.hold_s = 0.0
    row = await things.serving_deployment(server, "http://127.0.0.1:9")
    found = await ended(client, await asked(client, row))
    assert (found["status"], found["result"]) == ("failed", None)
    assert "no replica is ready" in found["error"]


async def test_what_can_be_refused_at_once_is(client: httpx2.AsyncClient, server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    stopped = await things.queued_deployment(server, "stopped")
    await client.post(f"/v1/deployments/{stopped.id}/stop")
    before = await things.everything(server)
    wanted: list[tuple[dict[str, Any], dict[str, str], int, str | None]] = [
        ({"model": row.id, "stream": True}, {}, 400, "stream"),
        ({"model": "unknown"}, {}, 404, "model"),
        ({"model": stopped.id}, {}, 400, "model"),
        ({}, {}, 400, "model"),
        ({"model": row.id}, {"X-Async": "soon"}, 400, "X-Async"),
        *(({"model": row.id}, {"X-Timeout-S": text}, 400, "X-Timeout-S") for text in ("9", "61", "1e1", "-10", "ten", "")),
    ]
    for body, headers, status, param in wanted:
        answer = await client.post(CHAT, json={"messages": MESSAGES, **body}, headers={**LATER, **headers})
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param), (body, headers)
    assert await things.everything(server) == before
    assert engine.seen == []


async def test_only_whoever_asked_may_fetch(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server, engine: Replica
) -> None:
    row = await things.serving_deployment(server, engine.url)
    request_id = await asked(client, row)
    await ended(client, request_id)
    for other in (request_id, "areq_unknown"):
        answer = await stranger.get(f"{CHAT}/{other}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_not_found")


async def test_one_that_its_process_left_behind_fails_in_time(client: httpx2.AsyncClient, server: Server) -> None:
    row, now = await things.queued_deployment(server), clock.now()
    waiting = await written(server, row)
    assert await state(client, waiting.id) == {"status": "pending", "result": None, "error": None}
    lost = await written(server, row, created_at=now - timedelta(seconds=90), deadline_at=now - timedelta(seconds=30))
    assert await state(client, lost.id) == {"status": "failed", "result": None, "error": "It was not answered in time."}


async def test_answers_are_kept_for_a_day(client: httpx2.AsyncClient, server: Server) -> None:
    row, now = await things.queued_deployment(server), clock.now()
    fresh = await written(server, row, status=later.COMPLETED, result='{"a": 1}', created_at=now - timedelta(hours=23))
    old = await written(server, row, status=later.COMPLETED, result="{}", created_at=now - timedelta(hours=24, seconds=1))
    assert (await client.get(f"{CHAT}/{old.id}")).status_code == 404
    assert await retention.trim_answers(server.platform.core) == 1
    assert await retention.trim_answers(server.platform.core) == 0
    assert await state(client, fresh.id) == {"status": "completed", "result": {"a": 1}, "error": None}


async def test_answers_go_with_their_deployment(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.queued_deployment(server)
    its = await written(server, row, status=later.COMPLETED, result="{}")
    await client.post(f"/v1/deployments/{row.id}/stop")
    assert (await client.get(f"{CHAT}/{its.id}")).status_code == 200
    assert (await client.delete(f"/v1/deployments/{row.id}")).status_code == 200
    assert (await client.get(f"{CHAT}/{its.id}")).status_code == 404


async def test_so_many_are_under_way_at_once(
    client: httpx2.AsyncClient, server: Server, engine: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "AT_ONCE_OF_ACCOUNT", 1)
    row = await things.serving_deployment(server, engine.url)
    engine.silent = True
    first = await asked(client, row)
    await asyncio.wait_for(engine.asked.wait(), SOON_S)
    before = await things.everything(server)
    answer = await client.post(CHAT, json={"model": row.id, "messages": MESSAGES}, headers=LATER)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
    assert await things.everything(server) == before
    # A process that stops cuts it off, and the place is free again.
    await server.platform.answering.close()
    found = await state(client, first)
    assert found == {"status": "failed", "result": None, "error": "The process that worked on it was stopped."}
    engine.silent = False
    assert (await ended(client, await asked(client, row)))["status"] == "completed"


async def test_a_deadline_ends_what_takes_longer(
    client: httpx2.AsyncClient, server: Server, engine: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asynchronous, "SHORTEST_S", 1)
    row = await things.serving_deployment(server, engine.url)
    engine.silent = True
    asking = client.post(CHAT, json={"model": row.id, "messages": MESSAGES}, headers={"X-Timeout-S": "1"})
    request_id = (
        await client.post(CHAT, json={"model": row.id, "messages": MESSAGES}, headers={**LATER, "X-Timeout-S": "1"})
    ).json()["request_id"]
    answer = await asking
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timeout")
    await asyncio.wait_for(engine.left.wait(), SOON_S)
    found = await ended(client, request_id)
    assert found == {"status": "failed", "result": None, "error": "There was no answer within 1 s."}

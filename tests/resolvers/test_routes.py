"""Where completions go: remembered for a moment, and never longer than what is remembered is true."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlmodel import select

from engines.serving import addressing, replica_run
from models.deployment import Deployment
from models.replica import Replica as Row
from resolvers import deployments, routes
from tests.conftest import Server
from tests.rest_compat import replica, things
from tests.rest_compat.replica import Replica
from tests.rest_compat.test_rate_limits import Statements, statements

pytestmark = pytest.mark.anyio
REFRESH_S = routes.REFRESH_S
CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "2+2?"}]


@pytest.fixture
async def engine() -> AsyncIterator[Replica]:
    async with replica.running() as made:
        yield made


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read again by itself."""
    monkeypatch.setattr(routes, "REFRESH_S", 3600.0)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time does not pass for what is remembered."""
    monkeypatch.setattr(routes, "monotonic", lambda: 1000.0)


async def chat(client: httpx2.AsyncClient, model: str, path: str = CHAT) -> tuple[int, str | None]:
    answer = await client.post(path, json={"model": model, "messages": MESSAGES})
    return answer.status_code, None if answer.status_code == 200 else answer.json()["error"]["code"]


def looks(found: Statements) -> list[str]:
    return [text for text in found.seen if "FROM deployment" in text or "FROM replica" in text]


@pytest.mark.usefixtures("still")
async def test_a_route_is_looked_up_once_for_each_way_to_say_it(server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    ways = [(row.id, CHAT), (row.name, CHAT), (f"deploy_id:{row.id}", CHAT), (f"tenant/{row.name}", CHAT)]
    ways += [(row.model, f"/v1/deployments/{row.id}/chat/completions")]
    async with server.client() as client:
        for way in ways:
            assert await chat(client, *way) == (200, None)
        with statements(server) as found:
            for way in ways:
                assert await chat(client, *way) == (200, None)
        assert looks(found) == []
    assert len(server.platform.gateway.routes._routes) == 1


@pytest.mark.usefixtures("still")
async def test_the_same_words_mean_each_account_its_own_deployment(server: Server, engine: Replica) -> None:
    other = await server.new_tenant("other")
    await things.serving_deployment(server, engine.url, "sums")
    async with server.client() as mine, server.client(other) as theirs:
        assert await chat(mine, "sums") == (200, None)
        assert await chat(theirs, "sums") == (404, "model_not_found")
        assert await chat(theirs, "sums") == (404, "model_not_found")
        await things.serving_deployment(server, engine.url, "sums", other)
        assert await chat(theirs, "sums") == (200, None)
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        rows = (await session.exec(select(Deployment).order_by(Deployment.account_id))).all()
    assert sorted((row.account_id == other.account.id, row.total_requests) for row in rows) == [(False, 1), (True, 1)]


@pytest.mark.usefixtures("still")
async def test_what_its_owner_does_holds_from_the_next_request_on(server: Server, engine: Replica) -> None:
    row = await things.serving_deployment(server, engine.url)
    async with server.client() as client:
        assert await chat(client, row.name) == (200, None)
        await client.post(f"/v1/deployments/{row.id}/pause")
        assert await chat(client, row.name) == (400, "deployment_not_serving")
        await deployments.stop(await server.context(), row.id)
        assert await chat(client, row.id) == (400, "deployment_not_serving")
        assert await chat(client, row.name) == (404, "model_not_found")


@pytest.mark.usefixtures("still")
async def test_a_name_that_is_given_again_means_the_new_deployment(server: Server, engine: Replica) -> None:
    first = await things.serving_deployment(server, "http://127.0.0.1:9", "sums")
    async with server.client() as client:
        await server.platform.gateway.routes.find(await server.context(), "sums", None)
        await deployments.stop(await server.context(), first.id)
        second = await things.serving_deployment(server, engine.url, "sums")
        assert await chat(client, "sums") == (200, None)
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        assert (await session.get_one(Deployment, second.id)).total_requests == 1


async def test_a_replica_that_left_the_routing_behind_our_back_is_asked_no_more_once_it_is_old(
    server: Server, engine: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(routes, "monotonic", lambda: now)
    row = await things.serving_deployment(server, engine.url)
    async with replica.running() as second, server.client() as client:
        assert await chat(client, row.name) == (200, None)
        async with server.platform.db.transaction() as session:
            its = (await session.exec(select(Row).where(Row.deployment_id == row.id))).one()
            its.url = second.url
            session.add(its)
        assert (await chat(client, row.name), len(engine.seen), len(second.seen)) == ((200, None), 2, 0)
        now += routes.FRESH_S
        assert (await chat(client, row.name), len(engine.seen), len(second.seen)) == ((200, None), 2, 1)


async def test_what_is_used_is_read_again_and_what_is_not_is_forgotten(server: Server, engine: Replica) -> None:
    found = server.platform.gateway.routes
    rows = [await things.serving_deployment(server, engine.url, name) for name in ("a", "b", "c")]
    async with server.client() as client:
        for row in rows:
            assert await chat(client, row.name) == (200, None)
        with statements(server) as seen:
            await found.refresh()
        # However many are in use.
        assert len(looks(seen)) == 1
        assert await chat(client, "a") == (200, None)
        await found.refresh()
    assert list(found._routes) == [rows[0].id]
    assert {words[2] for words in found._meant} == {"a"}
    await found.refresh()
    await found.refresh()
    assert (found._routes, found._meant) == ({}, {})


async def test_what_was_read_before_a_change_is_not_taken_for_what_is_after_it(
    server: Server, engine: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await things.serving_deployment(server, engine.url)
    found, ctx = server.platform.gateway.routes, await server.context()
    words = (ctx.account.id, None, row.name)
    await found.find(ctx, row.name, None)
    assert found.get(words) is not None
    reading, go_on = asyncio.Event(), asyncio.Event()
    running = addressing.running

    async def slowly(*args: Any) -> Any:
        reading.set()
        await go_on.wait()
        return await running(*args)

    monkeypatch.setattr(addressing, "running", slowly)
    finding = asyncio.create_task(found.find(ctx, row.name, None))
    await reading.wait()
    found.changed(row.id)
    go_on.set()
    await finding
    assert found.get(words) is None


async def test_what_happens_to_others_makes_nobody_look_again(
    server: Server, engine: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await things.serving_deployment(server, engine.url)
    found, ctx = server.platform.gateway.routes, await server.context()
    running = addressing.running

    async def meanwhile(*args: Any) -> Any:
        found.changed("job_01kaj5")
        return await running(*args)

    monkeypatch.setattr(addressing, "running", meanwhile)
    await found.find(ctx, row.name, None)
    assert found.get((ctx.account.id, None, row.name)) is not None


async def test_a_deployment_that_a_name_fits_better_gets_its_requests(
    server: Server, engine: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, refresh, words = 1000.0, server.platform.gateway.routes.refresh, "tenant/sums"
    monkeypatch.setattr(routes, "monotonic", lambda: now)
    await things.serving_deployment(server, engine.url, "sums")
    await refresh()
    async with server.client() as client:
        assert await chat(client, words) == (200, None)
        second = await things.serving_deployment(server, engine.url, words)
        now += 5.0
        await refresh()
        assert await chat(client, words) == (200, None)
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        assert (await session.get_one(Deployment, second.id)).total_requests == 1


def test_nothing_is_remembered_for_as_long_as_a_replica_that_leaves_goes_on() -> None:
    assert REFRESH_S < routes.FRESH_S < replica_run.SETTLE_S

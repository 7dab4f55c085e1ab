"""One rate for a key over REST and GraphQL together, told in headers; strangers have theirs by address, and guess no further."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from sqlalchemy import event

from burnish.kit import clock
from tests.conftest import Server
from tests.rest_compat import described, things
from tests.rest_compat.replica import Replica, running

pytestmark = pytest.mark.anyio


@pytest.fixture
def limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Sets limits of the running server; a minute that does not pass."""
    monkeypatch.setattr(server.platform.core.limiter, "_clock", lambda: 1000.0)
    return monkeypatch


@pytest.fixture
async def stranger(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=server.url, verify=False) as made:
        made.event_hooks = {"response": [described.check]}
        yield made


@dataclass
class Statements:
    seen: list[str] = field(default_factory=list)


@contextmanager
def statements(server: Server) -> Iterator[Statements]:
    """Note what the server asks its database."""
    found = Statements()
    engine = server.platform.db.engine.sync_engine

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        found.seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def headers(answer: httpx2.Response) -> tuple[str, ...]:
    return tuple(answer.headers.get(f"x-ratelimit-{name}", "") for name in ("limit", "remaining", "reset"))


async def test_every_answer_says_what_is_left(client: httpx2.AsyncClient, server: Server, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(server.platform.core.settings, "requests_per_minute", 60)
    assert headers(await client.get("/v1/me")) == ("60", "59", "1")
    assert headers(await client.get("/v1/datasets/ds_unknown")) == ("60", "58", "2")
    assert headers(await client.post("/v1/api_keys", content=b"not json")) == ("60", "57", "3")
    models = await client.get("/v1/models")
    assert headers(models) == ("60", "56", "4")
    # OpenAI's clients read them so.
    assert [models.headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining", "reset")] == ["60", "56", "4s"]


async def test_beyond_the_rate_nothing_is_done(client: httpx2.AsyncClient, server: Server, limit: pytest.MonkeyPatch) -> None:
    await client.get("/v1/me")
    limit.setattr(server.platform.core.settings, "requests_per_minute", 2)
    assert [(await client.get("/v1/me")).status_code for _ in range(2)] == [200, 200]
    before = await things.everything(server)
    answer = await client.post("/v1/api_keys", json={"name": "more"})
    assert (answer.status_code, answer.headers["retry-after"], headers(answer)) == (429, "30", ("2", "0", "60"))
    error = {"type": "rate_limit_error", "code": "RATE_LIMITED", "param": None}
    assert answer.json()["error"] == {**error, "message": "Too many requests: this caller has used up its share."}
    models = await client.get("/v1/models")
    assert (models.status_code, models.json()["error"]["type"]) == (429, "rate_limit_exceeded")
    assert await things.everything(server) == before


async def test_rest_and_graphql_take_from_the_same_bucket(
    client: httpx2.AsyncClient, server: Server, limit: pytest.MonkeyPatch
) -> None:
    limit.setattr(server.platform.core.settings, "requests_per_minute", 3)
    ask = {"query": "{ __typename }"}
    assert (await client.get("/v1/me")).status_code == (await client.post("/graphql", json=ask)).status_code == 200
    assert headers(await client.get("/v1/me")) == ("3", "0", "60")
    assert (await client.post("/graphql", json=ask)).status_code == 429
    limit.setattr(server.platform.core.settings, "requests_per_minute", 0)
    answer = await client.post("/graphql", json={"query": "{ rateLimit { used } }"})
    # A point for each of the three requests that REST answered, and what the operation itself costs.
    assert answer.json()["data"]["rateLimit"]["used"] >= 3


async def test_without_a_limit_nothing_is_told(client: httpx2.AsyncClient, server: Server, limit: pytest.MonkeyPatch) -> None:
    limit.setattr(server.platform.core.settings, "requests_per_minute", 0)
    limit.setattr(server.platform.core.settings, "points_per_minute", 0)
    assert headers(await client.get("/v1/me")) == ("", "", "")


async def test_inference_counts_towards_no_rate(client: httpx2.AsyncClient, server: Server, limit: pytest.MonkeyPatch) -> None:
    async with running() as engine:
        engine_of: Replica = engine
        row = await things.serving_deployment(server, engine_of.url)
        limit.setattr(server.platform.core.settings, "requests_per_minute", 1)
        body = {"model": row.id, "messages": [{"role": "user", "content": "hi"}]}
        for _ in range(3):
            answer = await client.post("/v1/chat/completions", json=body)
            assert (answer.status_code, headers(answer)) == (200, ("", "", ""))


async def test_strangers_are_limited_by_address_without_the_database(
    server: Server, stranger: httpx2.AsyncClient, limit: pytest.MonkeyPatch
) -> None:
    limit.setattr(server.platform.core.settings, "requests_per_minute", 20)
    with statements(server) as asked:
        answers = [await stranger.get("/v1/me") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
    assert headers(answers[2]) == ("2", "0", "60")
    assert asked.seen == []
    async with server.client() as client:
        assert (await client.get("/v1/me")).status_code == 200


async def test_guessed_keys_are_soon_not_looked_up(
    server: Server, stranger: httpx2.AsyncClient, limit: pytest.MonkeyPatch
) -> None:
    limit.setattr(server.platform.core.settings, "requests_per_minute", 20)
    async with server.client() as client:
        assert (await client.get("/v1/me")).status_code == 200
        with statements(server) as asked:
            for number in range(2):
                assert (await stranger.get("/v1/me", headers={"xi-api-key": f"vk_{number}"})).status_code == 401
        assert len([text for text in asked.seen if "api_key" in text]) == 2
        with statements(server) as asked:
            for number in range(5):
                guess = {"Authorization": f"Bearer vk_guess{number}"}
                assert (await stranger.get("/v1/me", headers=guess)).status_code == 429
                answer = await stranger.post("/graphql", json={"query": "{ viewer { account { id } } }"}, headers=guess)
                assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (429, "RATE_LIMITED")
        assert asked.seen == []
        # Who was good before is not shut out by others of the address, also once their key must be looked up again.
        later = clock.now_micros() + 5_000_000
        limit.setattr(clock, "now_micros", lambda: later)
        assert (await client.get("/v1/me")).status_code == 200


async def test_a_burst_of_many_is_counted_to_the_last(
    client: httpx2.AsyncClient, server: Server, limit: pytest.MonkeyPatch
) -> None:
    limit.setattr(server.platform.core.settings, "requests_per_minute", 30)
    answers = await asyncio.gather(*(client.get("/v1/me") for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 30 + [429] * 20

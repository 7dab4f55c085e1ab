"""Automatic persisted queries: the text is sent once, then its hash."""

import hashlib
import json
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from schema import admission, persisted
from schema.persisted import PREFIX, PersistedQueries
from tests.kit.conftest import Broker, broker
from tests.schema.conftest import Api, Sockets

pytestmark = pytest.mark.anyio
__all__ = ["broker"]
SLUG = "{ viewer { account { slug } } }"
DATA = {"viewer": {"account": {"slug": "tenant"}}}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def asked(text: str) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}}}


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "PERSISTED", PersistedQueries())


def missed(response: httpx2.Response) -> None:
    assert response.status_code == 200
    assert response.json() == {
        "errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]
    }


async def test_a_text_that_was_sent_once_is_known_by_its_hash(api: Api) -> None:
    missed(await api.post(asked(SLUG)))
    assert (await api.post({"query": SLUG} | asked(SLUG))).json()["data"] == DATA
    assert (await api.post(asked(SLUG))).json()["data"] == DATA
    async with api.server.client(api.tenant) as client:
        by_get = await client.get("/graphql", params={"extensions": json.dumps(asked(SLUG)["extensions"])})
    assert by_get.json()["data"] == DATA


async def test_a_hash_comes_with_variables_and_a_name(api: Api) -> None:
    text = "query A($first: Int!) { jobs(first: $first) { nodes { id } } } query B { __typename }"
    await api.post({"query": text, "operationName": "B"} | asked(text))
    answer = await api.post(asked(text) | {"operationName": "A", "variables": {"first": 0}})
    assert answer.json()["errors"][0]["message"] == "first is 1 to 100."


async def test_a_miss_is_an_ordinary_answer_in_either_media_type(api: Api) -> None:
    missed(await api.post(asked(SLUG), headers={"accept": "application/graphql-response+json"}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"version": 2, "sha256Hash": sha256(SLUG)}, "Only version 1 of persistedQuery is known here."),
        ("hash", "Only version 1 of persistedQuery is known here."),
        ({"version": 1, "sha256Hash": "00"}, "persistedQuery.sha256Hash is 64 hexadecimal digits."),
        ({"version": 1}, "persistedQuery.sha256Hash is 64 hexadecimal digits."),
        ({"version": 1, "sha256Hash": sha256("other")}, "persistedQuery.sha256Hash is not the hash of this query."),
    ],
)
async def test_a_wrong_hash_is_refused_and_nothing_kept(api: Api, given: Any, message: str) -> None:
    refused = await api.post({"query": SLUG, "extensions": {"persistedQuery": given}})
    assert refused.json() == {"errors": [{"message": message, "extensions": {"code": "BAD_REQUEST"}}]}
    missed(await api.post(asked(SLUG)))
    missed(await api.post(asked("other")))


async def test_only_what_may_run_is_kept(api: Api) -> None:
    for text in ("{ viewer", "{ nothing }", "{ jobs(first: 100) { nodes { logs(first: 1000) { nodes { message } } } } }"):
        assert (await api.post({"query": text} | asked(text))).json()["errors"]
        missed(await api.post(asked(text)))


async def test_each_account_has_its_own_and_a_stranger_none(api: Api) -> None:
    await api.post({"query": "{ __typename }"} | asked("{ __typename }"))
    missed(await Api(api.server, await api.server.new_tenant("other")).post(asked("{ __typename }")))
    async with api.server.client() as client:
        client.headers.pop("authorization")
        missed(await client.post("/graphql", json=asked("{ __typename }")))
        sent = await client.post("/graphql", json={"query": "{ a: __typename }"} | asked("{ a: __typename }"))
        assert sent.json()["data"] == {"a": "Query"}
        missed(await client.post("/graphql", json=asked("{ a: __typename }")))
    missed(await api.post(asked("{ a: __typename }")))


async def test_a_socket_may_send_a_hash(api: Api, sockets: Sockets) -> None:
    await api.post({"query": SLUG} | asked(SLUG))
    async with sockets() as live:
        known, unknown = [await live.ask(asked(text)) for text in (SLUG, "{ __typename }")]
        assert (await known.next())["payload"]["data"] == DATA
        assert (await unknown.next())["payload"][0]["extensions"] == {"code": "PERSISTED_QUERY_NOT_FOUND"}


@pytest.fixture
async def redis(broker: Broker) -> AsyncIterator[Redis]:
    client = Redis.from_url(broker.url)
    yield client
    await client.aclose()


async def test_another_process_knows_it_too(redis: Redis) -> None:
    await PersistedQueries().add(redis, "acct_1", sha256(SLUG), SLUG)
    assert await PersistedQueries().find(redis, "acct_1", sha256(SLUG)) == SLUG
    assert await PersistedQueries().find(redis, "acct_2", sha256(SLUG)) is None
    assert 0 < await redis.ttl(PREFIX + "acct_1") <= persisted.KEPT.total_seconds()


async def test_an_account_cannot_fill_the_memory(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persisted, "MAX_TEXTS", 3)
    monkeypatch.setattr(persisted, "MAX_LOCAL", 20)
    queries = PersistedQueries()
    for index in range(4):
        await queries.add(redis, "acct_1", sha256(str(index)), f"{index:10}")
    assert await redis.exists(PREFIX + "acct_1") == 0
    found = [await queries.find(redis, "acct_1", sha256(str(index))) for index in range(4)]
    assert [text is not None for text in found] == [False, False, True, True]


async def test_with_redis_away_the_process_still_knows_its_own(broker: Broker, redis: Redis) -> None:
    broker.kill()
    queries = PersistedQueries()
    await queries.add(redis, "acct_1", sha256(SLUG), SLUG)
    assert await queries.find(redis, "acct_1", sha256(SLUG)) == SLUG
    assert await PersistedQueries().find(redis, "acct_1", sha256(SLUG)) is None


async def test_a_redis_that_hangs_holds_nothing_up(broker: Broker, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persisted, "REDIS_S", 0.01)
    broker.send(signal.SIGSTOP)
    assert await PersistedQueries().find(redis, "acct_1", sha256(SLUG)) is None

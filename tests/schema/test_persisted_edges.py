"""What a process keeps of persisted queries is counted as it is, however many ask for it at once."""

import asyncio

import pytest
from redis.asyncio import Redis

from schema import persisted
from schema.persisted import PersistedQueries
from tests.kit.conftest import Broker, broker
from tests.schema.test_persisted import SLUG, redis, sha256

pytestmark = pytest.mark.anyio
__all__ = ["broker", "redis"]


async def test_concurrent_finds_count_a_text_once(broker: Broker, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persisted, "MAX_LOCAL", 2 * len(SLUG))
    await PersistedQueries().add(redis, "acct_1", sha256(SLUG), SLUG)
    queries = PersistedQueries()
    found = await asyncio.gather(*(queries.find(redis, "acct_1", sha256(SLUG)) for _ in range(3)))
    assert found == [SLUG] * 3
    # There is room for two of them: with nobody else to ask, it is still known, and so is another.
    broker.kill()
    other = "x" * len(SLUG)
    await queries.add(redis, "acct_1", sha256(other), other)
    assert [await queries.find(redis, "acct_1", sha256(text)) for text in (SLUG, other)] == [SLUG, other]

"""A bucket that was given up is owed to nobody: what waits for Redis is bounded by the buckets that are kept."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from burnish.kit import limits
from burnish.kit.limits import Limiter

pytestmark = pytest.mark.anyio
PER_MINUTE = 60


@pytest.fixture
async def limiter(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Limiter]:
    """A limiter without a Redis that keeps three buckets."""
    monkeypatch.setattr(limits, "MAX_BUCKETS", 3)
    redis = Redis.from_url("unix:///nonexistent/broker.sock")
    made = Limiter(redis, lambda: 1000.0)
    yield made
    await made.close()
    await redis.aclose()


async def test_what_is_evicted_is_not_kept_to_be_shared(limiter: Limiter) -> None:
    for name in "abcde":
        limiter.take(name, PER_MINUTE)
    assert list(limiter._unshared) == ["c", "d", "e"]
    await limiter.share()
    assert list(limiter._unshared) == ["c", "d", "e"]


async def test_what_is_evicted_while_redis_is_told_is_not_kept_either(limiter: Limiter, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        limiter.take(name, PER_MINUTE, 5)

    async def tell(taken: object) -> list[bytes]:
        limiter.look("d", PER_MINUTE)
        limiter.look("a", PER_MINUTE)
        raise ConnectionResetError

    monkeypatch.setattr(limiter, "_tell", tell)
    await limiter.share()
    # "a" went first and came back as another bucket, for which "b" went.
    assert list(limiter._unshared) == ["c"]
    assert limiter.look("c", PER_MINUTE).remaining == 55

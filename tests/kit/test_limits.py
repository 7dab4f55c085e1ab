"""Token buckets: what a process gives, and what several give together."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from burnish.kit import limits
from burnish.kit.errors import RateLimited
from burnish.kit.limits import Limiter, Standing
from tests.kit.conftest import Broker

pytestmark = pytest.mark.anyio
NOWHERE = "unix:///nonexistent/broker.sock"
PER_MINUTE = 60


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def limiter(clock: Clock) -> AsyncIterator[Limiter]:
    """A limiter of a process that has no Redis."""
    redis = Redis.from_url(NOWHERE)
    made = Limiter(redis, clock)
    yield made
    await made.close()
    await redis.aclose()


async def test_a_minute_may_be_taken_at_once_and_comes_back_evenly(limiter: Limiter, clock: Clock) -> None:
    assert limiter.take("a", PER_MINUTE, 50) == Standing(60, 10, 50.0)
    clock.now += 5
    assert limiter.take("a", PER_MINUTE, 15) == Standing(60, 0, 60.0)
    clock.now += 90
    assert limiter.look("a", PER_MINUTE) == Standing(60, 60, 0.0)


async def test_what_is_not_there_is_refused_and_not_taken(limiter: Limiter, clock: Clock) -> None:
    limiter.take("a", PER_MINUTE, 58)
    with pytest.raises(RateLimited) as refused:
        limiter.take("a", PER_MINUTE, 10)
    assert refused.value.retry_after_s == 8
    assert limiter.look("a", PER_MINUTE).remaining == 2
    clock.now += 8
    assert limiter.take("a", PER_MINUTE, 10).remaining == 0


async def test_what_is_given_back_is_there_again_and_never_more(limiter: Limiter, clock: Clock) -> None:
    limiter.take("a", PER_MINUTE, 3)
    assert limiter.give_back("a", PER_MINUTE).remaining == 58
    clock.now += 2
    assert limiter.give_back("a", PER_MINUTE) == Standing(60, 60, 0.0)


async def test_buckets_are_apart(limiter: Limiter) -> None:
    limiter.take("a", PER_MINUTE, 60)
    assert limiter.take("b", PER_MINUTE, 1).remaining == 59


async def test_more_than_a_bucket_needs_a_full_one(limiter: Limiter, clock: Clock) -> None:
    limiter.take("a", PER_MINUTE, 1)
    with pytest.raises(RateLimited):
        limiter.take("a", PER_MINUTE, 100)
    clock.now += 1
    assert limiter.take("a", PER_MINUTE, 100) == Standing(60, 0, 100.0)


async def test_a_charge_is_taken_even_where_it_is_not_there_but_a_minute_of_debt_is_the_most(limiter: Limiter) -> None:
    assert limiter.charge("a", PER_MINUTE, 1_000_000) == Standing(60, 0, 120.0)
    with pytest.raises(RateLimited) as refused:
        limiter.take("a", PER_MINUTE, 0.0)
    assert refused.value.retry_after_s == 60


async def test_a_changed_limit_holds_at_once(limiter: Limiter) -> None:
    limiter.take("a", 600, 100)
    assert limiter.look("a", PER_MINUTE) == Standing(60, 60, 0.0)


async def test_the_least_used_buckets_are_forgotten(limiter: Limiter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BUCKETS", 2)
    for name in ("a", "b", "a", "c"):
        limiter.take(name, PER_MINUTE)
    assert [limiter.look(name, PER_MINUTE).remaining for name in ("a", "c")] == [58, 59]
    assert limiter.look("b", PER_MINUTE).remaining == 60


@pytest.fixture
async def processes(broker: Broker, clock: Clock) -> AsyncIterator[tuple[Limiter, Limiter]]:
    """The limiters of two processes with one Redis."""
    clients = [Redis.from_url(broker.url) for _ in range(2)]
    made = (Limiter(clients[0], clock), Limiter(clients[1], clock))
    yield made
    for limiter, client in zip(made, clients, strict=True):
        await limiter.close()
        await client.aclose()


async def test_processes_share_what_was_taken(processes: tuple[Limiter, Limiter]) -> None:
    one, two = processes
    one.take("a", 6000, 4000)
    two.take("a", 6000, 1500)
    await one.share()
    await two.share()
    # The bucket fills by 100 a second meanwhile.
    assert 500 <= two.look("a", 6000).remaining < 1500
    with pytest.raises(RateLimited):
        two.take("a", 6000, 1600)
    assert one.look("a", 6000).remaining == 2000
    one.take("a", 6000, 1)
    await one.share()
    assert 499 <= one.look("a", 6000).remaining < 1500


async def test_taking_tells_the_others_by_itself(processes: tuple[Limiter, Limiter], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SHARE_S", 0.0)
    one, two = processes
    one.take("a", 6000, 4000)
    assert one._sharing is not None
    await asyncio.wait_for(one._sharing, 10)
    two.charge("a", 6000, 0)
    await two.share()
    assert 2000 <= two.look("a", 6000).remaining < 3000


async def test_what_is_taken_on_the_way_counts(processes: tuple[Limiter, Limiter]) -> None:
    one, _ = processes
    one.take("a", 6000, 4000)
    sharing = asyncio.create_task(one.share())
    await asyncio.sleep(0)
    one.take("a", 6000, 500)
    await sharing
    assert 1500 <= one.look("a", 6000).remaining < 2000


async def test_with_redis_away_a_process_goes_on_alone_and_tells_it_later(broker: Broker, clock: Clock) -> None:
    redis = Redis.from_url(broker.url)
    limiter, other = Limiter(redis, clock), Limiter(redis, clock)
    broker.kill()
    limiter.take("a", 6000, 4000)
    await limiter.share()
    assert limiter.take("a", 6000, 1000).remaining == 1000
    with pytest.raises(RateLimited):
        limiter.take("a", 6000, 1001)
    broker.start()
    await limiter.share()
    other.charge("a", 6000, 0)
    await other.share()
    assert 1000 <= other.look("a", 6000).remaining < 2000
    for made in (limiter, other):
        await made.close()
    await redis.aclose()


async def test_what_has_come_back_while_redis_was_away_is_not_owed(broker: Broker, clock: Clock) -> None:
    redis = Redis.from_url(broker.url)
    limiter = Limiter(redis, clock)
    broker.kill()
    for _ in range(5):
        limiter.take("a", PER_MINUTE, 60)
        await limiter.share()
        clock.now += 60
    broker.start()
    await limiter.share()
    assert limiter.look("a", PER_MINUTE) == Standing(60, 60, 0.0)
    await limiter.close()
    await redis.aclose()


async def test_a_longer_debt_is_paid_back_in_full_and_an_hour_is_the_most(limiter: Limiter, clock: Clock) -> None:
    assert limiter.charge("a", PER_MINUTE, 60 + 600, debt_minutes=60) == Standing(60, 0, 660.0)
    with pytest.raises(RateLimited) as refused:
        limiter.require("a", PER_MINUTE)
    assert refused.value.retry_after_s == 601
    clock.now += 601
    limiter.require("a", PER_MINUTE)
    assert limiter.charge("a", PER_MINUTE, 1_000_000, debt_minutes=60) == Standing(60, 0, 3660.0)


async def test_processes_owe_together(processes: tuple[Limiter, Limiter]) -> None:
    one, two = processes
    for limiter in processes:
        limiter.charge("a", 6, 50, debt_minutes=60)
        await limiter.share()
    # A bucket of 6, from which 100 were taken; it fills by a tenth a second meanwhile.
    assert 980.0 < two.look("a", 6).full_in_s <= 1000.0
    one.charge("a", 6, 100_000, debt_minutes=60)
    await one.share()
    assert 3640.0 < one.look("a", 6).full_in_s <= 3660.0

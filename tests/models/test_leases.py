import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from burnish.kit import clock
from burnish.kit.db import Database, Session
from models import leases
from models.job import Job
from models.leases import LeaseLost
from tests.models import rows

pytestmark = pytest.mark.anyio
S = 1_000_000


class Time:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.micros = 1_800_000_000 * S

    def now(self) -> int:
        return self.micros

    def pass_s(self, seconds: float) -> None:
        self.micros += int(seconds * S)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(clock, "now_micros", made.now)
    return made


@pytest.fixture
async def job_id(database: Database, time: Time) -> str:
    await rows.account(database)
    return await rows.job(database)


async def take(database: Database, job_id: str, holder: str = "one") -> int | None:
    async with database.transaction() as session:
        return await leases.take(session, Job, job_id, holder, 15)


async def renew(database: Database, job_id: str, token: int) -> None:
    async with database.transaction() as session:
        await leases.renew(session, Job, job_id, token, 15)


async def load(database: Database, job_id: str) -> Job:
    async with database.read() as session:
        return await session.get_one(Job, job_id)


async def test_a_free_lease_is_taken_and_a_held_one_is_not(database: Database, time: Time, job_id: str) -> None:
    assert not (await load(database, job_id)).is_leased
    assert await take(database, job_id) == 1
    row = await load(database, job_id)
    assert (row.lease_holder, row.lease_token, row.lease_renewed_at) == ("one", 1, clock.now())
    assert row.lease_expires_at == clock.now() + timedelta(seconds=15)
    assert row.is_leased
    assert await take(database, job_id, "two") is None
    assert (await load(database, job_id)).lease_holder == "one"


async def test_of_many_who_reach_for_a_lease_one_gets_it(database: Database, job_id: str) -> None:
    tokens = await asyncio.gather(*(take(database, job_id, str(number)) for number in range(30)))
    assert sorted(tokens, key=str) == [1, *[None] * 29]
    assert (await load(database, job_id)).lease_holder == str(tokens.index(1))


async def test_nothing_is_taken_of_what_is_not_there(database: Database, time: Time) -> None:
    assert await take(database, "job_missing") is None


async def test_what_the_session_holds_of_the_row_follows_only_a_lease_that_was_taken(
    database: Database, time: Time, job_id: str
) -> None:
    async with database.transaction() as session:
        row = await session.get_one(Job, job_id)
        assert await leases.take(session, Job, job_id, "one", 15) == 1
        assert (row.lease_holder, row.lease_token) == ("one", 1)
        assert await leases.take(session, Job, job_id, "two", 15) is None
        assert (row.lease_holder, row.lease_token) == ("one", 1)


async def test_a_renewed_lease_lasts(database: Database, time: Time, job_id: str) -> None:
    assert await take(database, job_id) == 1
    for _ in range(5):
        time.pass_s(14)
        await renew(database, job_id, 1)
    row = await load(database, job_id)
    assert row.is_leased
    assert row.lease_renewed_at == clock.now()


async def test_a_lapsed_lease_cannot_be_renewed_even_if_nobody_took_it(database: Database, time: Time, job_id: str) -> None:
    assert await take(database, job_id) == 1
    time.pass_s(15)
    assert not (await load(database, job_id)).is_leased
    with pytest.raises(LeaseLost):
        await renew(database, job_id, 1)


async def test_each_taking_raises_the_token(database: Database, time: Time, job_id: str) -> None:
    for token in (1, 2, 3):
        assert await take(database, job_id) == token
        time.pass_s(16)


async def guard(session: Session, job_id: str) -> None:
    await leases.guard(session, Job, job_id, 1)


async def renewal(session: Session, job_id: str) -> None:
    await leases.renew(session, Job, job_id, 1, 15)


@pytest.mark.parametrize("write", [guard, renewal])
@pytest.mark.parametrize("taken", [True, False])
async def test_a_zombie_writes_nothing(
    database: Database, time: Time, job_id: str, write: Callable[[Session, str], Awaitable[None]], taken: bool
) -> None:
    assert await take(database, job_id) == 1
    time.pass_s(20)
    if taken:
        assert await take(database, job_id, "two") == 2

    async def wake() -> None:
        async with database.transaction() as session:
            await write(session, job_id)
            row = await session.get_one(Job, job_id)
            row.current_step = 99

    with pytest.raises(LeaseLost):
        await wake()
    row = await load(database, job_id)
    assert row.current_step == 0
    assert (row.lease_holder, row.lease_token) == (("two", 2) if taken else ("one", 1))


async def test_the_holder_writes(database: Database, time: Time, job_id: str) -> None:
    assert await take(database, job_id) == 1
    time.pass_s(14.9)
    async with database.transaction() as session:
        await leases.guard(session, Job, job_id, 1)
        row = await session.get_one(Job, job_id)
        row.current_step = 5
    row = await load(database, job_id)
    assert (row.current_step, row.lease_token) == (5, 1)
    assert row.lease_expires_at == clock.from_micros(time.micros) + timedelta(seconds=0.1)


async def test_a_lease_given_back_is_free_at_once(database: Database, time: Time, job_id: str) -> None:
    assert await take(database, job_id) == 1
    async with database.transaction() as session:
        await leases.release(session, Job, job_id, 1)
    row = await load(database, job_id)
    assert (row.lease_holder, row.is_leased, row.lease_token) == (None, False, 1)
    assert await take(database, job_id, "two") == 2


async def test_a_lease_of_another_is_not_given_back(database: Database, time: Time, job_id: str) -> None:
    assert await take(database, job_id) == 1
    time.pass_s(16)
    assert await take(database, job_id, "two") == 2
    async with database.transaction() as session:
        await leases.release(session, Job, job_id, 1)
    assert (await load(database, job_id)).lease_holder == "two"


async def test_work_is_known_until_now_while_leased_and_until_the_last_renewal_after(
    database: Database, time: Time, job_id: str
) -> None:
    assert (await load(database, job_id)).at_work_until == clock.now()
    assert await take(database, job_id) == 1
    heard = clock.now()
    time.pass_s(10)
    assert (await load(database, job_id)).at_work_until == clock.now()
    time.pass_s(10)
    assert (await load(database, job_id)).at_work_until == heard

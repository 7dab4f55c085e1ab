import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from burnish.kit import clock, idempotency
from burnish.kit.db import Database
from burnish.kit.errors import Conflict, Invalid
from burnish.kit.tables import IdempotencyKey

pytestmark = pytest.mark.anyio
HOURS = 3_600_000_000


async def use(database: Database, key: str | None, body: dict[str, Any], answer: str, account: str = "acct_1") -> str:
    """Answer as a resolver does: what the key made before, or `answer`."""
    print_ = idempotency.fingerprint(body)
    async with database.transaction() as session:
        known = await idempotency.find(session, account, key, "create", print_)
        if known is not None:
            return str(known["id"])
        await idempotency.store(session, account, key, "create", print_, {"id": answer})
        return answer


async def keys(database: Database) -> list[str]:
    async with database.read() as session:
        return sorted((await session.exec(select(IdempotencyKey.key))).all())


async def test_the_same_key_and_request_replay_the_first_answer(database: Database) -> None:
    assert await use(database, "k", {"a": 1, "b": 2}, "first") == "first"
    assert await use(database, "k", {"b": 2, "a": 1}, "second") == "first"


async def test_another_request_under_the_same_key_is_a_conflict(database: Database) -> None:
    await use(database, "k", {"a": 1}, "first")
    with pytest.raises(Conflict) as caught:
        await use(database, "k", {"a": 2}, "second")
    assert (caught.value.code, caught.value.param) == ("idempotency_conflict", "Idempotency-Key")


async def test_another_operation_under_the_same_key_is_a_conflict(database: Database) -> None:
    await use(database, "k", {}, "first")
    async with database.read() as session:
        with pytest.raises(Conflict):
            await idempotency.find(session, "acct_1", "k", "delete", idempotency.fingerprint({}))


async def test_keys_of_accounts_are_apart(database: Database) -> None:
    assert await use(database, "k", {}, "mine") == "mine"
    assert await use(database, "k", {"x": 1}, "theirs", "acct_2") == "theirs"


async def test_without_a_key_nothing_is_remembered(database: Database) -> None:
    assert [await use(database, None, {}, answer) for answer in ("a", "b")] == ["a", "b"]
    assert await keys(database) == []


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_of_the_wrong_length_is_refused(database: Database, key: str) -> None:
    with pytest.raises(Invalid):
        await use(database, key, {}, "never")
    assert await keys(database) == []


async def test_the_longest_key_is_taken(database: Database) -> None:
    assert await use(database, "k" * 255, {}, "a") == "a"


async def test_a_key_is_free_again_after_24_hours(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now_micros()
    await use(database, "k", {"a": 1}, "first")
    monkeypatch.setattr(clock, "now_micros", lambda: start + 23 * HOURS)
    assert await use(database, "k", {"a": 1}, "second") == "first"
    monkeypatch.setattr(clock, "now_micros", lambda: start + 25 * HOURS)
    assert await use(database, "k", {"another": "request"}, "third") == "third"
    assert await use(database, "k", {"another": "request"}, "fourth") == "third"


async def test_old_keys_are_purged(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now_micros()
    await use(database, "old", {}, "a")
    monkeypatch.setattr(clock, "now_micros", lambda: start + 25 * HOURS)
    await use(database, "new", {}, "b")
    async with database.transaction() as session:
        await idempotency.purge(session)
    assert await keys(database) == ["new"]


async def test_of_many_parallel_uses_one_makes_and_the_rest_find_or_lose(database: Database) -> None:
    async def attempt(number: int) -> str:
        for _ in range(2):
            try:
                return await use(database, "k", {}, f"answer {number}")
            except IntegrityError:
                continue
        raise AssertionError("the twin's answer was not found")

    answers = await asyncio.gather(*(attempt(number) for number in range(50)))
    assert len(set(answers)) == 1
    assert await keys(database) == ["k"]


def test_a_fingerprint_is_of_the_meaning() -> None:
    one = {"a": 1, "b": {"c": [1, 2.5, None], "d": "ä"}, "huge": 10**40, "when": timedelta(1)}
    assert idempotency.fingerprint(one) == idempotency.fingerprint(dict(reversed(one.items())))
    different: list[dict[str, Any]] = [{"a": 1}, {"a": "1"}, {"a": 1.5}, {"a": True}, {"a": None}, {"a": [1]}, {"b": 1}, {}]
    assert len({idempotency.fingerprint(request) for request in different}) == len(different)

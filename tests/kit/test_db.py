import asyncio
import socket

import anyio
import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select

from burnish.kit import clock, db
from burnish.kit.db import Database, Session
from burnish.kit.errors import Invalid
from burnish.kit.tables import Outbox, StreamHead

pytestmark = pytest.mark.anyio


async def count(database: Database) -> int:
    async with database.read() as session:
        return len((await session.exec(select(Outbox.id))).all())


def row(name: str) -> Outbox:
    return Outbox(id=name, actor="a", resource_id="r", created_at=clock.now())


async def insert(session: Session, name: str) -> int:
    session.add(row(name))
    await session.flush()
    return 0


@pytest.fixture
async def told(database: Database) -> list[object]:
    """What was dispatched, with how many rows were there by then."""
    heard: list[object] = []

    async def hear(effects: list[object]) -> None:
        heard.append((effects, await count(database)))

    database.on_commit = hear
    return heard


async def test_effects_are_dispatched_in_order_after_the_commit(database: Database, told: list[object]) -> None:
    async with database.transaction() as session:
        session.effects.append("first")
        await insert(session, "msg_1")
        session.effects.append("second")
        assert told == []
    assert told == [(["first", "second"], 1)]


async def test_a_transaction_without_effects_tells_nobody(database: Database, told: list[object]) -> None:
    async with database.transaction() as session:
        await insert(session, "msg_1")
    assert told == []


async def test_an_exception_rolls_back_and_tells_nobody(database: Database, told: list[object]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            session.effects.append(1 // await insert(session, "msg_1"))
    assert told == []
    assert await count(database) == 0


async def test_an_effect_that_fails_does_not_undo_the_commit(database: Database) -> None:
    async def fail(effects: list[object]) -> None:
        raise RuntimeError("the broker is away")

    database.on_commit = fail
    async with database.transaction() as session:
        session.effects.append("lost")
        await insert(session, "msg_1")
    assert await count(database) == 1


async def test_what_a_read_session_writes_is_gone(database: Database) -> None:
    async with database.read() as session:
        await insert(session, "msg_1")
    assert await count(database) == 0


async def test_parallel_increments_lose_none(database: Database) -> None:
    async with database.transaction() as session:
        session.add(StreamHead(resource_id="r", kind="k"))

    async def increment() -> None:
        async with database.transaction() as session:
            await session.exec(update(StreamHead).values(last_seq=col(StreamHead.last_seq) + 1))

    await asyncio.gather(*(increment() for _ in range(60)))
    async with database.read() as session:
        assert (await session.exec(select(StreamHead.last_seq))).one() == 60


async def test_a_cancelled_transaction_leaves_neither_rows_nor_locks_nor_connections(database: Database) -> None:
    waiting = asyncio.Event()

    async def stall(name: str, cancelled: anyio.CancelScope) -> None:
        with cancelled:
            async with database.transaction() as session:
                await insert(session, name)
                waiting.set()
                await asyncio.Event().wait()

    for number in range(5):
        scope = anyio.CancelScope()
        waiting.clear()
        task = asyncio.create_task(stall(f"msg_{number}", scope))
        await waiting.wait()
        scope.cancel()
        await task
    for number in range(5, 10):
        waiting.clear()
        task = asyncio.create_task(stall(f"msg_{number}", anyio.CancelScope()))
        await waiting.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await count(database) == 0
    async with asyncio.timeout(4), database.transaction() as session:
        await insert(session, "after")
    assert await count(database) == 1
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_transactions_cancelled_at_any_point_leave_nothing_behind(database: Database) -> None:
    async def work(name: str) -> None:
        async with database.transaction() as session:
            await insert(session, name)
            await session.exec(select(Outbox.id))

    for number in range(40):
        task = asyncio.create_task(work(f"msg_{number}"))
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(4), database.transaction() as session:
        await insert(session, "after")
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
async def test_half_a_surrogate_pair_is_the_callers_mistake(database: Database, text: str) -> None:
    async with database.read() as session:
        with pytest.raises(Invalid, match="surrogate"):
            await session.get(Outbox, text)
    assert await count(database) == 0


async def test_a_nul_character_finds_nothing_and_is_never_our_fault(database: Database) -> None:
    async with database.read() as session:
        if database.is_sqlite:
            assert await session.get(Outbox, "msg\x00") is None
        else:
            with pytest.raises(Invalid, match="NUL"):
                await session.get(Outbox, "msg\x00")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_writers_of_one_process_take_turns_in_their_order(database: Database) -> None:
    order: list[int] = []

    async def write(number: int) -> None:
        async with database.transaction() as session:
            await insert(session, f"msg_{number}")
            order.append(number)

    await asyncio.gather(*(write(number) for number in range(50)))
    assert order == list(range(50))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_writer_whose_turn_never_comes_is_told_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "TURN_S", 0.01)
    async with database.transaction() as session:
        await insert(session, "msg_1")
        with pytest.raises(OperationalError, match="another writer has not ended"):
            async with database.transaction():
                raise AssertionError("a second writer was let in")
    assert await count(database) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_reading_goes_on_while_another_writes(database: Database) -> None:
    async with database.transaction() as session:
        await insert(session, "msg_1")
        assert await count(database) == 0
    assert await count(database) == 1


async def test_a_server_that_cannot_be_reached_is_an_operational_error() -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody answers there.
        taken.bind(("127.0.0.1", 0))
        database = Database(f"postgresql+asyncpg://nobody@127.0.0.1:{taken.getsockname()[1]}/nothing")
        with pytest.raises(OperationalError, match="ConnectionRefusedError"):
            async with database.read() as session:
                await session.connection()
        await database.dispose()

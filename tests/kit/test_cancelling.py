"""What a writer leaves behind who was cancelled, and how a database ends that has no connection left."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import select, text

from burnish.kit import clock
from burnish.kit.db import Database
from burnish.kit.tables import Outbox

pytestmark = pytest.mark.anyio
DEADLINE_S = 10.0


@pytest.fixture
async def sqlite(migrated: Path, tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(f"sqlite+aiosqlite:///{shutil.copy(migrated, tmp_path / 'burnish.db')}", pool_size=1)
    yield made
    await made.dispose()


def row(name: str) -> Outbox:
    return Outbox(id=name, actor="a", resource_id="r", created_at=clock.now())


async def test_a_cancelled_writer_frees_sqlite_for_the_next(sqlite: Database) -> None:
    loop = asyncio.get_running_loop()
    began, go_on = asyncio.Event(), threading.Event()
    read: list[object] = []

    def wait() -> int:
        loop.call_soon_threadsafe(began.set)
        go_on.wait(DEADLINE_S)
        return 1

    async def write() -> None:
        async with sqlite.transaction() as session:
            session.add(row("msg_1"))
            await session.flush()
            driver = (await (await session.connection()).get_raw_connection()).driver_connection
            assert driver is not None
            await driver.create_function("wait", 0, wait)
            # A statement that is still referred to, as by the traceback of whoever was cancelled while it ran.
            read.append(await driver.execute("SELECT 1 UNION SELECT 2"))
            await session.exec(text("SELECT wait()"))  # type: ignore[call-overload]

    writing = asyncio.create_task(write())
    async with asyncio.timeout(DEADLINE_S):
        await began.wait()
    writing.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    async with sqlite.transaction() as session:
        session.add(row("msg_2"))
    async with sqlite.read() as session:
        assert (await session.exec(select(Outbox.id))).all() == ["msg_2"]
    assert len(read) == 1


@pytest.mark.parametrize("name", ["read", "transaction"])
async def test_a_pool_without_a_connection_left_is_a_database_that_cannot_be_reached(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for limit, value in (("_timeout", 0.001), ("_max_overflow", 0)):
        monkeypatch.setattr(sqlite.engine.pool, limit, value)
    async with sqlite.read() as holding:
        assert (await holding.exec(select(Outbox.id))).all() == []
        with pytest.raises(OperationalError) as refused:
            async with getattr(sqlite, name)() as session:
                await session.exec(select(Outbox.id))
    assert isinstance(refused.value.orig, PoolTimeout)
    async with sqlite.transaction() as session:
        assert (await session.exec(select(Outbox.id))).all() == []

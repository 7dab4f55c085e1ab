import asyncio
from datetime import timedelta

import pytest
from sqlmodel import select

from burnish.kit import clock, outbox
from burnish.kit.core import Core
from burnish.kit.db import Database
from burnish.kit.outbox import Message
from burnish.kit.settings import Settings
from burnish.kit.tables import Outbox

pytestmark = pytest.mark.anyio


class Mailbox:
    """A broker; `down` of the next messages are refused."""

    def __init__(self, down: int = 0) -> None:
        self.down = down
        self.taken: list[tuple[str, str]] = []

    async def __call__(self, actor: str, resource_id: str) -> None:
        if self.down:
            self.down -= 1
            raise ConnectionError("away")
        self.taken.append((actor, resource_id))


async def put(database: Database, *resources: str) -> list[Message]:
    async with database.transaction() as session:
        for resource in resources:
            outbox.put(session, "training.run", resource)
        return [effect for effect in session.effects if isinstance(effect, Message)]


async def left(database: Database) -> list[str]:
    async with database.read() as session:
        return sorted((await session.exec(select(Outbox.resource_id))).all())


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    after = clock.now_micros() + int(timedelta(seconds=outbox.STALE_S + 1).total_seconds() * 1e6)
    monkeypatch.setattr(clock, "now_micros", lambda: after)


async def test_a_message_is_sent_and_forgotten(database: Database) -> None:
    mailbox = Mailbox()
    messages = await put(database, "job_1", "job_2")
    assert await left(database) == ["job_1", "job_2"]
    await outbox.send(database, mailbox, messages)
    assert mailbox.taken == [("training.run", "job_1"), ("training.run", "job_2")]
    assert await left(database) == []


async def test_what_the_broker_refuses_stays_for_the_sweep(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = Mailbox(down=1)
    await outbox.send(database, mailbox, await put(database, "job_1", "job_2"))
    assert await left(database) == ["job_1", "job_2"]
    later(monkeypatch)
    assert await outbox.sweep(database, mailbox) == 2
    assert sorted(mailbox.taken) == [("training.run", "job_1"), ("training.run", "job_2")]
    assert await left(database) == []
    assert await outbox.sweep(database, mailbox) == 0


async def test_a_broker_that_goes_away_midway_has_what_it_took(database: Database) -> None:
    class Fleeting(Mailbox):
        async def __call__(self, actor: str, resource_id: str) -> None:
            if self.taken:
                raise ConnectionError("away")
            await super().__call__(actor, resource_id)

    mailbox = Fleeting()
    await outbox.send(database, mailbox, await put(database, "job_1", "job_2"))
    assert mailbox.taken == [("training.run", "job_1")]
    assert await left(database) == ["job_2"]


async def test_the_sweep_leaves_alone_what_is_just_being_sent(database: Database) -> None:
    mailbox = Mailbox()
    await put(database, "job_1")
    assert await outbox.sweep(database, mailbox) == 0
    assert mailbox.taken == []


async def test_many_messages_are_swept_in_portions_oldest_first(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = Mailbox()
    start = clock.now_micros()
    for number in range(120):
        monkeypatch.setattr(clock, "now_micros", lambda number=number: start + number)
        await put(database, f"job_{number:03}")
    later(monkeypatch)
    assert await outbox.sweep(database, mailbox) == 100
    assert [resource for _, resource in mailbox.taken] == [f"job_{number:03}" for number in range(100)]
    assert await outbox.sweep(database, mailbox) == 20
    assert await left(database) == []


async def test_a_rolled_back_message_is_never_sent(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as session:
            outbox.put(session, "training.run", str(1 // len(session.effects)))
    assert await left(database) == []


async def test_a_core_sends_after_the_commit_without_keeping_the_caller(settings: Settings) -> None:
    gate, taken = asyncio.Event(), asyncio.Event()

    async def slow(actor: str, resource_id: str) -> None:
        await gate.wait()
        taken.set()

    core = Core(settings, slow)
    await put(core.db, "job_1")
    assert not taken.is_set()
    gate.set()
    await core.close()
    assert taken.is_set()


async def test_a_core_whose_broker_is_away_loses_no_message(settings: Settings) -> None:
    core = Core(settings, Mailbox(down=99))
    await put(core.db, "job_1")
    await core.close()
    again = Core(settings)
    assert await left(again.db) == ["job_1"]
    await again.close()

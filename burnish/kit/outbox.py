"""Messages to hosts that are never lost between a commit and the broker.

The row is written with the change; after the commit it is sent and deleted. What a crash leaves behind is sent by the next sweep.
A message may therefore arrive twice, and says only "look at this resource".
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy import delete
from sqlmodel import col, select

from burnish.kit import clock, ids
from burnish.kit.db import Database, Session
from burnish.kit.tables import Outbox

log = structlog.get_logger(__name__)
STALE_S = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """An effect: `actor` is to look at `resource_id`."""

    id: str
    actor: str
    resource_id: str


class Sender(Protocol):
    """Hands one message to the broker; raises where the broker cannot take it."""

    async def __call__(self, actor: str, resource_id: str) -> None: ...


def put(session: Session, actor: str, resource_id: str) -> None:
    """Queue a message; it is sent after the commit."""
    message = Message(ids.new("msg"), actor, resource_id)
    session.add(Outbox(id=message.id, actor=actor, resource_id=resource_id, created_at=clock.now()))
    session.effects.append(message)


async def send(db: Database, sender: Sender, messages: list[Message]) -> None:
    """Send messages and delete their rows; those that the broker refuses stay for the next sweep."""
    sent = []
    for message in messages:
        try:
            await sender(message.actor, message.resource_id)
        except Exception as error:
            log.warning("broker_unreachable", error=str(error), actor=message.actor)
            break
        sent.append(message.id)
    if sent:
        async with db.transaction() as session:
            await session.exec(delete(Outbox).where(col(Outbox.id).in_(sent)))


async def sweep(db: Database, sender: Sender) -> int:
    """Send what earlier processes left behind; return how many messages were found."""
    before = clock.now() - timedelta(seconds=STALE_S)
    async with db.read() as session:
        rows = (
            await session.exec(select(Outbox).where(Outbox.created_at < before).order_by(col(Outbox.created_at)).limit(100))
        ).all()
    messages = [Message(row.id, row.actor, row.resource_id) for row in rows]
    if messages:
        await send(db, sender, messages)
    return len(messages)

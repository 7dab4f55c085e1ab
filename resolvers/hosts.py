"""The hosts of the installation, as its operator sees them: what each works on, and which of them is to be left."""

import socket
from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import col

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.errors import NotFound
from engines.compute import hosts
from models import audit
from models.host import Host


@dataclass(frozen=True)
class HostState:
    """A host that is alive. `working` is how many jobs and replicas it has."""

    id: str
    name: str
    draining: bool
    working: int


async def drain(core: Core, name: str | None = None, *, undo: bool = False) -> list[HostState]:
    """Have the hosts of a name or an id, of this machine by default, take nothing new and give away what they have; or, undone,
    take work again. NotFound where none of them is alive.
    """
    name = name or socket.gethostname()
    async with core.db.transaction() as session:
        ids = [host.id for host in await hosts.alive(session, core.settings) if name in (host.name, host.id)]
        if not ids:
            raise NotFound(f"No host named {name} is running.", hint="`--host` takes the name or the id of one that is.")
        its = col(Host.id).in_(ids)
        await session.exec(update(Host).where(its).values(draining_at=None if undo else clock.now()))
        action = "hosts.undrain" if undo else "hosts.drain"
        for host_id in ids:
            audit.note(session, action, account_id=None, resource_id=host_id, details={"name": name})
    return await states(core, ids)


async def states(core: Core, ids: list[str]) -> list[HostState]:
    """Return how these hosts stand; one that is gone is left out."""
    async with core.db.read() as session:
        found = [host for host in await hosts.alive(session, core.settings) if host.id in ids]
    return [HostState(host.id, host.name, host.draining, len(host.used)) for host in found]

"""The hosts of the installation: what each offers, and what of it the work that each holds leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.db import Session
from burnish.kit.settings import Settings
from engines.compute.hardware import CPU, Shape
from models import job, replica
from models.host import Host
from models.job import Job
from models.replica import Replica

ENDED = {*job.TERMINAL, *replica.TERMINAL}


@dataclass(frozen=True)
class HostRoom:
    """A host that is alive. `used` has the hardware of each job and replica that it works on."""

    id: str
    name: str
    offers: dict[str, Any]
    draining: bool
    used: Sequence[dict[str, Any]]

    def offers_shape(self, shape: Shape) -> bool:
        """Say whether the host, empty, could run the shape."""
        return offers(self.offers, shape)

    def has_room(self, shape: Shape) -> bool:
        """Say whether the shape could be placed now; a host that drains takes nothing."""
        if self.draining or not self.offers_shape(shape):
            return False
        if shape.is_cpu or self.offers.get("cpu_fallback"):
            slots: int = self.offers.get("cpu_slots", 0)
            return [gpu["type"] for gpu in self.used].count(CPU) < slots
        mine: int = [gpu["type"] for gpu in self.offers.get("gpus", [])].count(shape.type)
        taken = sum(int(gpu["count"]) for gpu in self.used if gpu["type"] == shape.type)
        return mine - taken >= shape.count


async def alive(session: Session, settings: Settings) -> list[HostRoom]:
    """Return the hosts that were heard of within a lease's time."""
    found = await seen_since(session, clock.now() - timedelta(seconds=settings.lease_s))
    used: dict[str, list[dict[str, Any]]] = {host.id: [] for host in found}
    for table in (Job, Replica):
        held: Any = select(table.lease_holder, table.gpu).where(
            col(table.lease_holder).in_(used), col(table.lease_expires_at) > clock.now(), col(table.status).not_in(ENDED)
        )
        for holder, gpu in (await session.exec(held)).all():
            if gpu is not None:
                used[holder].append(gpu)
    return [HostRoom(host.id, host.name, host.offers, host.draining_at is not None, used[host.id]) for host in found]


async def seen_since(session: Session, moment: datetime) -> Sequence[Host]:
    """Return the hosts that were heard of after a moment, which may be gone since."""
    heard = select(Host).where(col(Host.seen_at) > moment)
    return (await session.exec(heard.execution_options(populate_existing=True))).all()


def offers(offered: dict[str, Any], shape: Shape) -> bool:
    """Say whether a host that offers this, empty, could run the shape."""
    if shape.is_cpu or offered.get("cpu_fallback"):
        return True
    return [gpu["type"] for gpu in offered.get("gpus", [])].count(shape.type) >= shape.count

"""Where lines go: the deployments that batches ask just now, and the replicas of each, looked at twice a second.

A deployment without replicas is woken for as long as lines wait for it; the looks go on with what was seen last while the
database is away.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

import structlog
from sqlmodel import col, select

from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.once import AtOnce
from engines.bulk.places import Places
from engines.serving import addressing
from engines.serving.router import Target
from engines.serving.upstream import Upstream
from models import deployment as dep
from models import replica
from models.deployment import Deployment
from models.replica import Replica

log = structlog.get_logger(__name__)
REFRESH_S = 0.5
# A deployment that no line was sent to for so long is looked at no more.
IDLE_S = 30.0
# What an engine is taken to work on at once where its deployment does not say.
AT_ONCE = 256


class Route(NamedTuple):
    """A deployment as it was seen last. `rates` are its replicas' prices in micro-dollars an hour. `ended` says why it will never
    answer again, null while it may; `may_wake` whether asking for a replica can help.
    """

    account_id: str
    name: str
    targets: tuple[Target, ...]
    rates: dict[str, int]
    at_once: int
    upstream: Upstream | None
    ended: str | None
    may_wake: bool


class Used:
    """A deployment that lines are sent to. `looked` is set with each look at it, and then replaced; `batches` are the lines of
    each batch that are here.
    """

    __slots__ = ("batches", "id", "looked", "route", "used_at")

    def __init__(self, deployment_id: str, now: float) -> None:
        self.id = deployment_id
        self.route: Route | None = None
        self.looked = asyncio.Event()
        self.used_at = now
        self.batches: dict[str, int] = {}

    def enter(self, batch_id: str) -> None:
        self.batches[batch_id] = self.batches.get(batch_id, 0) + 1

    def leave(self, batch_id: str) -> None:
        self.batches[batch_id] -= 1
        if not self.batches[batch_id]:
            del self.batches[batch_id]


class Routes:
    """The deployments in use of one host; it keeps `table` supplied with their replicas."""

    def __init__(
        self,
        core: Core,
        table: Places,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._core = core
        self._table = table
        self._clock = clock
        self._sleep = sleep
        self._used: dict[str, Used] = {}
        self._woken: dict[str, float] = {}
        self._looking = AtOnce[None]()

    def use(self, deployment_id: str) -> Used:
        used = self._used.get(deployment_id)
        if used is None:
            used = self._used[deployment_id] = Used(deployment_id, self._clock())
        else:
            used.used_at = self._clock()
        return used

    async def find(self, used: Used) -> Route:
        """Return where lines for this deployment go, at once where that is known; waits while the database is away."""
        while used.route is None:
            try:
                await self._looking.get(used.id, partial(self.look, [used]))
            except Exception as error:
                log.warning("route_not_found", resource=used.id, error=str(error))
                await self._sleep(REFRESH_S)
        return used.route

    async def changed(self, used: Used, route: Route) -> None:
        """Wait for a look at a deployment that is newer than `route`, and have it woken where it has no replica."""
        if used.route is not route:
            return
        if not route.targets and route.may_wake:
            await self._wake(used.id)
        if used.route is route:
            await used.looked.wait()

    def asked(self) -> list[Route]:
        """Return the routes of the deployments that have lines here."""
        return [used.route for used in self._used.values() if used.route is not None and used.batches]

    async def run(self) -> None:
        """Look again at what is in use, for ever; forget the rest."""
        while True:
            await self._sleep(REFRESH_S)
            self._forget()
            try:
                await self.look(list(self._used.values()))
            except Exception as error:
                log.warning("routes_not_refreshed", error=str(error))

    async def look(self, asked: Sequence[Used]) -> None:
        """Read deployments and their replicas."""
        if not asked:
            return
        async with self._core.db.read() as session:
            found = await self._read(session, [used.id for used in asked])
        for used in asked:
            # One that was forgotten meanwhile is of nobody any more.
            if self._used.get(used.id) is not used:
                continue
            used.route = route = found[used.id]
            self._table.seat(used.id, route.targets, route.at_once)
            looked, used.looked = used.looked, asyncio.Event()
            looked.set()

    async def _read(self, session: Session, deployment_ids: list[str]) -> dict[str, Route]:
        rows = (await session.exec(select(Deployment).where(col(Deployment.id).in_(deployment_ids)))).all()
        statement = select(Replica).where(col(Replica.deployment_id).in_(deployment_ids), Replica.status == replica.RUNNING)
        running: dict[str, list[Replica]] = {}
        for each in (await session.exec(statement.order_by(col(Replica.created_at)))).all():
            running.setdefault(each.deployment_id, []).append(each)
        found = {deployment_id: _missing(deployment_id) for deployment_id in deployment_ids}
        for row in rows:
            found[row.id] = self._route(row, running.get(row.id, []))
        return found

    def _route(self, row: Deployment, running: Sequence[Replica]) -> Route:
        takes = row.paused_at is None and row.status in dep.ACTIVE and row.deleted_at is None
        upstream = None
        try:
            upstream = addressing.upstream_of(self._core, row)
        except ValueError:
            # Its key was sealed by one that is gone: nobody can ask it, and the others are asked all the same.
            takes = False
        return Route(
            row.account_id,
            row.name,
            tuple(Target(each.id, each.url, each.served_name) for each in running if takes and each.url is not None),
            {each.id: _rate(each, row) for each in running},
            row.max_batch_size or AT_ONCE,
            upstream,
            _ended(row),
            takes and row.source != dep.ADOPTED,
        )

    async def _wake(self, deployment_id: str) -> None:
        now = self._clock()
        if now - self._woken.get(deployment_id, -addressing.WAKE_EVERY_S) < addressing.WAKE_EVERY_S:
            return
        self._woken[deployment_id] = now
        try:
            await addressing.wake(self._core, deployment_id)
        except Exception as error:
            log.warning("waking_failed", resource=deployment_id, error=str(error))

    def _forget(self) -> None:
        now = self._clock()
        for used in list(self._used.values()):
            if not used.batches and now - used.used_at > IDLE_S:
                del self._used[used.id]
                self._woken.pop(used.id, None)
                self._table.seat(used.id, [], 1)


def _rate(each: Replica, row: Deployment) -> int:
    rate = row.rate_micros_per_hour if each.rate_micros_per_hour is None else each.rate_micros_per_hour
    return rate or 0


def _ended(row: Deployment) -> str | None:
    if row.deleted_at is not None:
        return f"The deployment {row.name} was deleted."
    if row.status in dep.TERMINAL:
        return f"The deployment {row.name} is {row.status}."
    return None


def _missing(deployment_id: str) -> Route:
    return Route("", deployment_id, (), {}, 1, None, f"There is no deployment {deployment_id}.", may_wake=False)

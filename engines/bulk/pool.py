"""Where a host sends the lines of its batches: to the replicas of their deployments, beside interactive traffic and below it.

`Pool.answer` is asked for one line and returns what became of it, for good: faults of engines are tried again, with a back-off,
and whoever has to wait waits. How many lines may be under way is `places`' business, and which answers are final `sending`'s.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from sqlmodel import col, select

from burnish.kit.core import Core
from burnish.kit.db import Session
from engines.bulk.places import Places
from engines.bulk.sending import Answer, Line, Sending
from engines.serving import addressing, engine, http1
from engines.serving.engine_metrics import parse_metrics
from engines.serving.router import Target
from engines.serving.sharing import Sharing
from engines.serving.upstream import Upstream
from models import deployment as dep
from models import replica
from models.deployment import Deployment
from models.replica import Replica

__all__ = ["Answer", "Line", "Pool"]

log = structlog.get_logger(__name__)
REFRESH_S = 0.5
MEASURE_S = 1.0
METRICS_S = 5.0
# A deployment that no line was sent to for so long is looked at no more.
IDLE_S = 30.0
# How many lines are to be at hand while no replica is there to take them.
AT_HAND = 8


class Route(NamedTuple):
    """A deployment as it was seen last. `ended` says why it will never answer again, null while it may."""

    name: str
    targets: tuple[Target, ...]
    rates: dict[str, int]
    upstream: Upstream | None
    ended: str | None
    may_wake: bool


class _Used:
    """A deployment that lines are sent to. `changed` is set with each look at it, and then replaced."""

    __slots__ = ("batches", "changed", "route", "used_at")

    def __init__(self, now: float) -> None:
        self.route: Route | None = None
        self.changed = asyncio.Event()
        self.used_at = now
        # How many lines of each batch are here.
        self.batches: dict[str, int] = {}


class Pool:
    """One a host process. `run()` keeps it going, `close()` ends it; cancelling an `answer` aborts its request."""

    def __init__(
        self,
        core: Core,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._core = core
        self._clock = clock
        self._sleep = sleep
        self.chance = chance
        self.client = http1.Client()
        self.table = Places(cap=core.settings.replica_requests, clock=clock)
        self._sharing = Sharing(core, self.table, clock, bulk=True)
        self._used: dict[str, _Used] = {}
        self._woken: dict[str, float] = {}
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Keep routes, counts and limits fresh, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self._refresh_forever(), self._measure_forever(), self._sharing.run()):
                tasks.create_task(work)

    async def close(self) -> None:
        await self._sharing.close()
        await self.client.close()

    async def answer(self, line: Line) -> Answer:
        """Return what became of a line, once that is known; it may take as long as its deployment has no replica."""
        used = self._use(line.deployment_id)
        batches = used.batches
        batches[line.batch_id] = batches.get(line.batch_id, 0) + 1
        try:
            return await Sending(self, line).run()
        finally:
            batches[line.batch_id] -= 1
            if not batches[line.batch_id]:
                del batches[line.batch_id]
            used.used_at = self._clock()

    def places(self, deployment_id: str) -> int:
        """Return how many lines of one batch for this deployment are to be under way: an equal share of what there is."""
        used = self._use(deployment_id)
        return max(AT_HAND, self.table.places(deployment_id) // max(1, len(used.batches)))

    async def route(self, deployment_id: str) -> Route:
        """Return where lines for this deployment go, at once where that is known."""
        used = self._use(deployment_id)
        if used.route is None:
            await self.look([deployment_id])
        assert used.route is not None
        return used.route

    async def changed(self, deployment_id: str) -> None:
        """Wait for the next look at a deployment, and have it woken where it has no replica."""
        used = self._use(deployment_id)
        event, route = used.changed, used.route
        if route is not None and not route.targets and route.may_wake and route.ended is None:
            await self._wake(deployment_id)
        await event.wait()

    async def pause(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def look(self, deployment_ids: list[str]) -> None:
        """Read deployments and their replicas."""
        async with self._looking:
            async with self._core.db.read() as session:
                found = await self._routes(session, deployment_ids)
        for deployment_id, (route, at_once) in found.items():
            used = self._used.get(deployment_id)
            if used is None:
                continue
            used.route = route
            self.table.seat(deployment_id, route.targets, at_once)
            event, used.changed = used.changed, asyncio.Event()
            event.set()

    async def _routes(self, session: Session, deployment_ids: list[str]) -> dict[str, tuple[Route, int]]:
        rows = (await session.exec(select(Deployment).where(col(Deployment.id).in_(deployment_ids)))).all()
        statement = select(Replica).where(col(Replica.deployment_id).in_(deployment_ids), Replica.status == replica.RUNNING)
        running: dict[str, list[Replica]] = {}
        for each in (await session.exec(statement.order_by(col(Replica.created_at)))).all():
            running.setdefault(each.deployment_id, []).append(each)
        found = {deployment_id: (_gone(deployment_id), 1) for deployment_id in deployment_ids}
        for row in rows:
            its = [each for each in running.get(row.id, []) if each.url is not None]
            takes = row.paused_at is None and row.status in dep.ACTIVE
            targets = tuple(Target(each.id, each.url or "", each.served_name) for each in its) if takes else ()
            rates = {each.id: each.rate_micros_per_hour or row.rate_micros_per_hour or 0 for each in its}
            may_wake = takes and row.source != dep.ADOPTED
            route = Route(row.name, targets, rates, addressing.upstream_of(self._core, row), _ended(row), may_wake)
            found[row.id] = route, row.max_batch_size or engine.MAX_SEQUENCES
        return found

    def _use(self, deployment_id: str) -> _Used:
        used = self._used.get(deployment_id)
        if used is None:
            used = self._used[deployment_id] = _Used(self._clock())
        used.used_at = self._clock()
        return used

    async def _wake(self, deployment_id: str) -> None:
        now = self._clock()
        if now - self._woken.get(deployment_id, -addressing.WAKE_EVERY_S) < addressing.WAKE_EVERY_S:
            return
        self._woken[deployment_id] = now
        try:
            await addressing.wake(self._core, deployment_id)
        except Exception as error:
            log.warning("waking_failed", resource=deployment_id, error=str(error))

    async def _refresh_forever(self) -> None:
        while True:
            await self._sleep(REFRESH_S)
            now = self._clock()
            for deployment_id, used in list(self._used.items()):
                if not used.batches and now - used.used_at > IDLE_S:
                    del self._used[deployment_id]
                    self._woken.pop(deployment_id, None)
                    self.table.seat(deployment_id, [], 1)
            if not self._used:
                continue
            try:
                await self.look(list(self._used))
            except Exception as error:
                # What was seen last is used on.
                log.warning("routes_not_refreshed", error=str(error))

    async def _measure_forever(self) -> None:
        while True:
            await self._sleep(MEASURE_S)
            routes = [used.route for used in self._used.values() if used.route is not None and used.batches]
            asked = [
                self._measure(target, is_ours=route.upstream is None)
                for route in routes
                for target in route.targets
                if self.table.outstanding(target.replica_id)
            ]
            await asyncio.gather(*asked)

    async def _measure(self, target: Target, *, is_ours: bool) -> None:
        """Hear how many requests an engine lets wait; a server of somebody else's tells us nothing."""
        waiting = None
        if is_ours:
            with contextlib.suppress(http1.Unanswered, ValueError, TimeoutError):
                async with asyncio.timeout(METRICS_S):
                    response = await self.client.get(target.url, "/metrics", silence_s=METRICS_S)
                    try:
                        text = await response.read()
                    finally:
                        response.close()
                    if response.status == 200:
                        waiting = parse_metrics(text.decode(errors="replace")).waiting
        self.table.measured(target.replica_id, waiting)


def _ended(row: Deployment) -> str | None:
    if row.deleted_at is not None:
        return f"The deployment {row.name} was deleted."
    if row.status in dep.TERMINAL:
        return f"The deployment {row.name} is {row.status}."
    return None


def _gone(deployment_id: str) -> Route:
    return Route(deployment_id, (), {}, None, f"There is no deployment {deployment_id}.", may_wake=False)

"""Requests that wait for a replica: of a deployment that was scaled to zero, or whose replicas are being started again.

All that wait for one deployment share one look at the database, and how many and how long is bounded. That somebody waits is told
to the deployment's host by `wake_requested_at`; it alone starts replicas.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from time import monotonic

import structlog

from burnish.kit.core import Core
from burnish.kit.errors import InsufficientCredit, Invalid, Unavailable
from engines.serving import addressing
from engines.serving.router import Target
from models import deployment as dep
from models.deployment import Deployment

log = structlog.get_logger(__name__)
LOOK_S = 0.25
# A replica that could not be reached may be asked again after a while.
AGAIN_S = 2.0
RETRY_AFTER_S = 5
# How the error of a deployment begins that a limit has ended.
OUT_OF_MONEY = "QUOTA_EXCEEDED: "


def check(row: Deployment) -> None:
    """Invalid where a deployment answers nothing until its owner does something about it; InsufficientCredit where it ended
    because its money was used up.
    """
    if row.status == dep.STOPPED and row.error is not None and row.error.startswith(OUT_OF_MONEY):
        message = f"The deployment {row.name} was stopped: {row.error.removeprefix(OUT_OF_MONEY)}"
        raise InsufficientCredit(message, balance_micros=0, needed_micros=row.rate_micros_per_hour or 0)
    if row.status in dep.TERMINAL or row.deleted_at is not None:
        raise Invalid(f"The deployment {row.name} is {row.status}.", code="deployment_not_serving", param="model")
    if row.paused_at is not None:
        message = f"The deployment {row.name} is paused."
        raise Invalid(message, code="deployment_not_serving", param="model", hint="Resume it.")


class Patience:
    """What one request has left: until when it may wait, and which replicas it could not reach just now."""

    def __init__(self, hold_s: float) -> None:
        self._until = monotonic() + hold_s
        self._failed: dict[Target, float] = {}

    @property
    def left_s(self) -> float:
        return max(0.0, self._until - monotonic())

    def fail(self, target: Target) -> None:
        self._failed[target] = monotonic() + AGAIN_S

    def failed(self) -> Collection[Target]:
        """Return the replicas that are not to be asked again yet."""
        if not self._failed or not self.left_s:
            return self._failed
        now = monotonic()
        return [target for target, until in self._failed.items() if until > now]


@dataclass(eq=False)
class _Waited:
    """A deployment that requests wait for, as it was seen last. `looked` is set with each look, and then replaced."""

    row: Deployment
    targets: list[Target] = field(default_factory=list)
    count: int = 0
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    looking: asyncio.Task[None] | None = None


class Waking:
    """The requests of one API process that wait for a replica."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._waited: dict[str, _Waited] = {}
        self._asked: dict[str, float] = {}

    async def targets(self, row: Deployment, patience: Patience, is_up: Callable[[Target], bool]) -> list[Target]:
        """Return the replicas of a deployment once there is one that is up and has not failed this request.

        Unavailable where the deployment has never served or was adopted, too many wait already or it takes too long; Invalid
        where it ends or is paused meanwhile.
        """
        if row.serving_since is None or row.source == dep.ADOPTED:
            # There is nothing that a request could wake.
            raise _unavailable(row, code="upstream_unavailable")
        waited = self._waited.get(row.id)
        if not patience.left_s or (waited.count if waited else 0) >= self._core.settings.held_requests:
            await self._wake(row.id)
            raise _unavailable(row)
        waited = waited or self._begin(row)
        waited.count += 1
        try:
            return await self._found(waited, patience, is_up)
        finally:
            waited.count -= 1
            if not waited.count:
                self._end(waited)

    async def close(self) -> None:
        """Look no more."""
        tasks = [waited.looking for waited in self._waited.values() if waited.looking is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, row: Deployment) -> _Waited:
        waited = self._waited[row.id] = _Waited(row)
        waited.looking = asyncio.create_task(self._look_forever(waited))
        return waited

    def _end(self, waited: _Waited) -> None:
        del self._waited[waited.row.id]
        if waited.looking is not None:
            waited.looking.cancel()

    async def _found(self, waited: _Waited, patience: Patience, is_up: Callable[[Target], bool]) -> list[Target]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience.left_s):
                while True:
                    await waited.looked.wait()
                    check(waited.row)
                    failed = patience.failed()
                    if any(target not in failed and is_up(target) for target in waited.targets):
                        return waited.targets
        raise _unavailable(waited.row)

    async def _look_forever(self, waited: _Waited) -> None:
        while True:
            try:
                async with self._core.db.read() as session:
                    waited.row = await session.get_one(Deployment, waited.row.id)
                    waited.targets = (await addressing.running(session, [waited.row.id]))[waited.row.id]
                if not waited.targets:
                    await self._wake(waited.row.id)
            except Exception as error:
                # Who waits goes on waiting: the next look may do better.
                log.warning("waking_failed", resource=waited.row.id, error=str(error))
            looked, waited.looked = waited.looked, asyncio.Event()
            looked.set()
            await asyncio.sleep(LOOK_S)

    async def _wake(self, deployment_id: str) -> None:
        """Tell the deployment's host that a request waits; once each few seconds, however many wait in however many processes."""
        now = monotonic()
        if now - self._asked.get(deployment_id, -addressing.WAKE_EVERY_S) < addressing.WAKE_EVERY_S:
            return
        self._asked = {key: at for key, at in self._asked.items() if now - at < addressing.WAKE_EVERY_S} | {deployment_id: now}
        try:
            await addressing.wake(self._core, deployment_id)
        except BaseException:
            del self._asked[deployment_id]
            raise


def _unavailable(row: Deployment, code: str = "deployment_waking") -> Unavailable:
    message = f"The deployment {row.name} is {row.status}: no replica is ready yet."
    return Unavailable(message, retry_after_s=RETRY_AFTER_S, code=code)

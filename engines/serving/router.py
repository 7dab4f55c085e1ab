"""Which replica gets the next request: of those that are up, the one with the fewest outstanding.

Invariants: no replica has more than `cap` requests of this process and, as far as they have told, of the others together; whoever
waits for a deployment gets the first place that it can use, before anyone who came later; nobody waits while there is such a
place. All of it happens in one thread, that of the event loop: what frees a place hands it on before anything else can run.

    Exception
    └── Queued                        all replicas that are up have as many requests as they may
        ├── QueueFull                 too many wait already
        └── QueueSlow                 none became free in time
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from engines.serving.breaker import OK, Breaker, Outcome

__all__ = ["Lease", "Outcome", "QueueFull", "QueueSlow", "Queued", "Table", "Target"]

NOTHING: Mapping[str, int] = {}


class Queued(Exception):
    """A request found no place at a replica."""


class QueueFull(Queued):
    pass


class QueueSlow(Queued):
    pass


@dataclass(frozen=True)
class Target:
    """A replica that answers at `url`. `served_name` is what its engine calls the model, null for the deployment's own name."""

    replica_id: str
    url: str
    served_name: str | None = None


class ReplicaState(Breaker):
    """`own` counts the requests of this process, `others` those of all others; this process may have `places`."""

    __slots__ = ("deployment", "others", "own", "places", "target")

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target
        self.deployment: DeploymentState | None = None
        self.own = 0
        self.others = 0
        self.places = 0


class DeploymentState:
    """`line` maps who waits, in the order of arrival, to what each does not want; `due` is when `timer` looks at it again."""

    __slots__ = ("due", "line", "replicas", "targets", "timer", "turn")

    def __init__(self) -> None:
        self.targets: list[Target] = []
        self.replicas: list[ReplicaState] = []
        self.turn = 0
        self.line: OrderedDict[asyncio.Future[Lease | None], Collection[Target]] = OrderedDict()
        self.due = math.inf
        self.timer: asyncio.TimerHandle | None = None


class Lease:
    """A request under way at `target`. Whoever takes one releases it, once it has ended."""

    __slots__ = ("_age", "_replica", "_table", "target")

    def __init__(self, table: "Table", replica: ReplicaState) -> None:
        self.target = replica.target
        self._table = table
        self._replica: ReplicaState | None = replica
        self._age = replica.age

    def answered(self) -> None:
        """Say that the replica has begun to answer: the trial of a breaker need not wait for the end of a long answer."""
        replica = self._replica
        if replica is not None and replica.trying and self._age == replica.age:
            replica.close()
            self._table.look_again(replica)

    def release(self, outcome: Outcome) -> None:
        """Give the place back; may be called more than once, the first call counts."""
        replica = self._replica
        if replica is not None:
            self._replica = None
            self._table.end(replica, self._age, outcome)


class Table:
    """The routing table of one process. A replica is of one deployment.

    Counts outlive a change of targets, so that a replica that comes back is not thought idle; breakers do not. `clock` gives
    seconds that never go back. `on_open` hears of the breakers that this process opened, and for how many seconds.
    """

    # What is kept of a deployment.
    state: ClassVar[type[DeploymentState]] = DeploymentState

    def __init__(self, *, cap: int, queue: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._cap = cap
        self._queue = queue
        self._clock = clock
        self._deployments: dict[str, DeploymentState] = {}
        self._replicas: dict[str, ReplicaState] = {}
        self._told: dict[str, tuple[Mapping[str, int], Mapping[str, int]]] = {}
        self.on_open: Callable[[str, float], None] | None = None

    def set(self, deployment_id: str, targets: Sequence[Target]) -> None:
        """Replace the targets of a deployment; none forgets it."""
        targets = list(targets)
        deployment = self._deployments.get(deployment_id)
        if deployment is None:
            if not targets:
                return
            deployment = self._deployments[deployment_id] = self.state()
        elif deployment.targets == targets:
            return
        deployment.targets, deployment.turn = targets, 0
        before, deployment.replicas = deployment.replicas, self._known(deployment)
        for replica in before:
            if replica.deployment is deployment and replica not in deployment.replicas:
                self._part(replica)
        if not targets:
            del self._deployments[deployment_id]
        self._dismiss(deployment)
        self._fill(deployment)

    async def take(self, deployment_id: str, *, without: Collection[Target] = (), wait_s: float) -> Lease | None:
        """Return a place at the replica with the fewest outstanding requests, by turns among equals.

        None where no replica is up but those that are to be left out; a replica whose breaker is trying counts as up. Where all
        have as many requests as they may, wait in line: QueueFull where too many do, QueueSlow after `wait_s`.
        """
        deployment = self._deployments.get(deployment_id)
        if deployment is None:
            return None
        if deployment.line and self._clock() >= deployment.due:
            self._fill(deployment)
        lease = self._lease(deployment, without)
        if lease is not None or not self._has_up(deployment, without):
            return lease
        return await self._wait(deployment, without, wait_s)

    def waiting(self, deployment_id: str) -> int:
        """Count the requests of a deployment that wait in line."""
        deployment = self._deployments.get(deployment_id)
        return len(deployment.line) if deployment else 0

    def is_up(self, target: Target) -> bool:
        """Say whether a replica may be asked: nothing is known against it."""
        replica = self._replicas.get(target.replica_id)
        return replica is None or replica.is_up(self._clock())

    def outstanding(self, replica_id: str) -> int:
        """Count the requests of this process that a replica works on."""
        replica = self._replicas.get(replica_id)
        return replica.own if replica else 0

    # What the processes tell each other.

    def counts(self) -> dict[str, int]:
        """Return the requests of this process by replica, where there are any."""
        return {replica_id: replica.own for replica_id, replica in self._replicas.items() if replica.own}

    def wanted(self) -> dict[str, int]:
        """Return how many of this process wait for a place at each replica."""
        found: dict[str, int] = {}
        now = self._clock()
        for deployment in self._deployments.values():
            if deployment.line:
                for replica in deployment.replicas:
                    if replica.is_up(now):
                        target = replica.target
                        found[target.replica_id] = sum(target not in without for without in deployment.line.values())
        return {replica_id: count for replica_id, count in found.items() if count}

    def others(self, process: str, counts: Mapping[str, int], wanted: Mapping[str, int] = NOTHING) -> None:
        """Take in what another process has outstanding and waits for; it replaces what that one said before."""
        before = self._told.pop(process, (NOTHING, NOTHING))
        if counts or wanted:
            self._told[process] = (counts, wanted)
        touched: dict[DeploymentState, None] = {}
        for replica_id in {*before[0], *before[1], *counts, *wanted}:
            replica = self._replicas.get(replica_id)
            if replica is not None:
                self._share_out(replica)
                if replica.deployment is not None:
                    touched[replica.deployment] = None
        for deployment in touched:
            self._fill(deployment)

    def other_bulk(self, process: str, counts: Mapping[str, int]) -> None:
        """Hear what another process has outstanding for batches: nothing here waits for that."""

    def trip(self, replica_id: str, seconds: float) -> None:
        """Open the breaker of a replica, as another process did."""
        replica = self._replicas.get(replica_id)
        if replica is not None and replica.deployment is not None:
            replica.open(seconds, self._clock())
            self._dismiss(replica.deployment)
            self._fill(replica.deployment)

    # What leases do.

    def end(self, replica: ReplicaState, age: int, outcome: Outcome) -> None:
        """Count a request no more, and give its place to who waits for it."""
        replica.own -= 1
        deployment = replica.deployment
        if deployment is None:
            if not replica.own:
                del self._replicas[replica.target.replica_id]
            return
        if outcome is not OK or replica.faults or replica.trying:
            seconds = replica.judge(outcome, age, self._clock())
            if seconds is not None:
                self._dismiss(deployment)
                if self.on_open is not None:
                    self.on_open(replica.target.replica_id, seconds)
        if deployment.line:
            self._fill(deployment)

    def look_again(self, replica: ReplicaState) -> None:
        """Let those who wait have what a replica that is up again has free."""
        if replica.deployment is not None:
            self._fill(replica.deployment)

    def _known(self, deployment: DeploymentState) -> list[ReplicaState]:
        """Return the replicas at a deployment's targets, each once."""
        found: dict[str, ReplicaState] = {}
        for target in deployment.targets:
            replica = self._replicas.get(target.replica_id)
            if replica is None:
                replica = self._replicas[target.replica_id] = ReplicaState(target)
            elif replica.target.url != target.url:
                replica.forget()
            replica.target = target
            replica.deployment = deployment
            self._share_out(replica)
            found[target.replica_id] = replica
        return list(found.values())

    def _part(self, replica: ReplicaState) -> None:
        replica.deployment = None
        replica.forget()
        if not replica.own:
            del self._replicas[replica.target.replica_id]

    def _share_out(self, replica: ReplicaState) -> None:
        """Work out how many requests this process may have at a replica.

        What the others have not taken; but where they wait for it too, and this process has its share, it leaves them theirs:
        else those that hold all places would hand them on within their own line, and the others' would starve.
        """
        replica_id = replica.target.replica_id
        told = [(counts.get(replica_id, 0), wanted.get(replica_id, 0)) for counts, wanted in self._told.values()]
        replica.others = sum(count for count, _ in told)
        free = self._cap - replica.others
        share = -(-self._cap // (1 + sum(1 for _, wants in told if wants)))
        kept = sum(min(wants, max(0, share - count)) for count, wants in told)
        replica.places = max(min(share, free), free - kept)

    def _lease(self, deployment: DeploymentState, without: Collection[Target]) -> Lease | None:
        """Take a free place, where there is one."""
        replicas = deployment.replicas
        start = deployment.turn
        best: ReplicaState | None = None
        least = self._cap
        # Negative indices reach around the end: each is looked at once, beginning with the one whose turn it is.
        for index in range(start - len(replicas), start):
            replica = replicas[index]
            load = replica.own + replica.others
            if load >= least or replica.own >= replica.places or (without and replica.target in without):
                continue
            if replica.shut_until is not None and self._clock() < replica.shut_until:
                continue
            best, least = replica, load
            deployment.turn = index + 1
            if not load:
                break
        if best is None:
            return None
        if deployment.turn < 0:
            deployment.turn += len(replicas)
        best.own += 1
        if best.shut_until is not None:
            best.begin_trial(self._clock())
        return Lease(self, best)

    def _has_up(self, deployment: DeploymentState, without: Collection[Target]) -> bool:
        now = self._clock()
        return any(replica.is_up(now) and replica.target not in without for replica in deployment.replicas)

    async def _wait(self, deployment: DeploymentState, without: Collection[Target], wait_s: float) -> Lease | None:
        if len(deployment.line) >= self._queue:
            raise QueueFull(f"{len(deployment.line)} requests wait already")
        loop = asyncio.get_running_loop()
        place: asyncio.Future[Lease | None] = loop.create_future()
        deployment.line[place] = without
        giving_up = loop.call_later(wait_s, _give_up, deployment, place, wait_s)
        self._arm(deployment)
        try:
            return await place
        except asyncio.CancelledError:
            # It may have got a place in the same moment.
            if place.done() and not place.cancelled() and place.exception() is None:
                lease = place.result()
                if lease is not None:
                    lease.release(Outcome.NEITHER)
            raise
        finally:
            giving_up.cancel()
            deployment.line.pop(place, None)

    def _fill(self, deployment: DeploymentState) -> None:
        """Give what is free to those who wait, the first first."""
        given: list[tuple[asyncio.Future[Lease | None], Lease]] = []
        for place, without in deployment.line.items():
            if place.done():
                continue  # it was cancelled, and leaves by itself
            lease = self._lease(deployment, without)
            if lease is not None:
                given.append((place, lease))
            elif not without:
                break  # nothing is free for anyone
        for place, lease in given:
            del deployment.line[place]
            place.set_result(lease)
        self._arm(deployment)

    def _dismiss(self, deployment: DeploymentState) -> None:
        """Send away whom no replica that is up could answer."""
        lost = [place for place, without in deployment.line.items() if not self._has_up(deployment, without)]
        for place in lost:
            del deployment.line[place]
            if not place.done():
                place.set_result(None)

    def _arm(self, deployment: DeploymentState) -> None:
        """See to it that those who wait hear of the next breaker that lets a trial through."""
        due = math.inf
        if deployment.line:
            now = self._clock()
            shut = (replica.shut_until for replica in deployment.replicas if replica.shut_until is not None)
            due = min((until for until in shut if until > now), default=math.inf)
        if due == deployment.due:
            return
        deployment.due = due
        if deployment.timer is not None:
            deployment.timer.cancel()
            deployment.timer = None
        if due < math.inf:
            loop = asyncio.get_running_loop()
            deployment.timer = loop.call_later(due - self._clock(), self._tick, deployment)

    def _tick(self, deployment: DeploymentState) -> None:
        deployment.timer, deployment.due = None, math.inf
        self._fill(deployment)


def _give_up(deployment: DeploymentState, place: "asyncio.Future[Lease | None]", wait_s: float) -> None:
    if not place.done():
        deployment.line.pop(place, None)
        place.set_exception(QueueSlow(f"no place in {wait_s:g} seconds"))

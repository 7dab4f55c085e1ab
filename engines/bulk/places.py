"""How many lines of batches may be under way at each replica: what interactive traffic leaves free, and no more than the engine
takes without having any wait.

    seats   = the least of BURNISH_REPLICA_REQUESTS and what the engine works on at once
    free    = seats - what gateways have outstanding there - a reserve of an eighth of the seats for what comes next
    mine    = what the other hosts' batches leave of that, and no less than an equal share; 1 where nobody else is there at all
    limit   = what the engine has proved to take: it grows by an eighth each second while it is used up and nothing waits in the
              engine, and falls to what was not waiting when something does; a replica that fails halves it
    places  = min(mine, limit)

A line's part of its replica's time is the difference of an integral, which grows by dt / n while n requests are under way: over
all lines it sums to the time in which there were any, each moment split equally among them.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from engines.serving.router import NOTHING, DeploymentState, Lease, Outcome, ReplicaState, Table, Target

BEGIN = 64
RESERVED = 8
MANY = 1_000_000


class Share:
    """The time of one replica as its requests share it. `n` of them are under way, those of others among them."""

    __slots__ = ("_at", "_n", "shared_s")

    def __init__(self, now: float) -> None:
        self.shared_s = 0.0
        self._n = 0
        self._at = now

    def change(self, n: int, now: float) -> float:
        """Say how many are under way from now on; return the integral until now, in seconds."""
        if self._n:
            self.shared_s += (now - self._at) / self._n
        self._n, self._at = n, now
        return self.shared_s


class Seat:
    """A place that a line has at a replica. Whoever takes one releases it once the line has ended."""

    __slots__ = ("_began_s", "_lease", "_places", "target")

    def __init__(self, places: "Places", lease: Lease, began_s: float) -> None:
        self.target = lease.target
        self._places = places
        self._lease = lease
        self._began_s = began_s

    def release(self, outcome: Outcome) -> float:
        """Give the place back; return the share of the replica's time that it took, in seconds."""
        return self._places.leave(self._lease, self.target, outcome) - self._began_s


class Places(Table):
    """The routing table of a host's batches. Counts of gateways and of other hosts' batches come in by `others` and
    `other_bulk`.
    """

    def __init__(self, *, cap: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(cap=MANY, queue=MANY, clock=clock)
        self._seats_at_most = cap
        self._seats: dict[str, int] = {}
        self._limits: dict[str, int] = {}
        self._shares: dict[str, Share] = {}
        self._told_bulk: dict[str, Mapping[str, int]] = {}
        # Where each place's share begins, from the moment in which it was given until its owner hears of it.
        self._begun: dict[Lease, float] = {}

    def seat(self, deployment_id: str, targets: Sequence[Target], at_once: int) -> None:
        """Replace the replicas of a deployment, each of which works on so many requests at once."""
        for target in targets:
            self._seats[target.replica_id] = min(self._seats_at_most, at_once)
        self.set(deployment_id, targets)
        gone = self._seats.keys() - self._replicas.keys()
        for replica_id in gone:
            for known in (self._seats, self._limits, self._shares):
                known.pop(replica_id, None)

    async def sit(self, deployment_id: str, *, without: Sequence[Target] = (), wait_s: float) -> Seat | None:
        """Return a place at a replica, waiting for it in line; None where no replica is up. QueueSlow after `wait_s`."""
        lease = await self.take(deployment_id, without=without, wait_s=wait_s)
        return None if lease is None else Seat(self, lease, self._begun.pop(lease))

    def end(self, replica: ReplicaState, age: int, outcome: Outcome) -> None:
        super().end(replica, age, outcome)
        if replica.deployment is None and not replica.own:
            self._shares.pop(replica.target.replica_id, None)

    def leave(self, lease: Lease, target: Target, outcome: Outcome) -> float:
        """Give a place back; return the integral of its replica until now."""
        replica_id = target.replica_id
        replica, shares = self._replicas.get(replica_id), self._shares.get(replica_id)
        self._begun.pop(lease, None)
        shared_s = 0.0
        if replica is not None and shares is not None:
            shared_s = shares.change(max(0, replica.own + replica.others - 1), self._clock())
            if outcome in (Outcome.FAULT, Outcome.UNREACHABLE):
                self._limits[replica_id] = max(1, self._limit(replica_id) // 2)
                self._share_out(replica)
        lease.release(outcome)
        return shared_s

    def places(self, deployment_id: str) -> int:
        """Return how many lines may be under way at the replicas of a deployment that are up."""
        deployment = self._deployments.get(deployment_id)
        if deployment is None:
            return 0
        now = self._clock()
        return sum(replica.places for replica in deployment.replicas if replica.is_up(now))

    def measured(self, replica_id: str, waiting: int | None) -> None:
        """Take in how many requests an engine lets wait; null for one that does not say."""
        replica = self._replicas.get(replica_id)
        if replica is None or replica.deployment is None:
            return
        limit = self._limit(replica_id)
        if waiting:
            self._limits[replica_id] = max(1, min(limit, replica.own) - waiting)
        elif replica.own >= min(limit, replica.places):
            self._limits[replica_id] = min(limit + max(1, limit // 8), max(limit, self._seats.get(replica_id, limit)))
        self._share_out(replica)
        self._fill(replica.deployment)

    def other_bulk(self, process: str, counts: Mapping[str, int]) -> None:
        before = self._told_bulk.pop(process, NOTHING)
        if counts:
            self._told_bulk[process] = counts
        for replica_id in {*before, *counts}:
            replica = self._replicas.get(replica_id)
            if replica is not None and replica.deployment is not None:
                self._share_out(replica)
                self._fill(replica.deployment)

    def _limit(self, replica_id: str) -> int:
        return self._limits.get(replica_id, BEGIN)

    def _lease(self, deployment: DeploymentState, without: Collection[Target]) -> Lease | None:
        lease = super()._lease(deployment, without)
        if lease is not None:
            replica_id, now = lease.target.replica_id, self._clock()
            replica = self._replicas[replica_id]
            shares = self._shares.get(replica_id)
            if shares is None:
                shares = self._shares[replica_id] = Share(now)
            self._begun[lease] = shares.change(replica.own + replica.others, now)
        return lease

    def _share_out(self, replica: ReplicaState) -> None:
        replica_id = replica.target.replica_id
        asked = sum(counts.get(replica_id, 0) for counts, _ in self._told.values())
        bulk = [counts[replica_id] for counts in self._told_bulk.values() if replica_id in counts]
        others = asked + sum(bulk)
        if others != replica.others:
            replica.others = others
            shares = self._shares.get(replica_id)
            if shares is not None:
                shares.change(replica.own + others, self._clock())
        seats = self._seats.get(replica_id, 1)
        free = seats - asked - max(1, seats // RESERVED)
        mine = max(free - sum(bulk), free // (1 + len(bulk)))
        least = 1 if not asked and not bulk else 0
        replica.places = max(least, min(mine, self._limit(replica_id)))

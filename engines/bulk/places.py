"""How many lines of batches may be under way at each replica: what interactive traffic leaves free, and no more than the engine
takes without having any wait; and which of the lines that wait is next.

    seats   = the least of BURNISH_REPLICA_REQUESTS and what the engine works on at once
    free    = seats - what gateways have outstanding there - a reserve of an eighth of the seats, at least one
    mine    = what the other hosts' batches leave of that, and no less than an equal share
    limit   = what the engine has proved to take: it grows by an eighth each second while it is used up and nothing waits in the
              engine, falls by our part of what waits there, and is halved by a fault or a 429; what was sent before such a cut
              and fails after it halves nothing again
    places  = min(mine, limit), and 1 at least where no interactive traffic is

Batches of a deployment take turns, and the lines of one are in order. A line's part of its replica's time is the difference of an
integral, which grows by dt / n while n requests are under way: over all of them it sums to the time in which there were any,
each moment split equally.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Mapping, Sequence

from engines.serving.router import NOTHING, DeploymentState, Lease, Outcome, ReplicaState, Table, Target

BEGIN = 64
RESERVED = 8
MANY = 1_000_000
AT_FAULT = (Outcome.FAULT, Outcome.UNREACHABLE)
Place = asyncio.Future[Lease | None]


class Room:
    """What is known of a replica besides its counts. `cuts` counts how often `limit` was cut, `shared_s` is the integral."""

    __slots__ = ("_at", "_n", "cuts", "is_cut", "limit", "seats", "shared_s")

    def __init__(self, seats: int, now: float) -> None:
        self.seats = seats
        self.limit = min(BEGIN, seats)
        self.cuts = 0
        self.is_cut = False
        self.shared_s = 0.0
        self._n = 0
        self._at = now

    def change(self, n: int, now: float) -> float:
        """Say how many requests are under way from now on; return the integral until now, in seconds."""
        if self._n:
            self.shared_s += (now - self._at) / self._n
        self._n, self._at = n, now
        return self.shared_s

    def cut(self, limit: int) -> None:
        self.limit = max(1, min(self.limit, limit))
        self.cuts += 1
        self.is_cut = True

    def grow(self, *, used_up: bool) -> None:
        """Take a second in which nothing was wrong; not the one of a cut."""
        if used_up and not self.is_cut:
            self.limit = min(self.limit + max(1, self.limit // 8), max(self.limit, self.seats))
        self.is_cut = False


class Seat(Lease):
    """A place that a line has at a replica. Whoever takes one leaves it once the line has ended."""

    __slots__ = ("_began_s", "_cuts", "_places", "_room")

    def __init__(self, places: "Places", replica: ReplicaState, room: Room, began_s: float) -> None:
        super().__init__(places, replica)
        self._places = places
        self._room = room
        self._cuts = room.cuts
        self._began_s = began_s

    def leave(self, outcome: Outcome, *, refused: bool = False) -> float:
        """Give the place back; return the share of the replica's time that it took, in seconds, and 0 for any call but the first.

        `refused` says that the replica would not have this many (429).
        """
        replica = self._replica
        if replica is None:
            return 0.0
        room = self._room
        # A trial says nothing new: an outage, however long, is one reason.
        if (refused or outcome in AT_FAULT) and self._cuts == room.cuts and not replica.trying:
            room.cut(room.limit // 2)
            self._places.share_out(replica)
        shared_s = self._places.shared(replica, room, less=1) - self._began_s
        super().release(outcome)
        return shared_s

    def release(self, outcome: Outcome) -> None:
        self.leave(outcome)


class Waiting(DeploymentState):
    """`queues` are the places that lines wait for by batch, the one whose turn it is first; whoever has left stays in them, but
    not in `line`.
    """

    __slots__ = ("queues",)

    def __init__(self) -> None:
        super().__init__()
        self.queues: OrderedDict[str, deque[Place]] = OrderedDict()

    def join(self, place: Place, batch_id: str) -> None:
        self.line[place] = ()
        queue = self.queues.get(batch_id)
        if queue is None:
            queue = self.queues[batch_id] = deque()
        queue.append(place)

    def next(self) -> Place | None:
        """Return who is next, and leave it where it is."""
        while self.queues:
            batch_id, queue = next(iter(self.queues.items()))
            while queue:
                if queue[0] in self.line and not queue[0].done():
                    return queue[0]
                queue.popleft()
            del self.queues[batch_id]
        return None

    def serve(self, place: Place, lease: Lease) -> None:
        """Give a place to the one who is next, and the turn to the next batch."""
        batch_id, queue = next(iter(self.queues.items()))
        queue.popleft()
        if queue:
            self.queues.move_to_end(batch_id)
        else:
            del self.queues[batch_id]
        del self.line[place]
        place.set_result(lease)

    def part(self, place: Place) -> None:
        self.line.pop(place, None)
        if not self.line:
            self.queues.clear()


class Places(Table):
    """The routing table of a host's batches. Counts of gateways come in by `others`, those of other hosts' by `other_bulk`."""

    state = Waiting

    def __init__(self, *, cap: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(cap=MANY, queue=MANY, clock=clock)
        self._seats_at_most = cap
        self._rooms: dict[str, Room] = {}
        self._told_bulk: dict[str, Mapping[str, int]] = {}

    def seat(self, deployment_id: str, targets: Sequence[Target], at_once: int) -> None:
        """Replace the replicas of a deployment, each of which works on so many requests at once."""
        seats, changed = min(self._seats_at_most, at_once), []
        for target in targets:
            room = self._rooms.get(target.replica_id)
            if room is None:
                self._rooms[target.replica_id] = Room(seats, self._clock())
            elif room.seats != seats:
                room.seats = seats
                changed.append(target.replica_id)
        self.set(deployment_id, targets)
        for replica_id in changed:
            self._look_at(replica_id)
        for replica_id in self._rooms.keys() - self._replicas.keys():
            del self._rooms[replica_id]

    async def sit(self, deployment_id: str, batch_id: str) -> Seat | None:
        """Return a place at a replica, waiting for it in line; None where no replica is up."""
        deployment = self._deployments.get(deployment_id)
        if deployment is None:
            return None
        if deployment.line and self._clock() >= deployment.due:
            self._fill(deployment)
        lease = self._lease(deployment, ())
        if lease is None and self._has_up(deployment, ()):
            lease = await self._stand(deployment, batch_id)
        assert lease is None or isinstance(lease, Seat)
        return lease

    def places(self, deployment_id: str) -> int:
        """Return how many lines may be under way at the replicas of a deployment that are up."""
        deployment = self._deployments.get(deployment_id)
        if deployment is None:
            return 0
        now = self._clock()
        return sum(replica.places for replica in deployment.replicas if replica.is_up(now))

    def measured(self, replica_id: str, waiting: int) -> None:
        """Take in how many requests a replica lets wait, each second: our part of them is too many."""
        replica, room = self._replicas.get(replica_id), self._rooms.get(replica_id)
        if replica is None or room is None:
            return
        if waiting:
            ours = -(-waiting * replica.own // max(1, replica.own + replica.others))
            room.cut(replica.own - ours)
        else:
            room.grow(used_up=replica.own >= replica.places)
        self._look_at(replica_id)

    def other_bulk(self, process: str, counts: Mapping[str, int]) -> None:
        before = self._told_bulk.pop(process, NOTHING)
        if counts:
            self._told_bulk[process] = counts
        for replica_id in {*before, *counts}:
            self._look_at(replica_id)

    def share_out(self, replica: ReplicaState) -> None:
        """Work out how many lines may be under way at a replica."""
        self._share_out(replica)

    def shared(self, replica: ReplicaState, room: Room, *, less: int = 0) -> float:
        """Return the integral of a replica until now; from now on it has what is counted, but for `less`."""
        return room.change(replica.own + replica.others - less, self._clock())

    def _look_at(self, replica_id: str) -> None:
        replica = self._replicas.get(replica_id)
        if replica is not None:
            self._share_out(replica)
            if replica.deployment is not None:
                self._fill(replica.deployment)

    def _share_out(self, replica: ReplicaState) -> None:
        replica_id = replica.target.replica_id
        room = self._rooms.get(replica_id)
        if room is None:
            return
        asked = sum(counts.get(replica_id, 0) for counts, _ in self._told.values())
        bulk = [counts[replica_id] for counts in self._told_bulk.values() if replica_id in counts]
        others = asked + sum(bulk)
        if others != replica.others:
            replica.others = others
            self.shared(replica, room)
        free = max(0, room.seats - asked - max(1, room.seats // RESERVED))
        mine = max(free - sum(bulk), free // (1 + len(bulk)))
        replica.places = max(0 if asked else 1, min(mine, room.limit))

    def _lease(self, deployment: DeploymentState, without: Collection[Target]) -> Lease | None:
        lease = super()._lease(deployment, without)
        if lease is None:
            return None
        replica_id = lease.target.replica_id
        replica, room = self._replicas[replica_id], self._rooms[replica_id]
        return Seat(self, replica, room, self.shared(replica, room))

    async def _stand(self, deployment: DeploymentState, batch_id: str) -> Lease | None:
        assert isinstance(deployment, Waiting)
        place: Place = asyncio.get_running_loop().create_future()
        deployment.join(place, batch_id)
        self._arm(deployment)
        try:
            return await place
        except asyncio.CancelledError:
            # It may have got a place in the same moment.
            if place.done() and not place.cancelled() and (lease := place.result()) is not None:
                lease.release(Outcome.NEITHER)
            raise
        finally:
            deployment.part(place)

    def _fill(self, deployment: DeploymentState) -> None:
        assert isinstance(deployment, Waiting)
        while (place := deployment.next()) is not None:
            lease = self._lease(deployment, ())
            if lease is None:
                break
            deployment.serve(place, lease)
        self._arm(deployment)

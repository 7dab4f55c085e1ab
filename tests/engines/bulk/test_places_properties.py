"""Whatever comes, fails, is counted elsewhere and changes in whatever order: what is promised of places holds after each step."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from math import isclose
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.bulk.places import BEGIN, RESERVED, Places, Seat
from engines.serving.router import Outcome, Target
from tests.engines.serving import virtual_time
from tests.engines.serving.virtual_time import VirtualLoop, settled

CAP = 6
ALL = [Target(f"rep_{name}", f"http://127.0.0.1/{name}") for name in "abc"]
counts = st.dictionaries(st.sampled_from([target.replica_id for target in ALL]), st.integers(1, 8))
which = st.integers(0, 30)
arrival = st.tuples(st.just("arrive"), st.sampled_from(["one", "two", "three"]))
STEPS = st.one_of(
    *[arrival] * 4,
    st.tuples(st.just("end"), which, st.sampled_from(Outcome), st.booleans()),
    *[st.tuples(st.just("end"), which, st.just(Outcome.OK), st.just(False))] * 3,
    st.tuples(st.just("cancel"), which),
    st.tuples(st.just("end_and_cancel"), which, which),
    st.tuples(st.just("seat"), st.lists(st.sampled_from(ALL), unique=True), st.integers(1, 9)),
    st.tuples(st.just("gateway"), st.sampled_from(["p", "q"]), counts),
    st.tuples(st.just("host"), st.sampled_from(["h", "i"]), counts),
    st.tuples(st.just("measure"), st.sampled_from(ALL), st.integers(0, 6)),
    st.tuples(st.just("trip"), st.sampled_from(ALL), st.sampled_from([0.5, 3.0])),
    st.tuples(st.just("time"), st.sampled_from([0.1, 0.5, 2.0, 11.0])),
)


@dataclass(eq=False)
class Line:
    number: int
    batch_id: str
    task: "asyncio.Task[None] | None" = None
    seat: Seat | None = None
    found: str = "waits"


class World:
    """`used` is what lines should be told of each replica's time, `told` what they were."""

    def __init__(self) -> None:
        self.table = Places(cap=CAP, clock=virtual_time.now)
        self.targets: list[Target] = []
        self.at_once = 1
        self.lines: list[Line] = []
        self.gateways: dict[str, dict[str, int]] = {}
        self.hosts: dict[str, dict[str, int]] = {}
        self.used: defaultdict[str, float] = defaultdict(float)
        self.told = 0.0
        self.at = virtual_time.now()
        # How many more places one batch got than another that has waited all the while.
        self.ahead: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.fresh: list[Line] = []

    def having(self, found: str) -> list[Line]:
        return [line for line in self.lines if line.found == found]

    def own(self, replica_id: str) -> int:
        return sum(line.seat is not None and line.seat.target.replica_id == replica_id for line in self.having("runs"))

    def asked(self, replica_id: str) -> int:
        return sum(said.get(replica_id, 0) for said in self.gateways.values())

    def bulk(self, replica_id: str) -> int:
        return sum(said.get(replica_id, 0) for said in self.hosts.values())

    def account(self) -> None:
        """Take in the time until now, in which nothing has changed."""
        now = virtual_time.now()
        for target in ALL:
            own, others = self.own(target.replica_id), self.asked(target.replica_id) + self.bulk(target.replica_id)
            if own:
                self.used[target.replica_id] += (now - self.at) * own / (own + others)
        self.at = now

    async def step(self, name: str, *details: Any) -> None:
        self.fresh = []
        self.account()
        await getattr(self, name)(*details)
        await settled()
        self.judge()

    async def arrive(self, batch_id: str) -> None:
        line = Line(len(self.lines), batch_id)
        self.lines.append(line)

        async def sit() -> None:
            seat = await self.table.sit("dep", batch_id)
            self.account()
            line.seat, line.found = seat, "runs" if seat else "none"
            self._got(line)

        line.task = asyncio.create_task(sit())
        await settled()

    def _got(self, line: Line) -> None:
        self.fresh.append(line)
        if line.seat is None:
            return
        waiting = {other.batch_id for other in self.having("waits")} - {line.batch_id}
        for other in list(self.ahead):
            if other[1] not in waiting and other[1] != line.batch_id:
                del self.ahead[other]
        for batch_id in waiting:
            self.ahead[line.batch_id, batch_id] += 1
            self.ahead[batch_id, line.batch_id] = 0
            assert self.ahead[line.batch_id, batch_id] <= 2, "a batch waits longer than its turn"

    async def end(self, index: int, outcome: Outcome, refused: bool) -> None:
        if running := self.having("runs"):
            line = running[index % len(running)]
            assert line.seat is not None
            line.found = "ended"
            self.told += line.seat.leave(outcome, refused=refused)
            assert line.seat.leave(Outcome.FAULT) == 0.0

    async def cancel(self, index: int) -> None:
        if waiting := self.having("waits"):
            line = waiting[index % len(waiting)]
            assert line.task is not None
            line.task.cancel()
            line.found = "left"

    async def end_and_cancel(self, index: int, whom: int) -> None:
        """A place becomes free in the moment in which a line that waits is cancelled, which may have got it."""
        await self.end(index, Outcome.OK, False)
        await self.cancel(whom)

    async def seat(self, targets: list[Target], at_once: int) -> None:
        self.targets, self.at_once = targets, at_once
        self.table.seat("dep", targets, at_once)

    async def gateway(self, process: str, said: dict[str, int]) -> None:
        self.gateways[process] = said
        self.table.others(process, said)

    async def host(self, process: str, said: dict[str, int]) -> None:
        self.hosts[process] = said
        self.table.other_bulk(process, said)

    async def measure(self, target: Target, waiting: int) -> None:
        self.table.measured(target.replica_id, waiting)

    async def trip(self, target: Target, seconds: float) -> None:
        self.table.trip(target.replica_id, seconds)

    async def time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.account()

    def judge(self) -> None:
        table, waiting = self.table, self.having("waits")
        assert table.waiting("dep") == len(waiting)
        assert table.counts() == {target.replica_id: own for target in ALL if (own := self.own(target.replica_id))}
        for line in self.fresh:
            assert all(other.batch_id != line.batch_id for other in waiting if other.number < line.number), "out of order"
            if line.seat is None:
                assert not any(table.is_up(target) for target in self.targets)
        for target in {line.seat.target for line in self.fresh if line.seat is not None and line.found == "runs"}:
            assert self.own(target.replica_id) <= self.most(target.replica_id), "too many"
        if waiting:
            assert any(table.is_up(target) for target in self.targets), "waits for nothing"
        for target in self.targets if waiting else []:
            replica = table._replicas[target.replica_id]
            is_open = replica.shut_until is None or replica.shut_until <= virtual_time.now()
            assert not is_open or self.own(target.replica_id) >= replica.places, "waits while a place is free"
            assert replica.places >= 1 or self.asked(target.replica_id), "nothing is asked of an idle replica"

    def most(self, replica_id: str) -> int:
        """How many lines there may be at most at a replica."""
        seats, asked = min(CAP, self.at_once), self.asked(replica_id)
        free = max(0, seats - asked - max(1, seats // RESERVED))
        hosts = [said[replica_id] for said in self.hosts.values() if replica_id in said]
        return max(0 if asked else 1, min(BEGIN, max(free - sum(hosts), free // (1 + len(hosts)))))


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=50))
def test_the_promises_hold_after_each_step(steps: list[tuple[Any, ...]]) -> None:
    async def live() -> None:
        world = World()
        await world.step("seat", ALL[:2], 4)
        for name, *details in steps:
            await world.step(name, *details)
        await end(world)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live())


async def end(world: World) -> None:
    """All end what they have begun; nothing is left, and each moment of a replica was some line's."""
    for process in ("p", "q"):
        await world.step("gateway", process, {})
    for process in ("h", "i"):
        await world.step("host", process, {})
    async with asyncio.timeout(10_000):
        while world.having("waits") or world.having("runs"):
            while world.having("runs"):
                await world.step("end", 0, Outcome.OK, False)
            await world.step("time", 1.0)
    await world.step("seat", [], 1)
    table = world.table
    assert (table.counts(), table._deployments, table._replicas, table._rooms) == ({}, {}, {}, {})
    assert virtual_time.timers() == 0
    assert isclose(world.told, sum(world.used.values()), rel_tol=1e-9, abs_tol=1e-9)

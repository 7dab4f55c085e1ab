"""Whatever comes, leaves, fails and changes in whatever order: the promises of the routing table hold after each step."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.serving.router import Lease, Outcome, QueueFull, QueueSlow, Table, Target
from tests.engines.serving import virtual_time
from tests.engines.serving.virtual_time import VirtualLoop, settled

CAP, QUEUE = 2, 5
ALL = [Target(f"rep_{name}", f"http://127.0.0.1/{name}") for name in "abc"]
some = st.lists(st.sampled_from(ALL), unique=True)
counts = st.dictionaries(st.sampled_from([target.replica_id for target in ALL]), st.integers(1, 4))
which = st.integers(0, 30)
STEPS = st.one_of(
    st.tuples(st.just("arrive"), st.one_of(st.just([]), some), st.sampled_from([0.3, 5.0, 100.0])),
    st.tuples(st.just("arrive"), st.just([]), st.just(100.0)),
    st.tuples(st.just("arrive"), st.just([]), st.just(100.0)),
    st.tuples(st.just("arrive"), st.just([]), st.just(100.0)),
    st.tuples(st.just("end"), which, st.sampled_from(Outcome)),
    st.tuples(st.just("end"), which, st.just(Outcome.OK)),
    st.tuples(st.just("end_and_cancel"), which, which),
    st.tuples(st.just("cancel"), which),
    st.tuples(st.just("answer"), which),
    st.tuples(st.just("set"), some),
    st.tuples(st.just("others"), st.sampled_from(["one", "two"]), counts),
    st.tuples(st.just("trip"), st.sampled_from(ALL), st.sampled_from([0.5, 3.0])),
    st.tuples(st.just("pass"), st.sampled_from([0.1, 0.5, 2.0, 11.0])),
)


@dataclass(eq=False)
class Request:
    """A request as its caller sees it: waiting, refused, sent away, or with a lease that it has not released."""

    number: int
    without: Collection[Target]
    task: "asyncio.Task[Lease | None]"
    began: float
    wait_s: float
    found: str = "waits"
    lease: Lease | None = None


class World:
    def __init__(self) -> None:
        self.table = Table(cap=CAP, queue=QUEUE, clock=virtual_time.now)
        self.targets: list[Target] = []
        self.requests: list[Request] = []
        self.told: dict[str, dict[str, int]] = {}

    def waiting(self) -> list[Request]:
        return [request for request in self.requests if request.found == "waits"]

    def running(self) -> list[Request]:
        return [request for request in self.requests if request.found == "runs"]

    def others(self, target: Target) -> int:
        return sum(told.get(target.replica_id, 0) for told in self.told.values())

    def own(self, target: Target) -> int:
        """Count what the callers know of."""
        return sum(request.lease is not None and request.lease.target == target for request in self.running())

    def is_up(self, target: Target) -> bool:
        return self.table._replicas[target.replica_id].is_up(virtual_time.now())

    def is_open_to(self, target: Target) -> bool:
        shut_until = self.table._replicas[target.replica_id].shut_until
        return shut_until is None or shut_until <= virtual_time.now()

    async def step(self, name: str, *details: Any) -> None:
        waited, now = len(self.waiting()), virtual_time.now()
        before = set(self.running())
        await getattr(self, name)(*details)
        await settled()
        self._look(waited, now)
        self._judge(sorted(set(self.running()) - before, key=lambda request: request.number))

    async def arrive(self, without: list[Target], wait_s: float) -> None:
        task = asyncio.create_task(self.table.take("dep", without=without, wait_s=wait_s))
        self.requests.append(Request(len(self.requests), without, task, virtual_time.now(), wait_s))

    async def end(self, index: int, outcome: Outcome) -> None:
        if running := self.running():
            request = running[index % len(running)]
            assert request.lease is not None
            request.lease.release(outcome)
            request.lease.release(Outcome.UNREACHABLE)
            request.found = "ended"

    async def cancel(self, index: int) -> None:
        if waiting := self.waiting():
            waiting[index % len(waiting)].task.cancel()

    async def end_and_cancel(self, index: int, whom: int) -> None:
        """A place becomes free in the moment in which somebody who waits leaves, who may have got it."""
        await self.end(index, Outcome.OK)
        await self.cancel(whom)

    async def answer(self, index: int) -> None:
        if running := self.running():
            lease = running[index % len(running)].lease
            assert lease is not None
            lease.answered()

    async def set(self, targets: list[Target]) -> None:
        self.targets = targets
        self.table.set("dep", targets)

    async def others_say(self, process: str, said: dict[str, int]) -> None:
        self.told[process] = said
        self.table.others(process, said)

    async def trip(self, target: Target, seconds: float) -> None:
        self.table.trip(target.replica_id, seconds)

    async def time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _look(self, waited: int, began: float) -> None:
        """Take in how the tasks of requests have ended."""
        for request in self.waiting():
            task = request.task
            if not task.done():
                continue
            if task.cancelled():
                request.found = "left"
            elif isinstance(task.exception(), QueueSlow):
                request.found = "slow"
                assert began <= request.began + request.wait_s <= virtual_time.now()
            elif isinstance(task.exception(), QueueFull):
                request.found = "full"
                assert waited >= QUEUE
            else:
                request.lease = task.result()
                request.found = "runs" if request.lease else "none"
                if request.lease is None:
                    assert not any(self.is_up(target) for target in self.targets if target not in request.without)

    def _judge(self, fresh: list[Request]) -> None:
        table, waiting = self.table, self.waiting()
        assert table.waiting("dep") == len(waiting) <= QUEUE
        assert table.counts() == {target.replica_id: count for target in ALL if (count := self.own(target))}
        for request in fresh:
            assert request.lease is not None
            target = request.lease.target
            # Never over the cap, never somebody who had not asked for it, and nobody overtakes who could have used it.
            assert self.own(target) + self.others(target) <= CAP
            assert target not in request.without
            assert all(target in other.without for other in waiting if other.number < request.number)
        for request in waiting:
            wanted = [target for target in self.targets if target not in request.without]
            assert any(self.is_up(target) for target in wanted), "waits for nothing"
            free = [target for target in wanted if self.own(target) + self.others(target) < CAP and self.is_open_to(target)]
            assert free == [], "waits while a place is free"


NAMES = {"others": "others_say", "pass": "time"}


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_the_promises_hold_after_each_step(steps: list[tuple[Any, ...]]) -> None:
    async def live() -> None:
        world = World()
        await world.step("set", ALL[:2])
        for name, *details in steps:
            await world.step(NAMES.get(name, name), *details)
        await end(world)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live())


async def end(world: World) -> None:
    """All end what they have begun, and nothing is left."""
    for process in list(world.told):
        await world.step("others_say", process, {})
    async with asyncio.timeout(10_000):
        while world.waiting() or world.running():
            while world.running():
                await world.step("end", 0, Outcome.OK)
            await world.step("time", 1.0)
    await world.step("set", [])
    table = world.table
    assert (table.counts(), table.wanted(), table._deployments, table._replicas, table._told) == ({}, {}, {}, {}, {})
    assert virtual_time.timers() == 0


@settings(max_examples=60, deadline=None)
@given(
    cap=st.integers(1, 9),
    steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["arrive", "end"])), max_size=80),
)
def test_processes_that_share_a_replica_leave_no_place_free_that_somebody_waits_for(
    cap: int, steps: list[tuple[int, str]]
) -> None:
    """Three processes that hear of each other at once."""

    async def live() -> None:
        tables = [Table(cap=cap, queue=100, clock=virtual_time.now) for _ in range(3)]
        leases: list[list[Lease]] = [[], [], []]
        tasks: list[set[asyncio.Task[Lease | None]]] = [set(), set(), set()]
        for table in tables:
            table.set("dep", ALL[:1])

        def tell(index: int) -> None:
            """Before anybody else hears of a place that is free, whoever got it tells."""
            for other, table in enumerate(tables):
                if other != index:
                    before = table.counts()
                    table.others(str(index), tables[index].counts(), tables[index].wanted())
                    if table.counts() != before:
                        tell(other)

        for index, name in steps:
            if name == "arrive":
                tasks[index].add(asyncio.create_task(tables[index].take("dep", wait_s=1e6)))
            elif leases[index]:
                leases[index].pop().release(Outcome.OK)
            await settled()
            for _ in range(3):
                for told in range(3):
                    tell(told)
            await settled()
            for its, done in zip(leases, tasks, strict=True):
                for task in [task for task in done if task.done()]:
                    done.discard(task)
                    lease = task.result()
                    assert lease is not None
                    its.append(lease)
            total, waiting = sum(map(len, leases)), sum(map(len, tasks))
            assert total <= cap and (total == cap or not waiting)
        for task in set[Any]().union(*tasks):
            task.cancel()
        await settled()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(live())

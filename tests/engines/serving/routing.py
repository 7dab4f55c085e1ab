"""A routing table in virtual time, and those who take places from it."""

import asyncio
from collections.abc import Collection

from engines.serving.router import Lease, Table, Target
from tests.engines.serving import virtual_time
from tests.engines.serving.virtual_time import settled

A, B, C = (Target(f"rep_{name}", f"http://127.0.0.1/{name}") for name in "abc")


def table(*targets: Target, cap: int = 100, queue: int = 100) -> Table:
    made = Table(cap=cap, queue=queue, clock=virtual_time.now)
    made.set("dep", targets)
    return made


async def took(made: Table, without: Collection[Target] = ()) -> Lease:
    lease = await made.take("dep", without=without, wait_s=0)
    assert lease is not None
    return lease


async def waiting(made: Table, wait_s: float = 60.0, without: Collection[Target] = ()) -> "asyncio.Task[Lease | None]":
    task = asyncio.create_task(made.take("dep", without=without, wait_s=wait_s))
    await settled()
    assert not task.done()
    return task


async def target_of(task: "asyncio.Task[Lease | None]") -> Target | None:
    await settled()
    assert task.done()
    lease = task.result()
    return lease.target if lease else None

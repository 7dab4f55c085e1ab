"""A job whose metrics are a random walk, in an installation of its own: `python -m benchmarks.metrics_run build|read|check HOME`.

`build` writes it through the stream and its packing as a host does, `read` draws it in this fresh process and prints the
CPU-seconds of each time, `check` reads every value again and compares it with what was written. Each prints JSON.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from burnish.kit import clock, ids, logging, stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from models import migrations
from models.dataset import Dataset
from models.job import Job
from models.reward_function import RewardFunction
from resolvers import accounts, metrics
from resolvers.auth import authenticate
from resolvers.context import Context, Platform
from resolvers.inference import Gateway

KEYS = [f"metric_{index}" for index in range(8)]
STEPS = 1_000_000
PER_FLUSH = 500
POINTS = 500
READS = 9


@asynccontextmanager
async def installation(home: Path) -> AsyncIterator[Core]:
    core = Core(Settings(home=home, cpu_fallback=True, log_level="warning"))
    try:
        yield core
    finally:
        await core.close()


def prepare(home: Path) -> None:
    """Make the database of an empty installation."""
    settings = Settings(home=home)
    settings.prepare_home()
    migrations.upgrade(settings.database)


async def new_job(core: Core) -> tuple[str, str]:
    """Return a job of a new account, and the account's key."""
    account, key = await accounts.create(core, f"bench-{ids.new('x')[-8:].lower()}")
    made: dict[str, Any] = {"account_id": account.id, "created_at": clock.now()}
    dataset = Dataset(id=ids.new("ds"), name="d", columns=[], size_bytes=1, sha256="", storage_key="k", **made)
    reward = RewardFunction(id=ids.new("rf"), name="r", source="", sha256="", **made)
    job = Job(
        id=ids.new("job"),
        base_model="m",
        dataset_id=dataset.id,
        reward_function_id=reward.id,
        output_name="o",
        hyperparameters={},
        hyperparameters_defaulted=[],
        gpu_requested={"type": "CPU", "count": 1},
        checkpoint_destination={},
        updated_at=clock.now(),
        **made,
    )
    async with core.db.transaction() as session:
        session.add(dataset)
        session.add(reward)
        await session.flush()
        session.add(job)
    return job.id, key


def walk(steps: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of the run, a flush at a time."""
    rng = np.random.default_rng(7)
    last = np.zeros(len(KEYS))
    for start in range(0, steps, PER_FLUSH):
        values = last + np.cumsum(rng.normal(size=(PER_FLUSH, len(KEYS))), axis=0)
        last = values[-1]
        yield [
            {"step": start + index + 1, "values": dict(zip(KEYS, row, strict=True))} for index, row in enumerate(values.tolist())
        ]


async def build(home: Path) -> dict[str, Any]:
    await asyncio.to_thread(prepare, home)
    async with installation(home) as core:
        job_id, key = await new_job(core)
        before = await _file_bytes(core)
        waiting = 0
        for rows in walk(STEPS):
            async with core.db.transaction() as session:
                row = await session.get_one(Job, job_id)
                row.take_metrics(rows)
                session.add(row)
                await stream.append(session, job_id, "metrics", rows, attempt=1)
            waiting += len(rows)
            if waiting >= stream.COMPACT_ROWS:
                await stream.pack(core.db, job_id, "metrics")
                waiting = 0
        await stream.pack(core.db, job_id, "metrics", ended=True)
        size = await _file_bytes(core) - before
    (home / "run.json").write_text(json.dumps({"job_id": job_id, "key": key}))
    return {"bytes_per_value": size / (STEPS * len(KEYS))}


async def _file_bytes(core: Core) -> int:
    """Return the size of the database, with nothing of it left in the log."""
    async with core.db.engine.connect() as connection:
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return sum(path.stat().st_size for path in core.settings.home.glob("burnish.db*"))


async def read(home: Path) -> dict[str, Any]:
    run = json.loads((home / "run.json").read_text())
    async with installation(home) as core:
        caller = await authenticate(core, run["key"])
        scopes = frozenset(caller.key.scopes)
        ctx = Context(Platform(core, Gateway(core)), caller.account, caller.key, "req_bench", None, scopes)
        columns, points = [], []
        for _ in range(READS):
            start = time.process_time()
            drawn = await metrics.columns(ctx, run["job_id"], max_points=POINTS)
            columns.append(time.process_time() - start)
            assert [len(column.steps) for column in drawn] == [POINTS] * len(KEYS)
            start = time.process_time()
            found = await metrics.read(ctx, run["job_id"], max_points=POINTS)
            points.append(time.process_time() - start)
            assert len(found.points) == POINTS
        await ctx.platform.gateway.close()
    return {"columns_s": statistics.median(columns), "points_s": statistics.median(points), "first_s": columns[0]}


async def check(home: Path) -> dict[str, Any]:
    run = json.loads((home / "run.json").read_text())
    same, after = 0, 0
    async with installation(home) as core, core.db.read() as session:
        for rows in walk(STEPS):
            found = await stream.read(session, run["job_id"], "metrics", after=after, limit=len(rows))
            same += sum(len(row["values"]) for row, other in zip(rows, found, strict=True) if row == other.data)
            after = found[-1].seq
    return {"exact_values": same}


if __name__ == "__main__":
    logging.configure("warning")
    what = {"build": build, "read": read, "check": check}[sys.argv[1]]
    print(json.dumps(asyncio.run(what(Path(sys.argv[2])))))

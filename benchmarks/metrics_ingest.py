"""Metrics on their way in: `python -m benchmarks.metrics_ingest host HOME STEPS` is our host process, `child FD STEPS` the child
that reports to it.

The host does what it does for any job: it reads the child's lines, coalesces them, writes them under its lease, tells the broker,
and packs them. It prints the CPU-seconds that it took, once the last value is packed.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.metrics_run import installation, new_job, prepare, walk
from burnish.kit import logging, stream
from burnish.kit.core import Core
from engines import protocol
from engines.compute.hardware import Shape
from engines.compute.local import Inventory, Placement
from engines.jobs import JobRun, _Session
from engines.spawn import Child, _reader


class Reporting(JobRun):
    """A job whose child does nothing but report metrics."""

    steps = 0
    cpu_s = 0.0

    async def work(self) -> None:
        started = time.process_time()
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "benchmarks.metrics_ingest", "child", str(writing), str(self.steps)]
        process = await asyncio.create_subprocess_exec(*command, pass_fds=[writing])
        os.close(writing)
        child = Child(process, await _reader(reading))
        await _Session(self, self.settings.work)._listen(child)
        await child.wait()
        await self._finish(None)
        self.cpu_s = time.process_time() - started


async def host(home: Path, steps: int) -> dict[str, float]:
    await asyncio.to_thread(prepare, home)
    async with installation(home) as core:
        job_id, _ = await new_job(core)
        run = Reporting(core, Inventory(core.settings), job_id, "bench", Placement(Shape("CPU", 1), (), 0))
        run.steps = steps
        await run.run()
        return {"cpu_s": run.cpu_s, "values": await _stored(core, job_id, steps)}


async def _stored(core: Core, job_id: str, steps: int) -> int:
    """Return how many values can be read again, each as it was reported."""
    same, reported = 0, (row for rows in walk(steps) for row in rows)
    async with core.db.read() as session:
        async for found in stream.read_all(session, job_id, "metrics"):
            same += sum(len(row.data["values"]) for row in found if row.data == next(reported))
    return same


def child(fd: int, steps: int) -> None:
    reporter = protocol.Reporter(os.fdopen(fd, "wb"), sys.stdin.buffer)
    for rows in walk(steps):
        for row in rows:
            reporter.metrics(row["step"], row["values"])


if __name__ == "__main__":
    logging.configure("warning")
    if sys.argv[1] == "child":
        child(int(sys.argv[2]), int(sys.argv[3]))
    else:
        print(json.dumps(asyncio.run(host(Path(sys.argv[2]), int(sys.argv[3])))))

"""Lets a job report metrics at a steady rate until it is stopped: `python -m benchmarks.dashboard_producer JOB RATE`.

It writes what a host writes, a transaction and its publication for each step, and says `reporting` after the first.
"""

import asyncio
import math
import sys
import time

import uvloop

from burnish.kit import clock, stream
from burnish.kit.core import Core, opened
from burnish.kit.settings import Settings
from models import account, dataset, job, reward_function
from models.job import Job

# What a job refers to must be known before it can be written.
REFERRED = (account.Account, dataset.Dataset, reward_function.RewardFunction)
HISTORY = 5000
PER_FLUSH = 500
COMPONENTS = ("correct", "format", "brevity")
KEYS = (
    *("reward", "reward_std", "reward_group_std", "reward_none_fraction", "frac_reward_zero_std"),
    *(
        "frac_reward_all_pass",
        "frac_reward_all_fail",
        "kl",
        "entropy",
        "grad_norm",
        "loss",
        "learning_rate",
        "num_tokens",
        "epoch",
    ),
    *(f"rewards/{name}/{what}" for name in COMPONENTS for what in ("mean", "std", "group_std")),
    *(f"completions/{what}_length" for what in ("mean", "min", "max")),
    *(f"completions/{what}" for what in ("mean_terminated_length", "clipped_ratio")),
    *(f"clip_ratio/{what}_mean" for what in ("region", "low", "high")),
    *("step_time", "generate_time", "score_time", "update_time"),
)


def row(step: int) -> stream.Data:
    """Return a step's metrics: smooth, and different by key."""
    values = {key: 0.5 + 0.4 * math.sin(step / (40 + 7 * index)) for index, key in enumerate(KEYS)}
    return {"step": step, "values": {**values, "num_tokens": 1000.0 * step}}


async def write(core: Core, job_id: str, rows: list[stream.Data]) -> None:
    async with core.db.transaction() as session:
        found = await session.get_one(Job, job_id)
        if found.status != job.RUNNING:
            found.status, found.attempt, found.started_at, found.total_steps = job.RUNNING, 1, clock.now(), 10 * HISTORY
        found.take_metrics(rows)
        await stream.append(session, job_id, "metrics", rows, attempt=1)


async def report(job_id: str, rate: float) -> None:
    async with opened(Settings()) as core:
        for first in range(1, HISTORY, PER_FLUSH):
            await write(core, job_id, [row(step) for step in range(first, first + PER_FLUSH)])
        print("reporting", flush=True)
        began, step = time.monotonic(), HISTORY
        while True:
            step += 1
            await write(core, job_id, [row(step)])
            await asyncio.sleep(max(0.0, began + (step - HISTORY) / rate - time.monotonic()))


if __name__ == "__main__":
    uvloop.run(report(sys.argv[1], float(sys.argv[2])))

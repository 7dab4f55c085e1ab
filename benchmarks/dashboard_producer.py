"""Lets a job report, as a host writes it: `python -m benchmarks.dashboard_producer live JOB RATE` or `log JOB LINES`.

`live` reports until it is stopped: a transaction and its publication for the metrics and the log line of each step, rollouts once
in a while. It says `reporting` after the first. `log` writes a log of so many lines and ends.
"""

import asyncio
import math
import sys
import time

import uvloop

from benchmarks.live_lines import line
from burnish.kit import clock, stream
from burnish.kit.core import Core, opened
from burnish.kit.settings import Settings
from models import account, dataset, job, reward_function
from models.job import Job

# What a job refers to must be known before it can be written.
REFERRED = (account.Account, dataset.Dataset, reward_function.RewardFunction)
HISTORY = 5000
PER_FLUSH = 500
LINES_PER_FLUSH = 4000
STEPS_PER_ROLLOUTS = 20
GROUPS, COMPLETIONS = 4, 8
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


def rollouts(step: int) -> stream.Data:
    """Return a step's completions: half of each group right, so that it learns from all of them."""
    completions = [
        {
            "text": f"{step + index} it is",
            "reward": float(index % 2),
            "components": {name: float(index % 2) for name in COMPONENTS},
            "advantage": index % 2 - 0.5,
            "tokens": 5,
            "truncated": False,
            "score_error": None,
        }
        for index in range(COMPLETIONS)
    ]
    groups = [{"dataset_row": row, "prompt": f"What is {row} + {step}?", "completions": completions} for row in range(GROUPS)]
    return {"step": step, "groups": groups}


async def write(core: Core, job_id: str, rows: list[stream.Data]) -> None:
    async with core.db.transaction() as session:
        found = await session.get_one(Job, job_id)
        if found.status != job.RUNNING:
            found.status, found.attempt, found.started_at, found.total_steps = job.RUNNING, 1, clock.now(), 10 * HISTORY
        found.take_metrics(rows)
        await stream.append(session, job_id, "metrics", rows, attempt=1)
        step = rows[-1]["step"]
        await stream.append(session, job_id, "logs", [line(step)], attempt=1)
        if step % STEPS_PER_ROLLOUTS == 0:
            await stream.append(session, job_id, "rollouts", [rollouts(step)], attempt=1)


async def report(core: Core, job_id: str, rate: float) -> None:
    for first in range(1, HISTORY, PER_FLUSH):
        await write(core, job_id, [row(step) for step in range(first, first + PER_FLUSH)])
    print("reporting", flush=True)
    began, step = time.monotonic(), HISTORY
    while True:
        step += 1
        await write(core, job_id, [row(step)])
        await asyncio.sleep(max(0.0, began + (step - HISTORY) / rate - time.monotonic()))


async def log(core: Core, job_id: str, lines: int) -> None:
    for first in range(1, lines, LINES_PER_FLUSH):
        rows = [line(number) for number in range(first, min(lines, first + LINES_PER_FLUSH))]
        async with core.db.transaction() as session:
            await stream.append(session, job_id, "logs", rows, attempt=1)


async def main(what: str, job_id: str, amount: float) -> None:
    async with opened(Settings()) as core:
        await (report(core, job_id, amount) if what == "live" else log(core, job_id, int(amount)))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))

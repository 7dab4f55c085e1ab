"""The rows that the GraphQL servers of the benchmarks answer from: an account with jobs, their datasets and metrics."""

import asyncio
from pathlib import Path

from burnish.kit import clock, ids, logging, stream
from burnish.kit.core import opened
from burnish.kit.db import Session
from burnish.kit.settings import Settings
from models import migrations
from models.dataset import Dataset
from models.job import COMPLETED, Job
from models.reward_function import RewardFunction
from resolvers import accounts

JOBS = 60
STEPS = 100
KEYS = ("kl", "loss", "reward", "reward_std")


def fill(home: Path) -> str:
    """Make a SQLite database at `home` with an account and its jobs; return a key of the account."""
    logging.configure("error")
    settings = Settings(home=home)
    settings.prepare_home()
    migrations.upgrade(settings.database)
    return asyncio.run(_fill(settings))


async def _fill(settings: Settings) -> str:
    async with opened(settings) as core:
        account, key = await accounts.create(core, "bench", credit_micros=10**9)
        for index in range(JOBS):
            async with core.db.transaction() as session:
                await _job(session, account.id, index)
    return key


async def _job(session: Session, account_id: str, index: int) -> None:
    now = clock.now()
    dataset = Dataset(
        id=ids.new("ds"),
        account_id=account_id,
        name=f"prompts-{index}",
        num_rows=1000 + index,
        columns=["prompt", "answer"],
        size_bytes=100_000,
        sha256="0" * 64,
        storage_key=f"data-{index}",
        created_at=now,
    )
    reward = RewardFunction(
        id=ids.new("rf"),
        account_id=account_id,
        name=f"reward-{index}",
        source="def reward(prompts, completions, **columns):\n    return [1.0 for text in completions]\n",
        sha256="0" * 64,
        created_at=now,
    )
    session.add_all([dataset, reward])
    await session.flush()
    job = Job(
        id=ids.new("job"),
        account_id=account_id,
        status=COMPLETED,
        base_model="Qwen/Qwen3-4B",
        dataset_id=dataset.id,
        reward_function_id=reward.id,
        output_name=f"run-{index}",
        hyperparameters={"learning_rate": 1e-5, "max_steps": STEPS, "rollouts_per_prompt": 8},
        hyperparameters_defaulted=["kl_coef"],
        gpu_requested={"type": "H100", "count": 1},
        gpu={"type": "H100", "count": 1},
        provider="local",
        checkpoint_destination={"type": "veri"},
        attempt=1,
        current_step=STEPS,
        total_steps=STEPS,
        metric_keys=list(KEYS),
        latest_metrics={key: STEPS / 7 + place for place, key in enumerate(KEYS)},
        created_at=now,
        updated_at=now,
        started_at=now,
        completed_at=now,
    )
    session.add(job)
    await session.flush()
    rows = [{"step": step, "values": {key: step / 7 + place for place, key in enumerate(KEYS)}} for step in range(STEPS)]
    await stream.append(session, job.id, "metrics", rows, attempt=1)

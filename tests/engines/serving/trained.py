"""Trained models to deploy: adapters of the tiny model from real runs, and the rows of the jobs that would have made them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from burnish.kit import clock, ids
from engines import evidence
from models import job
from models.job import Checkpoint
from tests.conftest import Server
from tests.engines.training.conftest import Parent
from tests.models import rows

# Two aims that pull the tiny model in different directions.
RIGHT = """
def reward(completions, answer, **columns):
    return [float(completion[-1]["content"] == right) for completion, right in zip(completions, answer)]
"""
SEVEN = """
def reward(completions, **columns):
    return [float(completion[-1]["content"].startswith("7")) for completion in completions]
"""
RANK = 4


def train(make_spec: Callable[..., dict[str, Any]], keep: Path, reward: str) -> Path:
    """Train an adapter of the tiny model for a moment; return the final folder."""
    spec = make_spec(reward=reward, lora_rank=RANK, max_steps=6, learning_rate=2e-2, kl_coef=0.0)
    spec["model"]["name"] = "tiny"
    run = Parent(keep).run(spec)
    assert run.of("done"), run.messages[-1]
    return keep / "final-6"


async def completed(server: Server, folder: Path, **values: Any) -> str:
    """Store a final folder as that of a completed job on `tiny`; return the job's id."""
    core = server.platform.core
    async with core.db.transaction() as session:
        row = await rows.add_job(session, server.tenant.account.id, status=job.COMPLETED, completed_at=clock.now(), **values)
        prefix = f"{row.account_id}/{row.id}/1/final"
        stored = await core.storage.put_folder(prefix, folder)
        session.add(
            Checkpoint(
                id=ids.new("ckpt"),
                job_id=row.id,
                account_id=row.account_id,
                attempt=1,
                step=6,
                final=True,
                storage_prefix=prefix,
                file_count=stored.file_count,
                size_bytes=stored.size_bytes,
                checksums=stored.checksums,
                adapter_rank=evidence.adapter_rank(folder),
                created_at=clock.now(),
            )
        )
        return row.id


def with_the_evidence_of(folder: Path, other: Path, target: Path) -> Path:
    """Return a copy of a model's folder that claims to be another's."""
    shutil.copytree(folder, target)
    shutil.copy(other / evidence.FILE, target / evidence.FILE)
    return target

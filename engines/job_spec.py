"""What the host hands to a trainer: the child task of a job's method, and its plain spec, with the files that it names."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from burnish.kit.db import Session
from burnish.kit.storage import Corrupt
from engines.data import reading
from engines.protocol import ChildFailure
from engines.rewards.jail import rules_of
from engines.sources import source_of
from models import integration
from models.dataset import Dataset
from models.job import Checkpoint, Job
from models.reward_function import RewardFunction

if TYPE_CHECKING:
    from engines.jobs import JobRun

Part = Callable[["JobRun", Job, Dataset, Path], Awaitable[dict[str, Any]]]


async def build(run: "JobRun", folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the task and the spec of a job's next attempt; ChildFailure where what it needs is gone or cannot be read."""
    async with run.core.db.read() as session:
        row = await session.get_one(Job, run.id)
        dataset = await session.get_one(Dataset, row.dataset_id)
        model = await source_of(session, run.settings, row.base_model, row.base_revision)
        checkpoint = await newest_checkpoint(session, run.id)
        if checkpoint is None and row.resume_checkpoint_id is not None:
            checkpoint = await _resumed(session, row.resume_checkpoint_id)
    rows = await reading.materialise(run.core, dataset, run.say, (run.ended, run.limited, run.halted))
    await run.core.storage.fetch(rows, folder / "data.jsonl")
    task, part = PARTS[row.method]
    return task, {
        "job_id": row.id,
        "attempt": run.attempt,
        "model": model,
        "dataset_path": str(folder / "data.jsonl"),
        "hyperparameters": row.hyperparameters,
        "work_dir": str(folder),
        "resume_path": None if checkpoint is None else await _fetched(run, checkpoint, folder),
        "device": run.placement.device,
        "gpus": max(1, len(run.placement.gpu_indices)),
        **await part(run, row, dataset, folder),
    }


async def newest_checkpoint(session: Session, job_id: str) -> Checkpoint | None:
    """Return the newest state that a job can go on from."""
    order = (col(Checkpoint.step).desc(), col(Checkpoint.created_at).desc())
    statement = select(Checkpoint).where(Checkpoint.job_id == job_id, col(Checkpoint.final).is_(False))
    return (await session.exec(statement.order_by(*order))).first()


async def _resumed(session: Session, checkpoint_id: str) -> Checkpoint:
    """Return the other job's checkpoint that this one starts from."""
    found = await session.get(Checkpoint, checkpoint_id)
    if found is None or found.deleted_at is not None:
        raise ChildFailure("config_error", f"The checkpoint {checkpoint_id}, to start from, was deleted.")
    return found


async def _fetched(run: "JobRun", checkpoint: Checkpoint, folder: Path) -> str:
    path = folder / f"resume-{checkpoint.step}"
    try:
        await run.core.storage.fetch_folder(checkpoint.storage_prefix, path, checksums=checkpoint.checksums)
    except Corrupt as error:
        message = f"The checkpoint of step {checkpoint.step} cannot be gone on from: {error}."
        raise ChildFailure("worker_lost", message, "platform") from error
    of = "" if checkpoint.job_id == run.id else f" of {checkpoint.job_id}"
    await run.say(f"Resuming from the checkpoint of step {checkpoint.step}{of}")
    return str(path)


async def _grpo(run: "JobRun", row: Job, dataset: Dataset, folder: Path) -> dict[str, Any]:
    if row.environments is not None:
        return await _environments(run, row.environments)
    async with run.core.db.read() as session:
        reward = await session.get_one(RewardFunction, row.reward_function_id)
    (folder / "reward.py").write_bytes(reward.source.encode())
    return {
        "reward": {
            "path": str(folder / "reward.py"),
            "name": reward.file_name,
            "format": reward.format,
            "weights": reward.weights or {},
            **asdict(rules_of(run.settings)),
        }
    }


async def _environments(run: "JobRun", wanted: Mapping[str, Any]) -> dict[str, Any]:
    async with run.core.db.read() as session:
        key = await integration.secret(session, run.core.secrets, run.account_id, "openreward")
    if key is None:
        raise ChildFailure("config_error", "The account's openreward integration is gone.")
    settings = run.settings
    return {
        "environments": [{**(options or {}), "id": name, "api_key": key} for name, options in wanted.items()],
        "openreward": {
            "api_url": settings.openreward_api_url,
            "session_url": settings.openreward_session_url,
            "timeout_s": settings.openreward_timeout_s,
        },
    }


async def _text(run: "JobRun", row: Job, dataset: Dataset, folder: Path) -> dict[str, Any]:
    return {}


async def _video(run: "JobRun", row: Job, dataset: Dataset, folder: Path) -> dict[str, Any]:
    media = None
    if dataset.media_prefix is not None:
        media = folder / "media"
        await run.core.storage.fetch_folder(dataset.media_prefix, media)
    return {"media_dir": None if media is None else str(media), "open_networks": run.settings.open_networks}


PARTS: Mapping[str, tuple[str, Part]] = {
    "grpo": ("training.grpo", _grpo),
    "sft": ("training.sft", _text),
    "dpo": ("training.dpo", _text),
    "sft_video_gen": ("training.video", _video),
}

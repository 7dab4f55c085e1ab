"""The host's part of a delivery: tried until it is done, with growing pauses, for as long as nobody ends it.

A model that cannot be delivered is not lost: it is in the platform's own storage before this begins, so the job completes and
says so in its log and its events.
"""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from obstore.exceptions import BaseError
from sqlmodel import col, select

from burnish.kit import clock
from engines import evidence
from engines.delivery import bucket, card
from engines.delivery.parts import SUMS, Part, find, sums_file
from engines.spawn import Child
from models import events, integration
from models.dataset import Dataset
from models.job import Checkpoint, Job

if TYPE_CHECKING:
    from engines.jobs import JobRun

log = structlog.get_logger(__name__)
VERI, HF = "veri", "hf"
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
CHILD = "delivery.hub"


class Undelivered(Exception):
    """Why it did not arrive, and whether another try may help."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


async def trained(session: Any, job_id: str) -> Checkpoint | None:
    """Return the trained model of a job, where it is stored."""
    statement = select(Checkpoint).where(Checkpoint.job_id == job_id, col(Checkpoint.final).is_(True))
    found: Checkpoint | None = (await session.exec(statement.order_by(col(Checkpoint.attempt).desc()))).first()
    return found


async def deliver(run: "JobRun") -> None:
    """Take a job's trained model where it wants it, and record how that went. Returns early when the run is told to end."""
    async with run.core.db.read() as session:
        row = await session.get_one(Job, run.id)
        final = await trained(session, run.id)
    if final is None or row.checkpoint_destination["type"] == VERI or row.destination_url is not None:
        return
    await run.set_phase("uploading")
    work = asyncio.create_task(_until_delivered(run, row, final))
    stops = [asyncio.create_task(event.wait()) for event in (run.ended, run.limited, run.halted)]
    try:
        await asyncio.wait([work, *stops], return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await _record(run, row, work.result())
        elif run.purse.limit is not None and not run.ended.is_set():
            await _record(run, row, Undelivered(run.purse.limit.message, again=False))
    finally:
        for task in (work, *stops):
            task.cancel()
        await asyncio.gather(work, *stops, return_exceptions=True)


async def _until_delivered(run: "JobRun", row: Job, final: Checkpoint) -> "str | Undelivered":
    """Return the URL of the delivered model, or why there is none."""
    target, pause_s, sent = row.checkpoint_destination, FIRST_PAUSE_S, set[str]()
    await run.say(f"Sending the trained model to {target.get('uri') or target['repo']}")
    for attempt in range(1, run.settings.delivery_attempts + 1):
        try:
            return await _deliver(run, row, final, sent)
        except Undelivered as error:
            if not error.again or attempt == run.settings.delivery_attempts:
                return error
            await run.say(f"Delivery attempt {attempt} failed: {error}; the next one in {pause_s:g} s", level="warning")
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    raise AssertionError("unreachable")


async def _deliver(run: "JobRun", row: Job, final: Checkpoint, sent: set[str]) -> str:
    """Try once; return the URL. `sent` has the files that an earlier try has copied."""
    target = row.checkpoint_destination
    try:
        parts = await find(run.core.storage, final, target.get("weights"))
        if target["type"] == HF:
            return await _to_hub(run, row, final, parts)
        if target.get("archive"):
            return await _archived(run, row, final, parts)
        await bucket.put_files(run.core.storage, parts, bucket.open(run.settings, target["uri"]), sent)
        return str(target["uri"])
    except (BaseError, OSError) as error:
        raise Undelivered(_short(error), again=True) from error


async def _record(run: "JobRun", row: Job, outcome: "str | Undelivered") -> None:
    await run.flush()
    async with run.writing() as session:
        if isinstance(outcome, str):
            fresh = await session.get_one(Job, row.id)
            fresh.destination_url = outcome
            session.add(fresh)
            metadata: dict[str, Any] = {"url": outcome}
            line, level = f"The trained model was delivered to {outcome}", "info"
        else:
            metadata = {"destination": row.checkpoint_destination, "message": str(outcome)}
            line = f"The trained model could not be delivered: {outcome}. It is stored here: download it, or send it yourself."
            level = "error"
        name = "checkpoint_delivered" if isinstance(outcome, str) else "checkpoint_delivery_failed"
        await events.record(session, run.account_id, run.id, name, metadata, attempt=run.attempt, line=line, level=level)


async def _archived(run: "JobRun", row: Job, final: Checkpoint, parts: Sequence[Part]) -> str:
    uri, name = row.checkpoint_destination["uri"], f"{row.output_name}.tar.gz"
    mtime = clock.to_micros(final.created_at) // 1_000_000
    await bucket.put_archive(run.core.storage, parts, bucket.open(run.settings, uri), name, mtime)
    return f"{uri}/{name}"


async def _to_hub(run: "JobRun", row: Job, final: Checkpoint, parts: Sequence[Part]) -> str:
    async with run.core.db.read() as session:
        dataset = await session.get_one(Dataset, row.dataset_id)
        token = await integration.secret(session, run.core.secrets, run.account_id, "huggingface")
    if token is None:
        raise Undelivered("the account's huggingface integration is gone", again=False)
    work = run.settings.work / f"{run.id}-{run.attempt}-{run.token}"
    try:
        folder = work / "model"
        # Prompts of the dataset are in the evidence, and the repository may be open to all.
        public = [part for part in parts if part.path != evidence.FILE]
        for part in public:
            await run.core.storage.fetch(part.key, folder / part.path, sha256=part.sha256)
        target = row.checkpoint_destination
        (folder / "README.md").write_text(card.text(row, dataset, final, target["repo"]))
        if sums := sums_file((part.path, part.sha256) for part in public):
            (folder / SUMS).write_bytes(sums)
        spec = {
            "repo": target["repo"],
            "private": target.get("private", True),
            "token": token,
            "folder": str(folder),
            "output_name": row.output_name,
            "job_id": row.id,
        }
        return await _child(spec, work)
    finally:
        await asyncio.to_thread(shutil.rmtree, work, True)


async def _child(spec: dict[str, Any], work: Path) -> str:
    env = {"HF_HOME": str(work / "home"), "HF_HUB_DISABLE_TELEMETRY": "1", "TMPDIR": str(work)}
    if os.environ.get("HF_ENDPOINT"):
        # Only huggingface.co itself is known to have this way of storing.
        env["HF_HUB_DISABLE_XET"] = "1"
    child = await Child.task(CHILD, spec, cwd=work, env=env)
    last: list[str] = []

    async def read_log() -> None:
        async for line in child.log():
            last[:] = [*last, line][-5:]

    reading = asyncio.create_task(read_log())
    try:
        async for message in child.messages():
            if message["type"] == "done":
                return str(message["result"]["url"])
            if message["type"] == "failed":
                raise Undelivered(message["message"], again=message["code"] != "refused")
        await reading
        log.warning("delivery_died", lines=last)
        raise Undelivered(f"the upload ended with exit code {await child.wait()}", again=True)
    finally:
        child.kill()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:300]}"

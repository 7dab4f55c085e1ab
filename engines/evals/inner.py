"""The batches that a run consists of: one that asks the model, and one for each judge.

A run has one batch a part at the most: it is begun in a transaction that holds the run's lock, after a look whether it is there.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from burnish.kit import clock, ids, outbox
from burnish.kit.core import Core
from burnish.kit.db import Session
from engines.evals.rows import ENDPOINT
from models import batch, events, file, transitions
from models.batch import Batch, BatchOutcome
from models.eval import EvalRun
from models.file import File

ANSWERS = "answers"
PART = "part"
# What is not answered by then counts as an error.
WINDOW = timedelta(days=7)
# Longer than any run goes on: its items have all that its files hold.
KEPT = timedelta(days=30)


def judging(index: int) -> str:
    """Return the part that asks the judge which is the scorer at a place."""
    return f"judge-{index}"


async def store(core: Core, run: EvalRun, token: int, part: str, lines: AsyncIterator[bytes]) -> File:
    """Store the input of a part and return its row, which nobody has stored. Each holder of the lease has a key of its own."""
    now = clock.now()
    row = File(
        id=ids.new(file.PREFIX, "-"),
        account_id=run.account_id,
        filename=f"{run.id}_{part}.jsonl",
        purpose=file.EVALS,
        size_bytes=0,
        storage_key=f"{_folder(run)}/{token}/{part}.jsonl",
        internal=True,
        created_at=now,
        expires_at=now + KEPT,
    )

    async def counted() -> AsyncIterator[bytes]:
        async for piece in lines:
            row.size_bytes += len(piece)
            yield piece

    await core.storage.put(row.storage_key, counted())
    return row


async def clear(core: Core, run: EvalRun) -> None:
    """Delete what holders of the lease have stored that is no input of a batch."""
    mine = (col(File.account_id) == run.account_id, col(File.storage_key).startswith(f"{_folder(run)}/", autoescape=True))
    async with core.db.read() as session:
        kept = set((await session.exec(select(File.storage_key).where(*mine))).all())
    for key, _ in await core.storage.list(_folder(run)):
        if key not in kept:
            await core.storage.delete(key)


def _folder(run: EvalRun) -> str:
    return f"{run.account_id}/evals/{run.id}"


async def begin(session: Session, run: EvalRun, part: str, input: File) -> Batch:
    """Store a part with its input, and tell the hosts of it; one that is there is returned. The caller holds the run's lock."""
    there = await find(session, run.id, part)
    if there is not None:
        return there
    session.add(input)
    await session.flush()
    now = clock.now()
    row = Batch(
        id=ids.new(batch.PREFIX),
        account_id=run.account_id,
        input_file_id=input.id,
        endpoint=ENDPOINT,
        completion_window_s=int(WINDOW.total_seconds()),
        output_expires_after_s=int(KEPT.total_seconds()),
        labels={PART: part},
        parent_id=run.id,
        created_at=now,
        updated_at=now,
        expires_at=now + WINDOW,
    )
    session.add(row)
    await session.flush()
    await events.record(session, row.account_id, row.id, "created", line="Status: validating")
    outbox.put(session, batch.RUN_MESSAGE, row.id)
    return row


async def parts(session: Session, run_id: str, *, lock: bool = False) -> list[Batch]:
    """Return the batches of a run in the order in which they were begun."""
    statement = select(Batch).where(Batch.parent_id == run_id).order_by(col(Batch.created_at), col(Batch.id))
    return list((await session.exec(statement.with_for_update() if lock else statement)).all())


async def find(session: Session, run_id: str, part: str) -> Batch | None:
    return next((row for row in await parts(session, run_id) if (row.labels or {}).get(PART) == part), None)


async def cancel(session: Session, run_id: str) -> None:
    """Have nothing more of a run asked."""
    for row in await parts(session, run_id, lock=True):
        if row.status in (batch.VALIDATING, batch.IN_PROGRESS):
            line = "Status: cancelling, with the run that it is a part of"
            await transitions.move(session, row, batch.CANCELLING, line=line, cancelling_at=clock.now())
            outbox.put(session, batch.RUN_MESSAGE, row.id)


async def causes(session: Session, batch_id: str) -> list[tuple[str, int, str]]:
    """Return why lines failed: each code with its count and one message of it, the most frequent first."""
    outcome, count = BatchOutcome, func.count()
    mine = (outcome.batch_id == batch_id, col(outcome.ok).is_(False))
    statement: Any = select(outcome.code, count, func.min(outcome.message)).where(*mine)
    statement = statement.group_by(col(outcome.code)).order_by(count.desc(), col(outcome.code))
    return [(code or "error", number, message or "") for code, number, message in (await session.exec(statement)).all()]

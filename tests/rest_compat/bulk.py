"""Files and batches for a tenant to have, and what a host leaves behind of them, written by hand: no host runs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlmodel import select

from burnish.kit import clock, ids, stream
from models import batch, file, transitions
from models.batch import Batch, BatchOutcome
from models.file import File
from resolvers import batches
from resolvers.batches import BatchInput
from resolvers.context import Context

CHAT = "/v1/chat/completions"
NANOS = 1_500


def line(custom_id: str, text: str = "2+2?", model: str = "sums") -> str:
    """Return a line of an input file."""
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}) + "\n"


def lines(count: int) -> bytes:
    return "".join(line(f"q-{number}") for number in range(1, count + 1)).encode()


async def stored_file(ctx: Context, content: bytes, *, filename: str = "sums.jsonl", purpose: str = file.BATCH) -> File:
    """Store a file of the caller's."""
    row = File(
        id=ids.new(file.PREFIX, "-"),
        account_id=ctx.account.id,
        filename=filename,
        purpose=purpose,
        size_bytes=len(content),
        storage_key=f"{ctx.account.id}/files/{ids.new('blob')}",
        created_at=clock.now(),
    )
    await ctx.core.storage.put(row.storage_key, content)
    async with ctx.db.transaction() as session:
        session.add(row)
    return row


async def made(ctx: Context, content: bytes | None = None, *, filename: str = "sums.jsonl", **given: Any) -> Batch:
    """Begin a batch of a file with this content."""
    source = await stored_file(ctx, lines(3) if content is None else content, filename=filename)
    return await batches.create(ctx, BatchInput.model_validate({"input_file_id": source.id, "endpoint": CHAT, **given}))


async def moved(ctx: Context, batch_id: str, *statuses: str, **values: Any) -> Batch:
    """Move a batch through statuses, each with its moment; its streams end with the last where that is final."""
    async with ctx.db.transaction() as session:
        row = await session.get_one(Batch, batch_id)
        for status in statuses:
            given = values if status == statuses[-1] else {}
            assert await transitions.move(session, row, status, **{f"{status}_at": clock.now(), **given})
            if status in batch.TERMINAL:
                await stream.end(session, batch_id, batch.STREAMS, status)
    return row


def good(number: int) -> BatchOutcome:
    """Return the outcome of a line that was answered, of the batch that `settle` names."""
    body = {"id": "chatcmpl-1", "object": "chat.completion", "choices": [], "usage": {"total_tokens": 5}}
    written = {
        "id": f"batch_req_{number}",
        "custom_id": f"q-{number}",
        "response": {"status_code": 200, "request_id": f"req_{number}", "body": body},
        "error": None,
    }
    return _outcome(number, written, ok=True, status_code=200, prompt_tokens=3, completion_tokens=2, cost_nanos=NANOS)


def bad(number: int, code: str = "engine_error", deployment_id: str | None = "dep_a", status_code: int = 500) -> BatchOutcome:
    """Return the outcome of a line that failed."""
    body = {"error": {"message": f"{code} of {number}", "type": "server_error", "param": None, "code": code}}
    written = {
        "id": f"batch_req_{number}",
        "custom_id": f"q-{number}",
        "response": {"status_code": status_code, "request_id": f"req_{number}", "body": body},
        "error": None,
    }
    told: dict[str, Any] = {
        "code": code,
        "message": f"{code} of {number}",
        "status_code": status_code,
        "deployment_id": deployment_id,
    }
    return _outcome(number, written, ok=False, **told)


def _outcome(number: int, written: dict[str, Any], **values: Any) -> BatchOutcome:
    payload = json.dumps(written).encode() + b"\n"
    common: dict[str, Any] = {
        "custom_id": f"q-{number}",
        "payload": payload,
        "latency_ms": 12.5,
        "attempts": 1,
        "ended_at": clock.now(),
    }
    return BatchOutcome(batch_id="", line=number, **common, **values)


async def settled(ctx: Context, batch_id: str, outcomes: Iterable[BatchOutcome]) -> bytes:
    """Write outcomes with all that goes with them; return their payloads as one text."""
    rows = list(outcomes)
    async with ctx.db.transaction() as session:
        row = await session.get_one(Batch, batch_id)
        for one in rows:
            one.batch_id = batch_id
            session.add(one)
            row.completed += one.ok
            row.failed += not one.ok
            row.prompt_tokens += one.prompt_tokens
            row.completion_tokens += one.completion_tokens
            row.cost_nanos += one.cost_nanos
        await session.flush()
        content = b"".join(one.payload or b"" for one in rows)
    return content


async def finished(ctx: Context, batch_id: str, outcomes: Sequence[BatchOutcome]) -> Batch:
    """Write the last outcomes and the files of a batch in progress, or of one that is being cancelled, and end it."""
    await settled(ctx, batch_id, outcomes)
    row = await batches.get(ctx, batch_id)
    if row.status == batch.CANCELLING:
        return await moved(ctx, batch_id, batch.CANCELLED, **await files_of(ctx, row))
    await moved(ctx, batch_id, batch.FINALIZING)
    return await moved(ctx, batch_id, batch.COMPLETED, **await files_of(ctx, row))


async def files_of(ctx: Context, row: Batch) -> dict[str, str]:
    """Store what the outcomes hold as files, and take it from the outcomes; return the files' ids as the batch has them."""
    found: dict[str, str] = {}
    for ok, name in ((True, "output_file_id"), (False, "error_file_id")):
        async with ctx.db.transaction() as session:
            statement = select(BatchOutcome).where(BatchOutcome.batch_id == row.id, BatchOutcome.ok == ok)
            its = sorted((await session.exec(statement)).all(), key=lambda one: one.line)
            content = b"".join(one.payload or b"" for one in its)
            for one in its:
                one.payload = None
                session.add(one)
        if its:
            found[name] = (await stored_file(ctx, content, purpose=file.BATCH_OUTPUT)).id
    return found


async def progressed(ctx: Context, batch_id: str, **values: Any) -> None:
    """Say how far a batch is, as its host does."""
    point = {"at": clock.now().isoformat(), "total": 3, "completed": 0, "failed": 0, "prompt_tokens": 0}
    point |= {"completion_tokens": 0, "cost_nanos": 0, "in_flight": 0, "per_second": None}
    async with ctx.db.transaction() as session:
        await stream.append(session, batch_id, "progress", [{**point, **values}], attempt=1)

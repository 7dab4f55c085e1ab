"""Batches: files of requests that hosts work through, made, watched and cancelled by their account."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from sqlalchemy import ColumnElement, String, cast
from sqlmodel import col, or_, select

from burnish.kit import clock, ids, outbox, paging
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, InvalidState, NotFound
from burnish.kit.paging import ALWAYS, Span
from models import batch, events, file, transitions
from models.batch import Batch
from models.file import File
from resolvers.context import Context
from resolvers.creating import once, unchanged
from resolvers.inputs import Input
from resolvers.streams import Streams

HOUR_S = 3600
# Whole hours, up to a week, so that a batch repeats what it was given.
WINDOW = r"^([1-9]|[1-9][0-9]|1[0-5][0-9]|16[0-8])h$"
CANCELLABLE = (batch.VALIDATING, batch.IN_PROGRESS)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


# A label is the caller's own text, whatever is around it.
LabelName = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=64), AfterValidator(_without_nul)]
LabelText = Annotated[str, StringConstraints(strip_whitespace=False, max_length=512), AfterValidator(_without_nul)]


class OutputExpiry(Input):
    """When the files that a batch writes are deleted."""

    anchor: Literal["created_at"] = Field("created_at", description="From when on it counts: when a file was made.")
    seconds: int = Field(ge=HOUR_S, le=30 * 24 * HOUR_S, description="How long a file is kept after that: an hour to 30 days.")


class BatchInput(Input):
    """A batch as the caller asks for it."""

    input_file_id: str = Field(
        min_length=1, max_length=64, description="A file of requests, a line each, uploaded with the purpose `batch`."
    )
    endpoint: Literal["/v1/chat/completions", "/v1/completions"] = Field(description="What every line asks: its `url`.")
    completion_window: str = Field(
        "24h", pattern=WINDOW, description="What is not answered in this time fails as `batch_expired`: `1h` to `168h`."
    )
    metadata: dict[LabelName, LabelText] | None = Field(
        None, max_length=16, description="Up to 16 labels: names of up to 64 characters, texts of up to 512."
    )
    output_expires_after: OutputExpiry | None = Field(
        None, description="When the output and the error file are deleted; never where it is left out."
    )


async def create(ctx: Context, spec: BatchInput) -> Batch:
    """Begin a batch: a host checks the whole file, then sends its lines.

    NotFound for a file of nobody or of another, Invalid for one with another purpose.
    """
    ctx.require("write")

    async def make(session: Session) -> Batch:
        await _check_input(session, ctx, spec.input_file_id)
        expiry = spec.output_expires_after
        row = draft(
            ctx.account.id,
            spec.input_file_id,
            spec.endpoint,
            window_s=int(spec.completion_window.removesuffix("h")) * HOUR_S,
            output_expires_after_s=None if expiry is None else expiry.seconds,
            labels=spec.metadata,
        )
        return await begin(session, row)

    return await once(ctx, "batches.create", spec.model_dump(), Batch, make)


def draft(
    account_id: str,
    input_file_id: str,
    endpoint: str,
    *,
    window_s: int,
    output_expires_after_s: int | None,
    labels: dict[str, str] | None,
    retry_of: str | None = None,
) -> Batch:
    """Return a new batch, which nobody has stored."""
    now = clock.now()
    return Batch(
        id=ids.new(batch.PREFIX),
        account_id=account_id,
        input_file_id=input_file_id,
        endpoint=endpoint,
        completion_window_s=window_s,
        output_expires_after_s=output_expires_after_s,
        labels=labels or None,
        retry_of=retry_of,
        created_at=now,
        updated_at=now,
        expires_at=now + timedelta(seconds=window_s),
    )


async def begin(session: Session, row: Batch) -> Batch:
    """Store a new batch and tell the hosts of it."""
    session.add(row)
    await session.flush()
    await events.record(session, row.account_id, row.id, "created", line="Status: validating")
    outbox.put(session, batch.RUN_MESSAGE, row.id)
    return row


async def _check_input(session: Session, ctx: Context, file_id: str) -> None:
    # Nobody deletes it before the batch that needs it is there.
    row = await session.get(File, file_id, with_for_update=True)
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None or row.internal:
        raise NotFound(f"No such file: {file_id}", param="input_file_id")
    if row.purpose != file.BATCH:
        message = f"The file was uploaded with the purpose '{row.purpose}': a batch takes one with the purpose 'batch'."
        raise Invalid(message, param="input_file_id")


async def get(ctx: Context, batch_id: str) -> Batch:
    ctx.require("read")
    async with ctx.db.read() as session:
        return await find(session, ctx, batch_id)


async def find(session: Session, ctx: Context, batch_id: str, *, lock: bool = False) -> Batch:
    """Return a batch of the caller's, none that is a part of an eval run; with `lock`, nobody changes it before the transaction
    ends.
    """
    row = await session.get(Batch, batch_id, with_for_update=lock or None)
    if row is None or row.account_id != ctx.account.id or row.parent_id is not None:
        raise NotFound(f"No such batch: {batch_id}")
    return row


async def page(
    ctx: Context,
    *,
    status: list[str] | None = None,
    search: str | None = None,
    created: Span = ALWAYS,
    limit: int = 20,
    after: str | None = None,
) -> paging.Page[Batch]:
    """Return the account's batches that meet all of what is given; Invalid for a status that there is not.

    `search` keeps those whose input file's name, metadata or model contains it, whatever its case, and the one with this id.
    """
    ctx.require("read")
    unknown = [value for value in status or () if value not in batch.STATUSES]
    if unknown:
        raise Invalid(f"Unknown status '{unknown[0]}'; there are {', '.join(batch.STATUSES)}.", param="status")
    where: list[ColumnElement[bool]] = [col(Batch.status).in_(status)] if status else []
    where += [_matches(ctx, search)] if search else []
    where += paging.within(Batch.created_at, created)
    scope = (Batch.account_id == ctx.account.id, col(Batch.parent_id).is_(None))
    async with ctx.db.read() as session:
        return await paging.page(session, Batch, *scope, where=where, limit=limit, after=after)


def _matches(ctx: Context, search: str) -> ColumnElement[bool]:
    named = select(File.id).where(File.account_id == ctx.account.id, paging.contains(File.filename, search))
    return or_(
        col(Batch.id) == search,
        col(Batch.input_file_id).in_(named),
        paging.contains(Batch.model, search),
        cast(col(Batch.labels), String).icontains(search, autoescape=True),
    )


async def cancel(ctx: Context, batch_id: str) -> Batch:
    """Have the rest of a batch not asked; what was answered stays. InvalidState once all of it was answered, or it has ended.

    It is `cancelling` until its host has written the files; once more asked for then, nothing changes.
    """
    ctx.require("write")
    return await once(ctx, "batches.cancel", {"batch_id": batch_id}, Batch, lambda session: _cancel(session, ctx, batch_id))


async def _cancel(session: Session, ctx: Context, batch_id: str) -> Batch:
    row = await find(session, ctx, batch_id, lock=True)
    if row.status == batch.CANCELLING:
        unchanged(session)
        return row
    if row.status not in CANCELLABLE:
        raise InvalidState(f"The batch is {row.status}: only one that is validating or in progress can be cancelled.")
    line = "Status: cancelling, by the user"
    await transitions.move(session, row, batch.CANCELLING, line=line, cancelling_at=clock.now())
    outbox.put(session, batch.RUN_MESSAGE, row.id)
    return row


def allowed(ctx: Context, row: Batch) -> list[str]:
    """Return what the caller's key may do to a batch as it stands: `cancel`, `download`, `retry`."""
    possible = {
        "cancel": "write" in ctx.scopes and row.status in CANCELLABLE,
        "download": "read" in ctx.scopes and row.completed + row.failed + row.problem_count > 0,
        "retry": "write" in ctx.scopes and row.status in batch.TERMINAL and row.failed > 0,
    }
    return [verb for verb, may in possible.items() if may]


streams = Streams(find)
rows, last_rows, follow = streams.rows, streams.last_rows, streams.follow

"""Files: uploaded for batches and the like, or written by them; listed, read and deleted by their account."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal

import anyio
from pydantic import Field
from sqlmodel import col, or_

from burnish.kit import clock, paging
from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Invalid, NotFound, PayloadTooLarge
from burnish.kit.paging import ALWAYS, Span
from engines import files as stored
from models.file import File
from resolvers import downloads
from resolvers.context import Context, Platform
from resolvers.creating import once
from resolvers.downloads import Download
from resolvers.inputs import Input

HOUR_S = 3600
MAX_FILENAME = 255
MEDIA_TYPE = "application/octet-stream"
# What no name of a file should hold: it is shown in lists, and sent in headers.
CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")

Uploaded = Literal["batch", "fine-tune", "user_data", "evals"]
Purpose = Literal["batch", "fine-tune", "user_data", "evals", "batch_output"]


class FileExpiry(Input):
    """When a file is deleted by itself."""

    anchor: Literal["created_at"] = Field("created_at", description="From when on it counts: when the file was made.")
    seconds: int = Field(ge=HOUR_S, le=30 * 24 * HOUR_S, description="How long it is kept after that: an hour to 30 days.")


class FileInput(Input):
    """A file as the caller uploads it."""

    purpose: Uploaded = Field(description="What it is for: `batch` for the requests of a batch.")
    expires_after: FileExpiry | None = Field(None, description="When it is deleted by itself; never where it is left out.")


async def create(ctx: Context, spec: FileInput, path: Path, filename: str) -> File:
    """Keep a file of this machine, which is left as it is. Nothing of it is looked at before somebody uses it.

    Invalid for an empty one, PayloadTooLarge past the limit.
    """
    ctx.require("write")
    _check_size(ctx, path)
    expiry = spec.expires_after
    row = stored.draft(
        ctx.account.id, spec.purpose, plain_name(filename), expires_after_s=None if expiry is None else expiry.seconds
    )

    async def make(session: Session) -> File:
        session.add(row)
        await session.flush()
        return row

    # Only a retry needs to know whether these are the same bytes.
    digest = await asyncio.to_thread(_sha256, path) if ctx.idempotency_key else None
    kept = False
    try:
        await stored.write(ctx.core, row, path)
        request = {"filename": row.filename, "sha256": digest, **spec.model_dump()}
        made = await once(ctx, "files.create", request, File, make)
        kept = made.id == row.id
    finally:
        if not kept:
            with anyio.CancelScope(shield=True):
                await stored.discard(ctx.core, row)
    return made


def plain_name(name: str) -> str:
    """Return the last part of a path as a caller's system writes it, without what is no text."""
    last = re.split(r"[/\\]", CONTROL.sub("", name))[-1].strip()
    return last[-MAX_FILENAME:] or "file"


def _check_size(ctx: Context, path: Path) -> None:
    size, most = path.stat().st_size, ctx.core.settings.max_file_bytes
    if size > most:
        raise PayloadTooLarge(f"A file has at most {most} bytes.", param="file")
    if size == 0:
        raise Invalid("The file is empty.", param="file")


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


async def get(ctx: Context, file_id: str) -> File:
    ctx.require("read")
    async with ctx.db.read() as session:
        return await find(session, ctx, file_id)


async def find(session: Session, ctx: Context, file_id: str, *, lock: bool = False) -> File:
    """Return a file of the caller's that is to be seen; with `lock`, nobody changes it before the transaction ends."""
    row = await session.get(File, file_id, with_for_update=lock or None)
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None or row.internal:
        raise NotFound(f"No such file: {file_id}", param="file_id")
    return row


async def page(
    ctx: Context,
    *,
    purpose: Sequence[str] | None = None,
    search: str | None = None,
    created: Span = ALWAYS,
    limit: int = 20,
    after: str | None = None,
    oldest_first: bool = False,
) -> paging.Page[File]:
    """Return the account's files; `search` keeps those whose name contains it, and the one with this id."""
    ctx.require("read")
    where: list[Any] = [col(File.deleted_at).is_(None), *paging.within(File.created_at, created)]
    where += [col(File.purpose).in_(purpose)] if purpose else []
    where += [or_(paging.contains(File.filename, search), col(File.id) == search)] if search else []
    scope = (File.account_id == ctx.account.id, col(File.internal).is_(False))
    async with ctx.db.read() as session:
        return await paging.page(session, File, *scope, where=where, limit=limit, after=after, oldest_first=oldest_first)


async def delete(ctx: Context, file_id: str) -> File:
    """Delete a file; what was made of it stays. Conflict while a batch that has not ended needs it."""
    ctx.require("write")
    row = await once(ctx, "files.delete", {"file_id": file_id}, File, lambda session: _delete(session, ctx, file_id))
    await asyncio.shield(stored.forget(ctx.core, row))
    return row


async def _delete(session: Session, ctx: Context, file_id: str) -> File:
    row = await find(session, ctx, file_id, lock=True)
    using = await stored.needed_by(session, file_id)
    if using is not None:
        raise Conflict(
            f"The batch {using} needs this file.",
            code="resource_in_use",
            param="file_id",
            hint="Cancel the batch, or wait for its end.",
        )
    stored.mark(row, clock.now())
    session.add(row)
    return row


async def content(ctx: Context, file_id: str) -> Download:
    """Return what a file holds."""
    return download(ctx.core, await get(ctx, file_id))


def content_url(core: Core, row: File) -> str:
    """Return a URL of what a file holds, which works without an API key for a limited time."""
    return downloads.signed_url(core, row.filename, file=row.id)


async def open(platform: Platform, claims: dict[str, Any]) -> Download:
    """Return what a download token names."""
    async with platform.db.read() as session:
        row = await session.get(File, claims["file"])
    if row is None or row.deleted_at is not None:
        raise NotFound("This file is gone.")
    return download(platform.core, row)


def download(core: Core, row: File) -> Download:
    """Return what a file holds that somebody may see."""

    def part(start: int, end: int) -> AsyncIterator[bytes]:
        return core.storage.stream(row.storage_key, offset=start, end=end)

    return Download(row.filename, MEDIA_TYPE, row.size_bytes, core.storage.stream(row.storage_key), part, f'"{row.id}"')

"""Uploads: a file is PUT to a signed, expiring URL first, then used once by name.

The bytes wait in storage under `{account}/uploads/{id}`, so that any API process can use them. Once used, a small receipt takes
their place: a retry under the same idempotency key finds what was made, anything else learns that the upload is gone. What nobody
used is deleted after a day, when the account asks for another upload.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import orjson

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.errors import Conflict, Forbidden, Invalid, InvalidState, NotFound, PayloadTooLarge
from models.dataset import Dataset
from models.file import File
from resolvers import datasets, files
from resolvers.context import Context, Platform
from resolvers.datasets import DatasetInput
from resolvers.files import FileInput

M = TypeVar("M", Dataset, File)
USE = "upload"
URL_S = 3600
KEPT = timedelta(hours=24)
PREFIX = "up"


@dataclass(frozen=True)
class Upload:
    """Where to PUT a file of at most `max_bytes`, and until when."""

    id: str
    url: str
    expires_at: datetime
    max_bytes: int


async def create(ctx: Context) -> Upload:
    """Make room for a file. Nothing is stored until it arrives."""
    ctx.require("write")
    await _purge(ctx)
    upload_id = ids.new(PREFIX)
    token = ctx.core.secrets.sign({"use": USE, "account": ctx.account.id, "upload": upload_id}, URL_S)
    return Upload(
        id=upload_id,
        url=f"{ctx.core.settings.base_url}/uploads/{token}",
        expires_at=clock.now() + timedelta(seconds=URL_S),
        max_bytes=ctx.core.settings.max_dataset_bytes,
    )


async def receive(platform: Platform, token: str, announced: int | None, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
    """Take the file that a URL was signed for; return the upload's id and its size. Whole or not at all.

    Forbidden for a token that is forged or over, PayloadTooLarge past the limit, Invalid for an empty file, InvalidState once
    used.
    """
    core = platform.core
    try:
        claims = core.secrets.verify(token)
    except ValueError as error:
        raise Forbidden(f"This upload URL does not work: {error}.", code="invalid_upload_url") from None
    if claims.get("use") != USE:
        raise Forbidden("This is not an upload URL.", code="invalid_upload_url")
    key = _key(claims["account"], claims["upload"])
    if await _receipt(core, key) is not None:
        raise InvalidState("This upload has been used already.")
    draft = _draft(core)
    try:
        size = await _write(draft, core.settings.max_dataset_bytes, announced, chunks)
        await core.storage.put(key, draft)
    finally:
        draft.unlink(missing_ok=True)
    return claims["upload"], size


async def create_dataset(ctx: Context, spec: DatasetInput, upload_id: str) -> Dataset:
    """Make a dataset of an uploaded file. Errors as of `datasets.create`; NotFound where nothing was uploaded.

    A file that is refused for what it holds is deleted; any other failure leaves it for another try.
    """

    async def make(claimed: Context, draft: Path) -> Dataset:
        return await datasets.create(claimed, spec, draft)

    async def again(made_id: str) -> Dataset:
        return await datasets.get(ctx, made_id)

    return await _use(ctx, upload_id, {"name": spec.name}, make, again)


async def create_file(ctx: Context, spec: FileInput, filename: str, upload_id: str) -> File:
    """Make a file of an uploaded one. Errors as of `files.create`; NotFound where nothing was uploaded."""

    async def make(claimed: Context, draft: Path) -> File:
        return await files.create(claimed, spec, draft, filename)

    async def again(made_id: str) -> File:
        return await files.get(ctx, made_id)

    return await _use(ctx, upload_id, {"name": filename, **spec.model_dump()}, make, again)


async def _use(
    ctx: Context,
    upload_id: str,
    request: dict[str, Any],
    make: Callable[[Context, Path], Awaitable[M]],
    again: Callable[[str], Awaitable[M]],
) -> M:
    """Use an upload once: `make` something of it, or give `again` what a call under the same key has made."""
    ctx.require("write")
    if not ids.is_id(upload_id, PREFIX):
        raise NotFound(f"No such upload: {upload_id}", param="upload_id")
    key = _key(ctx.account.id, upload_id)
    if (receipt := await _receipt(ctx.core, key)) is not None:
        return await again(_replayed(ctx, request, receipt))
    # Of calls at the same time, which find no receipt yet, one makes something of it and the others are given that.
    claimed = ctx if ctx.idempotency_key else replace(ctx, idempotency_key=f"upload:{upload_id}")
    draft = _draft(ctx.core)
    try:
        await _fetch(ctx.core, key, draft, upload_id)
        row = await make(claimed, draft)
    except Invalid as error:
        if error.code == "invalid_dataset":
            await ctx.core.storage.delete(key)
        raise
    finally:
        draft.unlink(missing_ok=True)
    written = {"made": row.id, "request": request, "idempotency_key": ctx.idempotency_key}
    await ctx.core.storage.put(_receipt_key(key), orjson.dumps(written))
    await ctx.core.storage.delete(key)
    return row


def _replayed(ctx: Context, request: dict[str, Any], receipt: dict[str, Any]) -> str:
    """Return the id of what was made under the same key; anything else learns that the upload is gone."""
    made: str = receipt["made"]
    if ctx.idempotency_key is None or receipt["idempotency_key"] != ctx.idempotency_key:
        raise InvalidState(f"This upload was used for {made} already.", param="upload_id")
    if receipt["request"] != request:
        message = "This idempotency key was used for another request."
        raise Conflict(message, code="idempotency_conflict", param="Idempotency-Key")
    return made


async def _write(draft: Path, most: int, announced: int | None, chunks: AsyncIterator[bytes]) -> int:
    if announced is not None and announced > most:
        raise _too_large(most)
    size = 0
    with draft.open("wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise _too_large(most)
            await asyncio.to_thread(file.write, chunk)
    if size == 0:
        raise Invalid("The file is empty.", param="file")
    return size


async def _fetch(core: Core, key: str, draft: Path, upload_id: str) -> None:
    try:
        await core.storage.fetch(key, draft)
    except FileNotFoundError:
        message = f"Nothing has been uploaded for {upload_id}, or it has expired."
        raise NotFound(message, param="upload_id", hint="PUT the file to the upload's URL first.") from None


async def _receipt(core: Core, key: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = orjson.loads(await core.storage.read(_receipt_key(key)))
    except FileNotFoundError:
        return None
    return found


async def _purge(ctx: Context) -> None:
    """Delete what this account has uploaded and not used for longer than a day."""
    before = clock.to_micros(clock.now() - KEPT) // 1000
    for key, _ in await ctx.core.storage.list(f"{ctx.account.id}/uploads"):
        if ids.made_ms(key.rpartition("/")[2].partition(".")[0]) < before:
            await ctx.core.storage.delete(key)


def _key(account_id: str, upload_id: str) -> str:
    return f"{account_id}/uploads/{upload_id}"


def _receipt_key(key: str) -> str:
    return f"{key}.used.json"


def _draft(core: Core) -> Path:
    return core.settings.uploads / ids.new("draft")


def _too_large(most: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"An upload has at most {most} bytes.", param="file")

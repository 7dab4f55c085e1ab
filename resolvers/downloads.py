"""Downloads of checkpoints: signed URLs that work without an API key for a limited time, streamed from storage in constant
memory.

A token names a job, a checkpoint of it or one file of that; what it stands for is looked up when it is used. A file comes in
parts where that is asked for; an archive, which is made while it is sent, only as a whole.
"""

import mimetypes
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, get_args
from urllib.parse import quote

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.crypto import TokenExpired
from burnish.kit.db import Session
from burnish.kit.errors import Forbidden, Invalid, NotFound
from burnish.kit.storage import Corrupt, Storage
from engines.delivery import archive, parts
from engines.delivery.parts import Part, Weights
from models.job import COMPLETED, Checkpoint, Job
from resolvers import checkpoints, jobs
from resolvers.context import Context, Platform

USE = "download"


@dataclass(frozen=True)
class Download:
    """What a download URL stands for; `size_bytes` is None where it is known only at the end. `part` gives the bytes from an
    offset to before another, None where it comes only as a whole; `tag` tells its bytes from all others.
    """

    filename: str
    media_type: str
    size_bytes: int | None
    stream: AsyncIterator[bytes]
    part: Callable[[int, int], AsyncIterator[bytes]] | None = None
    tag: str | None = None


@dataclass(frozen=True)
class StoredFile:
    """A file of a checkpoint; `sha256` is None where it was saved before checksums were kept."""

    path: str
    url: str
    size_bytes: int
    sha256: str | None


def job_url(core: Core, row: Job) -> str | None:
    """Return a URL of the trained model of a completed job, None for any other job."""
    return signed_url(core, f"{row.output_name}.tar.gz", job=row.id) if row.status == COMPLETED else None


async def url(ctx: Context, job_id: str, checkpoint_id: str | None = None, weights: str | None = None) -> str:
    """Return a URL of a checkpoint as a `.tar.gz`: that of the trained model where none is named.

    NotFound for a job or checkpoint of nobody or of another, Invalid (`job_not_completed`) where there is no trained model yet,
    Invalid for weights that it has not.
    """
    return checkpoint_url(ctx, *await _owned(ctx, job_id, checkpoint_id), weights)


def checkpoint_url(ctx: Context, row: Job, checkpoint: Checkpoint, weights: str | None = None) -> str:
    """Return the URL of a checkpoint of a job that the caller was given already; Invalid for weights that it has not."""
    ctx.require("read")
    form = _form(row, checkpoint, weights) or parts.BOTH
    return signed_url(ctx.core, _archive_name(row, checkpoint), job=row.id, checkpoint=checkpoint.id, weights=form)


async def files(ctx: Context, job_id: str, checkpoint_id: str | None = None, weights: str | None = None) -> list[StoredFile]:
    """Return every file of a checkpoint; errors as in `url`."""
    return await checkpoint_files(ctx, *await _owned(ctx, job_id, checkpoint_id), weights)


async def checkpoint_files(ctx: Context, row: Job, checkpoint: Checkpoint, weights: str | None = None) -> list[StoredFile]:
    """Return every file of a checkpoint of a job that the caller was given already, from storage alone; errors as in
    `checkpoint_url`.
    """
    ctx.require("read")

    def shown(part: Part) -> StoredFile:
        where = signed_url(ctx.core, part.path, job=row.id, checkpoint=checkpoint.id, path=part.stored)
        return StoredFile(part.path, where, part.size_bytes, part.sha256)

    return [shown(part) for part in await _stored(ctx.core.storage, checkpoint, _form(row, checkpoint, weights))]


async def open(platform: Platform, token: str) -> Download:
    """Return what a token stands for; Forbidden (`download_expired`) past its time, NotFound for any other that does not hold."""
    claims, storage = claims_of(platform.core, token), platform.core.storage
    async with platform.db.read() as session:
        row, checkpoint = await _named(session, claims)
    if "path" not in claims:
        found = await _stored(storage, checkpoint, claims.get("weights") or _form(row, checkpoint, None))
        stream = archive.pack(storage, found, clock.to_micros(checkpoint.created_at) // 1_000_000)
        return Download(_archive_name(row, checkpoint), "application/gzip", None, stream)
    for part in await _stored(storage, checkpoint, None):
        if part.stored == claims["path"]:
            return _file(storage, checkpoint, part)
    raise NotFound("This file is not stored any more.")


def _file(storage: Storage, checkpoint: Checkpoint, part: Part) -> Download:
    def stretch(start: int, end: int) -> AsyncIterator[bytes]:
        return storage.stream(part.key, offset=start, end=end)

    # What is stored under a key is never changed.
    tag = f'"{part.sha256 or f"{checkpoint.id}-{part.size_bytes}"}"'
    name = PurePosixPath(part.path).name
    return Download(name, "application/octet-stream", part.size_bytes, storage.stream(part.key), stretch, tag)


def media_url(core: Core, job_id: str, key: str) -> str:
    """Return a URL of a clip that a job made, stored under `key`."""
    return signed_url(core, PurePosixPath(key).name, job=job_id, media=key)


async def open_media(platform: Platform, row: Job, key: str) -> Download:
    """Return a clip of a job; NotFound where it is not stored any more."""
    storage, name = platform.core.storage, PurePosixPath(key).name
    size = await storage.size(key) if key.startswith(f"{row.account_id}/{row.id}/") else None
    if size is None:
        raise NotFound("This clip is not stored any more.")

    def part(start: int, end: int) -> AsyncIterator[bytes]:
        return storage.stream(key, offset=start, end=end)

    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    # Its name is drawn by chance for these bytes.
    return Download(name, kind, size, storage.stream(key), part, f'"{name}"')


def signed_url(core: Core, name: str, **claims: str) -> str:
    """Return a URL of what `claims` name; `name` is what to call the file."""
    token = core.secrets.sign({"use": USE, **claims}, core.settings.download_url_s)
    # The name at the end is for people and `curl -O`; the token alone says what it is.
    return f"{core.settings.base_url}/v1/downloads/{token}/{quote(name)}"


def claims_of(core: Core, token: str) -> dict[str, Any]:
    """Return what a token names; Forbidden (`download_expired`) past its time, NotFound for any other that does not hold."""
    try:
        claims = core.secrets.verify(token)
    except TokenExpired:
        raise Forbidden("This download URL has expired; ask for a new one.", code="download_expired") from None
    except ValueError:
        raise NotFound("No such download.") from None
    if claims.get("use") != USE:
        raise NotFound("No such download.")
    return claims


async def _owned(ctx: Context, job_id: str, checkpoint_id: str | None) -> tuple[Job, Checkpoint]:
    row = await jobs.get(ctx, job_id)
    if checkpoint_id is None:
        return row, await jobs.final_checkpoint(ctx, job_id)
    for checkpoint in await jobs.checkpoints(ctx, job_id):
        if checkpoint.id == checkpoint_id:
            return row, checkpoint
    raise NotFound(f"No such checkpoint: {checkpoint_id}")


def _form(row: Job, checkpoint: Checkpoint, weights: str | None) -> Weights | None:
    """Return the weights that a download holds: those asked for, or those that the job wants where it is kept here alone."""
    if not checkpoint.final:
        if weights is not None:
            message = f"{checkpoint.id} is the trainer's state after a step, which comes whole."
            raise Invalid(message, param="weights", hint="Only a trained model has weights to choose from.")
        return None
    if weights is None:
        kept = row.checkpoint_destination
        wanted: Weights | None = kept.get("weights") if kept["type"] == "veri" else None
        return wanted
    forms = parts.offered(row.method, is_adapter=checkpoint.adapter_rank is not None)
    for form in forms:
        if form == weights:
            return form
    if weights not in get_args(Weights):
        raise Invalid(f"Unknown weights '{weights}'; there are {', '.join(get_args(Weights))}.", param="weights")
    raise Invalid(f"This model has no '{weights}' weights: there is only '{forms[0]}'.", param="weights")


async def _named(session: Session, claims: dict[str, Any]) -> tuple[Job, Checkpoint]:
    row = await session.get(Job, claims["job"])
    if row is None or row.deleted_at is not None:
        raise NotFound("This job is gone.")
    if "checkpoint" not in claims:
        return row, await checkpoints.find_final(session, row.id)
    checkpoint = await session.get(Checkpoint, claims["checkpoint"])
    if checkpoint is None or checkpoint.deleted_at is not None:
        raise NotFound("This checkpoint is not stored any more.")
    return row, checkpoint


async def _stored(storage: Storage, checkpoint: Checkpoint, weights: Weights | None) -> list[Part]:
    try:
        return await parts.find(storage, checkpoint, weights)
    except (FileNotFoundError, Corrupt):
        raise NotFound("The files of this checkpoint are not stored any more.") from None


def _archive_name(row: Job, checkpoint: Checkpoint) -> str:
    return f"{row.output_name}.tar.gz" if checkpoint.final else f"{row.output_name}-step-{checkpoint.step}.tar.gz"

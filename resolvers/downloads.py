"""Downloads of checkpoints: signed URLs that work without an API key for a limited time, streamed from storage in constant
memory.

A token names a job, a checkpoint of it or one file of that; what it stands for is looked up when it is used.
"""

import asyncio
import mimetypes
import tarfile
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.crypto import TokenExpired
from burnish.kit.db import Session
from burnish.kit.errors import Forbidden, NotFound
from burnish.kit.storage import Storage
from models.job import COMPLETED, Checkpoint, Job
from resolvers import checkpoints, jobs
from resolvers.context import Context, Platform

USE = "download"
GZIP_WINDOW = 31
# Weights hardly compress: the lowest level costs the least and is nearly as small.
GZIP_LEVEL = 1
BLOCK = tarfile.BLOCKSIZE


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


def job_url(core: Core, row: Job) -> str | None:
    """Return a URL of the trained model of a completed job, None for any other job."""
    return signed_url(core, f"{row.output_name}.tar.gz", job=row.id) if row.status == COMPLETED else None


async def url(ctx: Context, job_id: str, checkpoint_id: str | None = None) -> str:
    """Return a URL of a checkpoint as a `.tar.gz`: that of the trained model where none is named.

    NotFound for a job or checkpoint of nobody or of another, Invalid (`job_not_completed`) where there is no trained model yet.
    """
    row, checkpoint = await _owned(ctx, job_id, checkpoint_id)
    return signed_url(ctx.core, _archive_name(row, checkpoint), job=job_id, checkpoint=checkpoint.id)


async def files(ctx: Context, job_id: str, checkpoint_id: str | None = None) -> list[tuple[str, str]]:
    """Return (path, URL) of every file of a checkpoint; errors as in `url`."""
    _, checkpoint = await _owned(ctx, job_id, checkpoint_id)
    paths = [path for _, path, _ in await _stored(ctx.core.storage, checkpoint)]
    return [(path, signed_url(ctx.core, path, job=job_id, checkpoint=checkpoint.id, path=path)) for path in paths]


async def open(platform: Platform, token: str) -> Download:
    """Return what a token stands for; Forbidden (`download_expired`) past its time, NotFound for any other that does not hold."""
    claims = claims_of(platform.core, token)
    async with platform.db.read() as session:
        row, checkpoint = await _named(session, claims)
    stored = await _stored(platform.core.storage, checkpoint)
    path = claims.get("path")
    if path is None:
        stream = _archive(platform.core.storage, stored, clock.to_micros(checkpoint.created_at) // 1_000_000)
        return Download(_archive_name(row, checkpoint), "application/gzip", None, stream)
    for key, name, size in stored:
        if name == path:
            return Download(PurePosixPath(name).name, "application/octet-stream", size, platform.core.storage.stream(key))
    raise NotFound("This file is not stored any more.")


def media_url(core: Core, job_id: str, key: str) -> str:
    """Return a URL of a clip that a job made, stored under `key`."""
    return signed_url(core, PurePosixPath(key).name, job=job_id, media=key)


async def open_media(platform: Platform, row: Job, key: str) -> Download:
    """Return a clip of a job; NotFound where it is not stored any more."""
    storage = platform.core.storage
    for found, size in await storage.list(str(PurePosixPath(key).parent)):
        if found == key and key.startswith(f"{row.account_id}/{row.id}/"):
            name = PurePosixPath(key).name
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"

            def part(start: int, end: int) -> AsyncIterator[bytes]:
                return storage.stream(key, offset=start, end=end)

            return Download(name, kind, size, storage.stream(key), part, name)
    raise NotFound("This clip is not stored any more.")


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


async def _stored(storage: Storage, checkpoint: Checkpoint) -> list[tuple[str, str, int]]:
    """Return (key, path within the checkpoint, size) of its files."""
    prefix = checkpoint.storage_prefix
    found = [(key, PurePosixPath(key).relative_to(prefix).as_posix(), size) for key, size in await storage.list(prefix)]
    if not found:
        raise NotFound("The files of this checkpoint are not stored any more.")
    return found


def _archive_name(row: Job, checkpoint: Checkpoint) -> str:
    return f"{row.output_name}.tar.gz" if checkpoint.final else f"{row.output_name}-step-{checkpoint.step}.tar.gz"


async def _archive(storage: Storage, stored: list[tuple[str, str, int]], mtime: int) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW)
    async for chunk in _tar(storage, stored, mtime):
        packed = await asyncio.to_thread(packer.compress, chunk)
        if packed:
            yield packed
    yield packer.flush()


async def _tar(storage: Storage, stored: list[tuple[str, str, int]], mtime: int) -> AsyncIterator[bytes]:
    for key, path, size in stored:
        info = tarfile.TarInfo(path)
        info.size, info.mtime = size, mtime
        yield info.tobuf(tarfile.PAX_FORMAT)
        sent = 0
        async for chunk in storage.stream(key):
            sent += len(chunk)
            yield chunk
        if sent != size:
            raise OSError(f"{key} has {sent} bytes instead of {size}")
        yield bytes(-size % BLOCK)
    yield bytes(2 * BLOCK)

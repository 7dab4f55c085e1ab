"""A bucket as the place of a trained model: its files one by one, or one archive of them, streamed from our own storage.

`SHA256SUMS` is written last, so that it speaks for a delivery that is whole. A file that is not what was stored never becomes
visible.
"""

import hashlib
import math
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import obstore
from obstore.store import S3Store

from burnish.kit.settings import Settings
from burnish.kit.storage import CHUNK, UPLOADS_AT_ONCE, Storage
from engines.delivery import archive
from engines.delivery.parts import SUMS, Part, sums_file

# One request to the bucket; what takes longer is one of our own tries.
RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=30)}
# An upload to S3 has 10,000 parts at most, all of the same size.
PARTS_MAX = 10_000


def open(settings: Settings, uri: str) -> S3Store:
    """Open a folder of a bucket, `s3://bucket/folder`, with the credentials of this process's environment."""
    bucket, _, folder = uri.removeprefix("s3://").partition("/")
    options: dict[str, Any] = {"prefix": folder or None, "retry_config": RETRIES}
    if settings.delivery_endpoint:
        plain = settings.delivery_endpoint.startswith("http://")
        options |= {"endpoint": settings.delivery_endpoint, "client_options": {"allow_http": plain}}
    return S3Store(bucket, **options)


async def put_files(storage: Storage, parts: Sequence[Part], target: S3Store, sent: set[str]) -> None:
    """Copy the files. `sent` has those that an earlier try has copied, and gets those that this one does."""
    for part in parts:
        if part.path not in sent:
            await _put(target, part.path, storage.checked(part.key, part.sha256), part.size_bytes)
            sent.add(part.path)
    await _put_sums(target, sums_file((part.path, part.sha256) for part in parts))


async def put_archive(storage: Storage, parts: Sequence[Part], target: S3Store, name: str, mtime: int) -> None:
    """Write the files as the archive `name`, and its checksum beside it."""
    digest = hashlib.sha256()

    async def counted() -> AsyncIterator[bytes]:
        async for chunk in archive.pack(storage, parts, mtime):
            digest.update(chunk)
            yield chunk

    await _put(target, name, counted(), archive.most_bytes(parts))
    await _put_sums(target, sums_file([(name, digest.hexdigest())]))


def chunk_bytes(size_bytes: int) -> int:
    """Return the size of the parts in which an upload of at most so many bytes goes."""
    return max(CHUNK, math.ceil(size_bytes / PARTS_MAX))


async def _put(target: S3Store, path: str, stream: AsyncIterator[bytes], size_bytes: int) -> None:
    chunk = chunk_bytes(size_bytes)
    await obstore.put_async(target, path, stream, chunk_size=chunk, max_concurrency=UPLOADS_AT_ONCE)


async def _put_sums(target: S3Store, sums: bytes) -> None:
    if sums:
        await obstore.put_async(target, SUMS, sums)

"""Files as one `.tar.gz`, made while it is sent: memory stays constant however large the model is, and nothing is kept on disk.

The last of its files is `SHA256SUMS`. The archive ends early, never quietly, where a file is not what was stored.
"""

import asyncio
import tarfile
import zlib
from collections.abc import AsyncIterator, Sequence

from burnish.kit.storage import Corrupt, Storage
from engines.delivery.parts import SUMS, Part, sums_file

GZIP_WINDOW = 31
# Weights hardly compress: the lowest level costs the least and is nearly as small.
GZIP_LEVEL = 1
BLOCK = tarfile.BLOCKSIZE
# Headers, the end and the padding to whole records, beyond what a file takes.
OVERHEAD_BYTES = 4 * BLOCK


async def pack(storage: Storage, parts: Sequence[Part], mtime: int) -> AsyncIterator[bytes]:
    """Yield the archive; `mtime` is the time of all its files, in seconds. Corrupt where a file is not what was stored."""
    packer = zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW)
    async for chunk in _tar(storage, parts, mtime):
        packed = await asyncio.to_thread(packer.compress, chunk)
        if packed:
            yield packed
    yield packer.flush()


def most_bytes(parts: Sequence[Part]) -> int:
    """Return how large the archive may become, at most."""
    plain = sum(part.size_bytes + OVERHEAD_BYTES + 2 * len(part.path) for part in parts) + OVERHEAD_BYTES
    # What does not compress grows: by 5 bytes in each 16 KiB, and a little.
    return plain + plain // 2048 + 1024


async def _tar(storage: Storage, parts: Sequence[Part], mtime: int) -> AsyncIterator[bytes]:
    for part in parts:
        yield _header(part.path, part.size_bytes, mtime)
        sent = 0
        async for chunk in storage.checked(part.key, part.sha256):
            sent += len(chunk)
            yield chunk
        if sent != part.size_bytes:
            raise Corrupt(f"{part.path} has {sent} bytes instead of {part.size_bytes}")
        yield bytes(-sent % BLOCK)
    sums = sums_file((part.path, part.sha256) for part in parts)
    if sums:
        yield _header(SUMS, len(sums), mtime) + sums + bytes(-len(sums) % BLOCK)
    yield bytes(2 * BLOCK)


def _header(path: str, size_bytes: int, mtime: int) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mtime = size_bytes, mtime
    return info.tobuf(tarfile.PAX_FORMAT)

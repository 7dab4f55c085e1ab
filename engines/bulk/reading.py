"""The lines of a stored file, one after the other: no more of it is in memory than a chunk and the line it ends in."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from burnish.kit.storage import Storage


async def lines(storage: Storage, key: str, offset: int = 0) -> AsyncGenerator[tuple[int, bytes], None]:
    """Yield where each line begins, in bytes, and the line without its end, from `offset` on, at which a line begins.

    FileNotFoundError where there is no such file. The last line may have no end; empty lines are lines.
    """
    rest = b""
    async with aclosing(storage.stream(key, offset=offset)) as chunks:
        async for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
            for line in whole:
                yield offset, line
                offset += len(line) + 1
    if rest:
        yield offset, rest

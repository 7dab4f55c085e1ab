"""The lines of a stored file, one after the other: no more of it is in memory than a chunk and the line it ends in."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from burnish.kit.storage import Storage

BOM = b"\xef\xbb\xbf"
BLANK = b" \t\r\n"


async def lines(
    storage: Storage, key: str, offset: int = 0, longest: int | None = None
) -> AsyncGenerator[tuple[int, bytes], None]:
    """Yield where each line begins, in bytes, and the line without its end, from `offset` on, at which a line begins.

    Of a line of more than `longest` bytes only some are yielded, more than those. FileNotFoundError where there is no such file.
    The last line may have no end; empty lines are lines.
    """
    parts: list[bytes] = []
    held = dropped = 0
    async with aclosing(storage.stream(key, offset=offset)) as chunks:
        async for chunk in chunks:
            first, *whole = chunk.split(b"\n")
            if longest is None or held <= longest:
                parts.append(first)
                held += len(first)
            else:
                dropped += len(first)
            if not whole:
                continue
            line = b"".join(parts)
            yield offset, line
            offset += len(line) + dropped + 1
            *whole, rest = whole
            parts, held, dropped = [rest], len(rest), 0
            for line in whole:
                yield offset, line
                offset += len(line) + 1
    if held:
        yield offset, b"".join(parts)


def content(offset: int, line: bytes) -> bytes:
    """Return what a line holds, without the mark that a file may begin with and what is around it; empty for a blank one."""
    return (line.removeprefix(BOM) if offset == 0 else line).strip(BLANK)

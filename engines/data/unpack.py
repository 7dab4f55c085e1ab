"""Decompression as a stream, with an end to it: gzip and zstd, told by their first bytes, within a size and a ratio."""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import zstandard

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
# What compresses better than this is not data but an attack; the first bytes of a file prove nothing.
MAX_RATIO = 500
RATIO_FROM = 64 * 2**20
MAX_WINDOW = 2**27
PIECE = 2**18
ZSTD_PIECE = 2**11


class Unusable(Exception):
    """What was sent as a whole cannot be used; its text is for the user."""


class TooLarge(Unusable):
    """It is, or unpacks to, more than is taken."""


@dataclass
class Budget:
    """How much may come out of what went in."""

    most: int
    came_in: int = 0
    came_out: int = 0

    def took(self, count: int) -> None:
        self.came_in += count

    def gave(self, count: int) -> None:
        """Count what came out; TooLarge past the size, Unusable past the ratio."""
        self.came_out += count
        if self.came_out > self.most:
            raise TooLarge(f"it unpacks to more than {self.most} bytes")
        if self.came_out > RATIO_FROM and self.came_out > self.came_in * MAX_RATIO:
            raise Unusable(f"it unpacks to more than {MAX_RATIO} times its size")


def is_packed(head: bytes) -> bool:
    return head.startswith((GZIP, ZSTD))


def unpacked(chunks: Iterator[bytes], budget: Budget) -> Iterator[bytes]:
    """Yield what the chunks decompress to, or they themselves where they are not compressed; Unusable where they are broken."""
    first = next(chunks, b"")
    while len(first) < len(ZSTD) and (more := next(chunks, b"")):
        first += more
    whole = _counted(first, chunks, budget)
    if first.startswith(GZIP):
        source = _gunzip(whole)
    elif first.startswith(ZSTD):
        source = _unzstd(whole)
    else:
        source = whole
    for data in source:
        budget.gave(len(data))
        yield data


def reader(chunks: Iterator[bytes]) -> "io.BufferedReader":
    """Return a stream of bytes as a file that is read forwards."""
    return io.BufferedReader(_Chunks(chunks), PIECE)


def pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _counted(first: bytes, chunks: Iterator[bytes], budget: Budget) -> Iterator[bytes]:
    budget.took(len(first))
    yield first
    for chunk in chunks:
        budget.took(len(chunk))
        yield chunk


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    state = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            while chunk:
                if state.eof:
                    # Members follow one another; what pads the last one is zeros.
                    chunk = chunk.lstrip(b"\0")
                    if not chunk:
                        break
                    state = zlib.decompressobj(wbits=31)
                yield state.decompress(chunk, PIECE)
                while state.unconsumed_tail:
                    yield state.decompress(state.unconsumed_tail, PIECE)
                chunk = state.unused_data
    except zlib.error:
        raise Unusable("it is not whole gzip data") from None
    if not state.eof:
        raise Unusable("its gzip data ends too early")


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    limited = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    state = limited.decompressobj()
    try:
        for chunk in chunks:
            # What comes out of a piece cannot be bounded, so the pieces are small.
            for piece in (chunk[start : start + ZSTD_PIECE] for start in range(0, len(chunk), ZSTD_PIECE)):
                while piece:
                    if state.eof:
                        state = limited.decompressobj()
                    yield state.decompress(piece)
                    piece = state.unused_data
    except zstandard.ZstdError:
        raise Unusable("it is not whole zstd data") from None
    if not state.eof:
        raise Unusable("its zstd data ends too early")


class _Chunks(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

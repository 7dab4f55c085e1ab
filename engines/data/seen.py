"""What occurred before, of any number of things in bounded memory: digests that are sorted in pieces on the disk.

Two different things have the same digest with a probability below 1e-20 among a billion of them.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

RECORD: Any = np.dtype([("high", "<u8"), ("low", "<u8"), ("line", "<u8")])
DIGEST_BYTES = 16
IN_MEMORY = 2**19
PARTS = 256


class Seen:
    """Things by their line. A folder for what does not fit into memory is made in `scratch` when it is needed; `close` it."""

    def __init__(self, scratch: Path | None = None) -> None:
        self._scratch = scratch
        self._folder: Path | None = None
        self._buffer = bytearray()

    def add(self, thing: bytes, line: int) -> None:
        self._buffer += blake2b(thing, digest_size=DIGEST_BYTES).digest() + line.to_bytes(8, "little")
        if len(self._buffer) >= IN_MEMORY * RECORD.itemsize:
            self._spill()

    def repeated(self, most: int) -> tuple[int, list[tuple[int, int]]]:
        """Return how many things occurred before, and the first `most` of them as (line, line where it stood before)."""
        count, first = 0, list[tuple[int, int]]()
        for records in self._pieces():
            found = _repeats(records)
            count += len(found)
            first = sorted(first + [(int(line), int(before)) for line, before in found[:most]])[:most]
        return count, first

    def close(self) -> None:
        if self._folder is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(self._folder)
            self._folder = None

    def _pieces(self) -> Iterator[Any]:
        """Yield all records so that equal digests are in one piece."""
        if self._folder is None:
            yield np.frombuffer(self._buffer, RECORD)
            return
        self._spill()
        for path in sorted(self._folder.iterdir()):
            yield np.fromfile(path, RECORD)

    def _spill(self) -> None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="seen-", dir=self._scratch))
        records = np.frombuffer(bytes(self._buffer), RECORD)
        self._buffer.clear()
        parts = records["high"] % PARTS
        order = np.argsort(parts, kind="stable")
        edges: Any = np.searchsorted(parts[order], np.arange(PARTS + 1))
        for part in range(PARTS):
            piece = records[order[edges[part] : edges[part + 1]]]
            if len(piece):
                with (self._folder / f"{part:03}").open("ab") as file:
                    file.write(piece.tobytes())


def _repeats(records: Any) -> Any:
    """Return (line, line before) of each record whose digest stands on an earlier line, sorted by line."""
    if len(records) < 2:
        return []
    ordered = records[np.lexsort((records["line"], records["low"], records["high"]))]
    same = (ordered["high"][1:] == ordered["high"][:-1]) & (ordered["low"][1:] == ordered["low"][:-1])
    places = np.flatnonzero(same) + 1
    # The first line of a run of equal digests: the last place before it at which something new began.
    begins: Any = np.flatnonzero(np.concatenate(([True], ~same)))
    first = ordered["line"][begins[np.searchsorted(begins, places, side="right") - 1]]
    lines = ordered["line"][places]
    by_line = np.argsort(lines)
    return np.stack([lines[by_line], first[by_line]], axis=1)

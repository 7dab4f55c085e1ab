"""An uploaded file, whatever it is packed in, becomes checked rows.

JSONL as it is, JSONL in gzip or zstd, and `.zip`, `.tar` and `.tar.gz` archives of video rows are told apart by their bytes.
Nothing here reads a clip itself: `probe` does, which is FFmpeg's and so only in the child (`intake_task`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from engines.data import archive, jsonl, unpack
from engines.data.archive import Probe
from engines.data.jsonl import Report
from engines.data.unpack import Budget

ZIP = b"PK\x03\x04"
TAR_MAGIC = slice(257, 262)
ROWS = "rows.jsonl"


@dataclass
class Taken:
    """What became of a file: its rows as plain JSONL, and the folder of the clips that they name."""

    report: Report
    rows: Path
    media: Path | None = None


def is_plain(path: Path) -> bool:
    """Whether a file is neither compressed nor an archive."""
    with path.open("rb") as file:
        head = file.read(TAR_MAGIC.stop)
    return not unpack.is_packed(head) and not head.startswith(ZIP) and head[TAR_MAGIC] != b"ustar"


def plain(path: Path, folder: Path, max_line_bytes: int) -> Taken:
    """Check the rows of a file that is JSONL as it is."""
    return Taken(jsonl.inspect(path, max_line_bytes=max_line_bytes, scratch=folder), path)


def take(path: Path, folder: Path, max_bytes: int, max_line_bytes: int, probe: Probe) -> Taken:
    """Unpack a file into `folder` where it is packed, and check its rows; Unusable where that ends as a whole."""
    if is_plain(path):
        return plain(path, folder, max_line_bytes)
    budget = Budget(max_bytes)
    with path.open("rb") as file:
        if file.read(len(ZIP)) == ZIP:
            return _rows_of(archive.unpack_zip(path, folder, probe, budget), folder, max_line_bytes)
        file.seek(0)
        data = unpack.unpacked(unpack.pieces(file), budget)
        head = next(data, b"")
        while len(head) < TAR_MAGIC.stop and (more := next(data, b"")):
            head += more
        whole = chain([head], data)
        if head[TAR_MAGIC] == b"ustar":
            return _rows_of(archive.unpack_tar(unpack.reader(whole), folder, probe), folder, max_line_bytes)
        return _unpacked_rows(whole, folder, max_line_bytes)


def _unpacked_rows(data: Iterator[bytes], folder: Path, max_line_bytes: int) -> Taken:
    rows = folder / ROWS
    with rows.open("wb") as file:
        for piece in data:
            file.write(piece)
    return Taken(jsonl.inspect(rows, max_line_bytes=max_line_bytes, scratch=folder), rows)


def _rows_of(media: archive.Media, folder: Path, max_line_bytes: int) -> Taken:
    rows = folder / archive.METADATA
    report = jsonl.inspect(rows, max_line_bytes=max_line_bytes, scratch=folder, also=media)
    report.clips = media.counts.counted
    if not report.problems:
        media.keep_used()
    return Taken(report, rows, media.folder)

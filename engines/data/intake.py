"""The child task `data.intake`: an uploaded file, whatever it is packed in, becomes checked rows.

JSONL as it is, JSONL in gzip or zstd, and `.zip`, `.tar` and `.tar.gz` archives of video rows are told apart by their bytes.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from engines.data import archive, jsonl, unpack
from engines.data.confined import confine
from engines.data.jsonl import Report
from engines.data.unpack import Budget, TooLarge, Unusable
from engines.protocol import ChildFailure, Reporter

ZIP = b"PK\x03\x04"
TAR_MAGIC = slice(257, 262)
ROWS = "rows.jsonl"


@dataclass
class Taken:
    """What became of a file: its rows as plain JSONL, and the folder of the clips that they name."""

    report: Report
    rows: Path
    media: Path | None = None


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Take `spec` `{path, folder, max_bytes, max_line_bytes}`; return `{report, rows, media}`.

    ChildFailure `invalid_dataset` or `payload_too_large` for a file that cannot be used as a whole.
    """
    confine()
    try:
        taken = take(Path(spec["path"]), Path(spec["folder"]), spec["max_bytes"], spec["max_line_bytes"])
    except Unusable as error:
        raise failure(error) from None
    return {
        "report": asdict(taken.report),
        "rows": str(taken.rows),
        "media": None if taken.media is None else str(taken.media),
    }


def failure(error: Unusable) -> ChildFailure:
    code = "payload_too_large" if isinstance(error, TooLarge) else "invalid_dataset"
    return ChildFailure(code, f"The file cannot be used: {error}.")


def is_plain(path: Path) -> bool:
    """Whether a file is neither compressed nor an archive."""
    with path.open("rb") as file:
        head = file.read(TAR_MAGIC.stop)
    return not unpack.is_packed(head) and not head.startswith(ZIP) and head[TAR_MAGIC] != b"ustar"


def take(path: Path, folder: Path, max_bytes: int, max_line_bytes: int) -> Taken:
    """Unpack a file into `folder` where it is packed, and check its rows; Unusable where that ends as a whole."""
    if is_plain(path):
        return Taken(jsonl.inspect(path, max_line_bytes=max_line_bytes, scratch=folder), path)
    budget = Budget(max_bytes)
    with path.open("rb") as file:
        if file.read(len(ZIP)) == ZIP:
            return _rows_of(archive.unpack_zip(path, folder, budget), folder, max_line_bytes)
        file.seek(0)
        data = unpack.unpacked(unpack.pieces(file), budget)
        head = next(data, b"")
        while len(head) < TAR_MAGIC.stop and (more := next(data, b"")):
            head += more
        whole = chain([head], data)
        if head[TAR_MAGIC] == b"ustar":
            return _rows_of(archive.unpack_tar(unpack.reader(whole), folder, budget), folder, max_line_bytes)
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
    if not report.problems:
        media.keep_used()
    return Taken(report, rows, media.folder)

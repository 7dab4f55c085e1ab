"""The rows in a file: JSON lines, one JSON array, CSV or Parquet, told by its name, or else by how it begins."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow
import pyarrow.parquet

from engines.data import unpack
from engines.data.remote import RangedFile, Remote
from engines.data.source import SourceError
from engines.data.unpack import Budget, TooLarge

KINDS = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet",
}  # fmt: skip
PACKED = (".gz", ".zst")
PARQUET = b"PAR1"
BATCH = 500
BETWEEN = re.compile(r"[ \t\r\n,]*")
# A line of the file as it is, or a row that has been read already; None for a line too long to be held.
Item = bytes | Mapping[str, Any] | None


def kind_of(name: str) -> str | None:
    """Return the format that a file's name tells, None where it tells none."""
    lowered = name.lower()
    for suffix in PACKED:
        lowered = lowered.removesuffix(suffix)
    return next((kind for suffix, kind in KINDS.items() if lowered.endswith(suffix)), None)


def rows(remote: Remote, folder: Path, budget: Budget, max_line_bytes: int) -> Iterator[Item]:
    """Yield the rows of a file, whole, in constant memory; a Parquet file is brought into `folder` first."""
    data = remote.stream()
    kind, data = _told(remote.name, data)
    if kind == "parquet":
        path = folder / "source.parquet"
        try:
            _save(data, path, budget.most)
            with path.open("rb") as file:
                yield from _parquet(file)
        finally:
            path.unlink(missing_ok=True)
        return
    stream = unpack.reader(unpack.unpacked(data, budget))
    yield from _text_rows(kind, stream, max_line_bytes)


def head(remote: Remote, budget: Budget, max_line_bytes: int) -> tuple[Iterator[Item], int | None]:
    """Return the rows of a file from its beginning, read no further than they are taken, and how many there are if it says."""
    if kind_of(remote.name) == "parquet":
        size = remote.size()
        if size is None:
            raise SourceError("source_unreachable", f"{remote.name} cannot be looked into: its server gives it whole only.")
        file = io.BufferedReader(RangedFile(remote, size))
        return _parquet(file), _row_count(file)
    kind, data = _told(remote.name, remote.stream())
    if kind == "parquet":
        raise SourceError("invalid_source", f"{remote.name} is a Parquet file: its name must end in .parquet.")
    return _text_rows(kind, unpack.reader(unpack.unpacked(data, budget)), max_line_bytes), None


def row_count(remote: Remote) -> int | None:
    """Return how many rows a Parquet file says it has."""
    size = remote.size()
    return None if size is None else _row_count(io.BufferedReader(RangedFile(remote, size)))


def _told(name: str, data: Iterator[bytes]) -> tuple[str, Iterator[bytes]]:
    first = next(data, b"")
    whole = chain([first], data)
    kind = kind_of(name)
    if kind is not None:
        return kind, whole
    if first.startswith(PARQUET):
        return "parquet", whole
    if unpack.is_packed(first) or first.lstrip().startswith((b"{", b"\xef\xbb\xbf{")):
        return "jsonl", whole
    if first.lstrip().startswith(b"["):
        return "json", whole
    raise SourceError("invalid_source", f"What {name or 'it'} is cannot be told: name it .jsonl, .json, .csv or .parquet.")


def _save(data: Iterator[bytes], path: Path, most: int) -> None:
    size = 0
    with path.open("wb") as file:
        for piece in data:
            size += len(piece)
            if size > most:
                raise TooLarge(f"it has more than {most} bytes")
            file.write(piece)


def _text_rows(kind: str, stream: io.BufferedReader, max_line_bytes: int) -> Iterator[Item]:
    if kind == "json" and stream.peek(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return _array(stream, max_line_bytes)
    if kind in ("csv", "tsv"):
        return _csv(stream, "\t" if kind == "tsv" else ",", max_line_bytes)
    return _lines(stream, max_line_bytes)


def _lines(stream: io.BufferedReader, max_line_bytes: int) -> Iterator[Item]:
    most = max_line_bytes + 2
    while line := stream.readline(most):
        if len(line) == most and not line.endswith(b"\n"):
            while (rest := stream.readline(unpack.PIECE)) and not rest.endswith(b"\n"):
                pass
            yield None
        elif line.strip():
            yield line


def _array(stream: io.BufferedReader, max_line_bytes: int) -> Iterator[Item]:
    """Yield the elements of one JSON array as lines of their own, each within the limit of a line."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig")
    buffer, at, decoder, ended = text.read(unpack.PIECE).lstrip()[1:], 0, json.JSONDecoder(), False
    try:
        while True:
            begin = at = BETWEEN.match(buffer, at).end()  # type: ignore[union-attr]
            if buffer.startswith("]", at):
                return
            try:
                _, at = decoder.raw_decode(buffer, begin)
            except ValueError:
                buffer, at = buffer[begin:], 0
                if len(buffer) > max_line_bytes or ended:
                    message = "The JSON array is broken, or has an element that is longer than a line may be."
                    raise SourceError("invalid_dataset", message) from None
                more = text.read(max(unpack.PIECE, len(buffer)))
                ended, buffer = not more, buffer + more
                continue
            yield buffer[begin:at].replace("\n", " ").replace("\r", " ").encode()
    except UnicodeDecodeError:
        raise SourceError("invalid_dataset", "The JSON array is not UTF-8.") from None


def _csv(stream: io.BufferedReader, delimiter: str, max_line_bytes: int) -> Iterator[Item]:
    """Yield the rows below the header; every value is a text."""
    csv.field_size_limit(max_line_bytes)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        for row in csv.DictReader(text, delimiter=delimiter, strict=True):
            if None in row:
                raise SourceError("invalid_dataset", "A row of the CSV file has more cells than its header.")
            yield {str(name): value for name, value in row.items()}
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError("invalid_dataset", f"The CSV file cannot be read: {error}.") from None


def _parquet(file: BinaryIO | io.BufferedReader) -> Iterator[Item]:
    try:
        opened = pyarrow.parquet.ParquetFile(file)
        for batch in opened.iter_batches(BATCH, use_threads=False):
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise SourceError("invalid_dataset", f"The Parquet file cannot be read: {str(error)[:200]}.") from None


def _row_count(file: Any) -> int:
    try:
        count: int = pyarrow.parquet.ParquetFile(file).metadata.num_rows
    except pyarrow.ArrowException as error:
        raise SourceError("invalid_dataset", f"The Parquet file cannot be read: {str(error)[:200]}.") from None
    return count

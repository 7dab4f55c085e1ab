"""The child task `data.read`: looks into a connected source, or reads it whole into a file of checked rows.

Whatever goes wrong is a ChildFailure whose code is a word of `SourceError` and whose text holds no credential.
"""

import json
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any
from uuid import UUID

from burnish.kit import network
from engines.data import databases, formats, hub, rules, tunnel
from engines.data.confined import confine
from engines.data.formats import Item
from engines.data.jsonl import Checker, Report
from engines.data.remote import HttpFile, Remote, StoreFile
from engines.data.rules import Problem
from engines.data.source import Source, SourceError
from engines.data.tunnel import Tunnel
from engines.data.unpack import Budget, TooLarge, Unusable
from engines.protocol import ChildFailure, Reporter

ROWS = "rows.jsonl"
PREVIEW_ROWS = 100
SAMPLE_ROWS = 5
COUNTED_FILES = 64
PROGRESS_S = 5.0
MAX_DIGITS = 40
# A sample is looked at, not learned on.
SAMPLE_CHARS = 2000


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Read `spec` `{source, preview, folder, max_bytes, max_line_bytes, open_networks, timeout_s}`.

    A preview returns `{columns, mapped_columns, sample, num_rows, looked_at, methods, problems}`, reading whole `{report, rows}`.
    """
    confine()
    source = Source.model_validate(spec["source"])
    guard = network.Guard(network.networks(spec["open_networks"]))
    try:
        with tunnel.opened(guard) as opened:
            reading = Reading(source, guard, opened, spec)
            return reading.preview() if spec["preview"] else reading.whole(reporter)
    except SourceError as error:
        raise ChildFailure(error.code, source.scrub(error.message)) from None
    except Unusable as error:
        code = "payload_too_large" if isinstance(error, TooLarge) else "invalid_dataset"
        raise ChildFailure(code, f"The source cannot be used: {error}.") from None
    except MemoryError:
        raise ChildFailure("invalid_dataset", "The source needs too much memory to be read.") from None
    except Exception as error:
        message = source.scrub(f"{type(error).__name__}: {error}")[:500]
        raise ChildFailure("source_unreachable", f"The source could not be read: {message}") from None


class Reading:
    """One source with what it is read through."""

    def __init__(self, source: Source, guard: network.Guard, opened: Tunnel, limits: Mapping[str, Any]) -> None:
        self.source = source
        self._guard = guard
        self._tunnel = opened
        self._folder = Path(limits["folder"])
        self._max_bytes: int = limits["max_bytes"]
        self._max_line_bytes: int = limits["max_line_bytes"]
        self._timeout_s: float = limits["timeout_s"]

    def preview(self) -> dict[str, Any]:
        """Return the first rows, as they are and as they are mapped, with what is wrong with them."""
        items, num_rows = self._head()
        with closing(items):
            taken = list(islice(items, PREVIEW_ROWS + 1))
        if len(taken) <= PREVIEW_ROWS:
            num_rows = len(taken)
        checker = self._checker()
        columns, mapped, sample = dict[str, None](), dict[str, None](), list[dict[str, Any]]()
        for item in taken[:PREVIEW_ROWS]:
            self._take(checker, item)
            row = _shown(item)
            renamed = {self.source.column_mapping.get(name, name): value for name, value in row.items()}
            columns.update(dict.fromkeys(row))
            mapped.update(dict.fromkeys(renamed))
            if len(sample) < SAMPLE_ROWS and row:
                sample.append(_cut(renamed))
        report = checker.finish()
        return {
            "columns": list(columns),
            "mapped_columns": list(mapped),
            "sample": sample,
            "num_rows": num_rows,
            "looked_at": report.num_rows,
            "methods": report.methods,
            "problems": report.problems,
        }

    def whole(self, reporter: Reporter) -> dict[str, Any]:
        """Write every row as a line of JSON; return the report and where the lines are."""
        path = self._folder / ROWS
        checker = self._checker()
        told = time.monotonic()
        with path.open("wb") as file, closing(self._items()) as items:
            for item in items:
                line = self._take(checker, item)
                checker.count(line)
                file.write(line)
                if checker.report.size_bytes > self._max_bytes:
                    raise TooLarge(f"it has more than {self._max_bytes} bytes")
                if checker.is_full:
                    break
                if time.monotonic() - told >= PROGRESS_S:
                    told = time.monotonic()
                    reporter.log(_progress(checker.report))
        return {"report": asdict(checker.finish()), "rows": str(path)}

    def _checker(self) -> Checker:
        return Checker(max_line_bytes=self._max_line_bytes, scratch=self._folder)

    def _take(self, checker: Checker, item: Item) -> bytes:
        """Check one row; return its line, empty where it is none."""
        try:
            line = _line(item, self.source.column_mapping)
        except Problem as problem:
            checker.refuse(str(problem))
            return b""
        checker.take(line)
        return line or b""

    def _items(self) -> Generator[Item, None, None]:
        if self.source.query is not None:
            yield from databases.rows(self._guard, self.source, self._timeout_s)
            return
        budget = Budget(self._max_bytes)
        for file in self._files():
            yield from formats.rows(file, self._folder, budget, self._max_line_bytes)

    def _head(self) -> tuple[Any, int | None]:
        """Return the first rows, not read further than they are taken, and how many there are where that is cheap to know."""
        if self.source.query is not None:
            return databases.rows(self._guard, self.source, self._timeout_s), databases.count(self._guard, self.source)
        files = self._files()
        budget = Budget(self._max_bytes)
        items, num_rows = formats.head(files[0], budget, self._max_line_bytes)
        if len(files) == 1:
            return _closable(items), num_rows
        rest = (formats.head(file, budget, self._max_line_bytes)[0] for file in files[1:])
        if (
            num_rows is not None
            and len(files) <= COUNTED_FILES
            and all(formats.kind_of(file.name) == "parquet" for file in files)
        ):
            num_rows += sum(formats.row_count(file) or 0 for file in files[1:])
        else:
            num_rows = None
        return _closable(chain(items, chain.from_iterable(rest))), num_rows

    def _files(self) -> list[Remote]:
        source = self.source
        if source.type == "hf":
            return list(hub.files_of(self._tunnel, source))
        if source.type == "url":
            return [HttpFile(self._tunnel, source.secrets.get("url", source.location), _authorization(source))]
        return [StoreFile(self._tunnel, source)]


def _closable(items: Iterator[Item]) -> Iterator[Item]:
    yield from items


def _authorization(source: Source) -> dict[str, str]:
    return {"Authorization": source.secrets["authorization"]} if "authorization" in source.secrets else {}


def _line(item: Item, mapping: Mapping[str, str]) -> bytes | None:
    """Return a row as a line with the mapped names beside the original ones; Problem where it cannot be one."""
    if item is None:
        return None
    if isinstance(item, bytes):
        if not mapping:
            return item if item.endswith(b"\n") else item + b"\n"
        row: Mapping[str, Any] = rules.parse(item, first=item.startswith(b"\xef\xbb\xbf"))
    else:
        row = item
    missing = [name for name in mapping if name not in row]
    if missing:
        raise Problem(f"no column '{missing[0]}' to map to '{mapping[missing[0]]}'; there are {', '.join(row)}"[:500])
    mapped = {**row, **{target: row[name] for name, target in mapping.items()}}
    try:
        return (
            json.dumps(mapped, ensure_ascii=False, separators=(",", ":"), default=_plain).encode(errors="surrogatepass") + b"\n"
        )
    except _NotJson as error:
        names = [name for name, value in row.items() if _holds(value, error.value)]
        where = f"column '{names[0]}' holds" if names else "it holds"
        raise Problem(f"{where} {type(error.value).__name__} values, which a row cannot") from None
    except RecursionError:
        raise Problem(f"nested deeper than {rules.MAX_DEPTH} levels") from None


class _NotJson(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def _plain(value: Any) -> Any:
    """Return what JSON has for a value of a database or of Parquet."""
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and value.adjusted() < MAX_DIGITS and value == value.to_integral_value()
        return int(value) if is_whole else float(value)
    if isinstance(value, (datetime, date, time_of_day)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    raise _NotJson(value)


def _holds(value: Any, what: Any) -> bool:
    if value is what:
        return True
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(_holds(item, what) for item in inside)


def _shown(item: Item) -> dict[str, Any]:
    """Return a row as a preview shows it; empty where it is none."""
    try:
        line = _line(item, {})
        return rules.parse(line, first=True) if line is not None else {}
    except Problem:
        return {}


def _cut(value: Any) -> Any:
    """Return a value with its long texts cut."""
    if isinstance(value, str):
        return value if len(value) <= SAMPLE_CHARS else value[:SAMPLE_CHARS] + "…"
    if isinstance(value, dict):
        return {name: _cut(item) for name, item in value.items()}
    return [_cut(item) for item in value[:SAMPLE_CHARS]] if isinstance(value, list) else value


def _progress(report: Report) -> str:
    return f"read {report.num_rows:,} rows of the dataset, {report.size_bytes / 1e6:.1f} MB"

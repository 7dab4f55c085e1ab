"""Metric rows as columns: what a block of packed rows looks like in the database.

A row is `{"step": int, "values": {key: float}}`. A block holds up to some thousands of rows of one attempt: its steps as deltas,
and a column of f8 for each key, NaN where a row lacks the key. A column has a summary: a `PART` for each stretch of about
`STRETCH` rows, so that a long run can be drawn without its values. Rows of one step are never parted between two stretches, and
the last value of a step counts. Everything is little-endian; what zlib does not make smaller is stored as it is.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

Row = dict[str, Any]
# A numpy array: its own types say nothing of what counts here, the fields and the lengths.
Array = Any
STRETCH = 128
MAX_KEY = 255
MAX_STEP = 2**63 - 1
# `bucket` numbers the stretches of a block, the same for all of its keys; `final` is the value at the step `last`.
PART: Any = np.dtype(
    [
        ("first", "<i8"),
        ("last", "<i8"),
        ("min", "<f8"),
        ("max", "<f8"),
        ("mean", "<f8"),
        ("final", "<f8"),
        ("count", "<u4"),
        ("bucket", "<u4"),
    ]
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as arrays: steps (i8) and, for each key, values (f8) of the same length."""

    steps: Array
    columns: dict[str, Array]

    def __len__(self) -> int:
        return len(self.steps)

    def take(self, rows: Any) -> "Table":
        """Return the rows of a mask, a slice or an array of indices."""
        return Table(self.steps[rows], {key: values[rows] for key, values in self.columns.items()})

    def only(self, keys: Iterable[str]) -> "Table":
        return Table(self.steps, {key: self.columns[key] for key in keys if key in self.columns})


@dataclass(frozen=True, slots=True)
class Block:
    """An encoded table; `columns` maps each key to its summary and its values."""

    first_step: int
    last_step: int
    is_ordered: bool
    steps: bytes
    columns: dict[str, tuple[bytes, bytes]]


@lru_cache(8192)
def name(key: str) -> str:
    """Return a key as every database can hold and index it."""
    return key.encode(errors="replace").decode().replace("\x00", "�")[:MAX_KEY]


def plain(rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return rows as they will be read again: floats by their stored names, without what is absent or not finite.

    OverflowError for a step that is not an i8.
    """
    try:
        found = [_plain(row, math.isfinite) for row in rows]
    except OverflowError:
        found = [_plain(row, _is_finite) for row in rows]
    if any(not -MAX_STEP <= row["step"] <= MAX_STEP for row in found):
        raise OverflowError("a step is an integer of 64 bits")
    return found


def latest(before: Mapping[str, float], rows: Iterable[Row]) -> dict[str, float]:
    """Return the last value of every key, once plain `rows` have followed what `before` tells of."""
    found = dict(before)
    for row in rows:
        found.update(row["values"])
    return found


def _plain(row: Mapping[str, Any], is_finite: Callable[[Any], bool]) -> Row:
    values = row["values"].items()
    return {
        "step": int(row["step"]),
        "values": {name(key): float(value) for key, value in values if value is not None and is_finite(value)},
    }


def _is_finite(value: Any) -> bool:
    """Tell of integers, too, whether they are within the range of f8."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def table(rows: Sequence[Row]) -> Table:
    """Return plain rows as arrays."""
    keys = sorted({key for row in rows for key in row["values"]})
    values = [row["values"] for row in rows]
    columns = {key: np.array([found.get(key, math.nan) for found in values], "<f8") for key in keys}
    return Table(np.array([row["step"] for row in rows], "<i8"), columns)


def rows(found: Table) -> list[Row]:
    """Return a table as plain rows."""
    columns = [[(key, value) for value in values.tolist()] for key, values in found.columns.items()]
    if not columns:
        return [{"step": step, "values": {}} for step in found.steps.tolist()]
    # A NaN is the only number that is not itself.
    return [
        {"step": step, "values": {key: value for key, value in row if value == value}}
        for step, row in zip(found.steps.tolist(), zip(*columns, strict=True), strict=True)
    ]


def joined(tables: Sequence[Table]) -> Table:
    """Return the rows of all tables, one after the other."""
    if len(tables) == 1:
        return tables[0]
    keys = sorted({key for found in tables for key in found.columns})
    steps = np.concatenate([found.steps for found in tables]) if tables else np.empty(0, "<i8")
    absent = [np.full(len(found), math.nan) for found in tables]
    columns = {
        key: np.concatenate([found.columns.get(key, nothing) for found, nothing in zip(tables, absent, strict=True)])
        for key in keys
    }
    return Table(steps, columns)


def merged(found: Table) -> Table:
    """Return one row for each step, in their order: of what was reported of a step in parts, the last value of each key."""
    steps = found.steps
    if len(steps) < 2 or bool((np.diff(steps) > 0).all()):
        return found
    order: Array = np.argsort(steps, kind="stable")
    steps = steps[order]
    starts: Array = np.flatnonzero(np.concatenate([[True], steps[1:] != steps[:-1]]))
    columns = {}
    for key, values in found.columns.items():
        values = values[order]
        # The index of the last row so far that has a value, unless it belongs to an earlier step.
        seen = np.maximum.accumulate(np.where(np.isnan(values), -1, np.arange(len(values))))
        ends = seen[np.append(starts[1:], len(steps)) - 1]
        columns[key] = np.where(ends >= starts, values[ends], math.nan)
    return Table(steps[starts], columns)


def cut(steps: Sequence[int], most: int) -> int:
    """Return how many of the first rows, at most `most`, make a block that parts no step from itself."""
    if len(steps) <= most:
        most = len(steps) - 1
    for end in range(most, 0, -1):
        if steps[end] != steps[end - 1]:
            return end
    return max(most, 1)


def encode(found: Table) -> Block:
    """Encode a table that has rows."""
    steps = found.steps
    is_ordered = bool((np.diff(steps) >= 0).all())
    starts = _stretches(steps)
    with np.errstate(over="ignore"):
        deltas = np.diff(steps, prepend=0)
        columns = {
            key: (_summary(steps, values, starts) if is_ordered else b"", _squeeze(_shuffled(values)))
            for key, values in found.columns.items()
        }
    return Block(int(steps.min()), int(steps.max()), is_ordered, _squeeze(deltas.astype("<i8").tobytes()), columns)


def steps_of(raw: bytes, count: int) -> Array:
    with np.errstate(over="ignore"):
        return np.cumsum(np.frombuffer(_expand(raw, count), "<i8"))


def values_of(raw: bytes, count: int) -> Array:
    planes = np.frombuffer(_expand(raw, count), "u1").reshape(8, count)
    return np.ascontiguousarray(planes.T).view("<f8").reshape(count)


def parts_of(summary: bytes) -> Array:
    return np.frombuffer(summary, PART)


def as_parts(steps: Array, values: Array) -> Array:
    """Return values, one for each step and none of them NaN, as parts of a single row each."""
    parts: Array = np.zeros(len(steps), PART)
    parts["first"] = parts["last"] = steps
    for field in ("min", "max", "mean", "final"):
        parts[field] = values
    parts["count"] = 1
    return parts


def chained(parts: Iterable[Array]) -> Array:
    """Return parts one after the other."""
    # As bytes: numpy would compare the fields of each array with those of the next.
    return np.concatenate([np.zeros(0, "u1"), *(found.view("u1") for found in parts)]).view(PART)


def _stretches(steps: Array) -> Array:
    """Return where the stretches begin: every `STRETCH` rows, or where the step of that row ends."""
    changes: Array = np.flatnonzero(np.diff(steps)) + 1
    wanted: Array = np.searchsorted(changes, np.arange(STRETCH, len(steps), STRETCH))
    return np.unique(np.concatenate([[0], changes[wanted[wanted < len(changes)]]]))


def _summary(steps: Array, values: Array, starts: Array) -> bytes:
    present: Array = np.flatnonzero(~np.isnan(values))
    if len(present) > 1:
        present = present[np.append(np.diff(steps[present]) != 0, True)]
    bounds: Array = np.searchsorted(present, np.append(starts, len(steps)))
    buckets: Array = np.flatnonzero(np.diff(bounds))
    first, end = bounds[buckets], bounds[buckets + 1]
    parts: Array = np.zeros(len(buckets), PART)
    if len(buckets):
        found = values[present]
        parts["first"], parts["last"] = steps[present[first]], steps[present[end - 1]]
        parts["min"], parts["max"] = np.minimum.reduceat(found, first), np.maximum.reduceat(found, first)
        # Divided first: a sum may leave the range of f8, a mean never does.
        parts["mean"], parts["final"] = np.add.reduceat(found / np.repeat(end - first, end - first), first), found[end - 1]
        parts["count"], parts["bucket"] = end - first, buckets
    return bytes(parts.tobytes())


def _shuffled(values: Array) -> bytes:
    """Return the first bytes of all values, then the second ones …: the leading ones of a series are much alike."""
    return bytes(np.ascontiguousarray(values, "<f8").view("u1").reshape(-1, 8).T.tobytes())


def _squeeze(raw: bytes) -> bytes:
    packed = zlib.compress(raw)
    return packed if len(packed) < len(raw) else raw


def _expand(raw: bytes, count: int) -> bytes:
    return raw if len(raw) == 8 * count else zlib.decompress(raw)

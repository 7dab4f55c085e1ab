"""Metric rows as columns: steps delta-encoded and compressed, values as f8.

A metrics chunk is `u4 length of header | header JSON | zlib(steps as i8 deltas) | zlib(per key: f8 values)`. The header holds
`n`, the keys and, per key, `[min, max, sum, count]` of its values, so that a long run can be drawn from the headers. A value that
a row lacks is NaN.
"""

import array
import itertools
import math
import struct
import sys
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

Row = Mapping[str, Any]


def encode(rows: Sequence[Row]) -> bytes:
    """Encode rows `{"step": int, "values": {key: float | None}}`."""
    steps = [int(row["step"]) for row in rows]
    deltas = array.array("q", [steps[0], *(b - a for a, b in itertools.pairwise(steps))])
    keys = sorted({key for row in rows for key in row["values"]})
    columns = {key: array.array("d", [_number(row["values"].get(key)) for row in rows]) for key in keys}
    packed_steps = zlib.compress(_little(deltas))
    packed_values = zlib.compress(b"".join(_little(columns[key]) for key in keys))
    header = orjson.dumps(
        {"n": len(rows), "keys": keys, "steps_bytes": len(packed_steps), "stats": {key: _stats(columns[key]) for key in keys}}
    )
    return struct.pack("<I", len(header)) + header + packed_steps + packed_values


def header(payload: bytes) -> dict[str, Any]:
    """Return `n`, `keys` and `stats` of a chunk without decoding its values."""
    (length,) = struct.unpack_from("<I", payload)
    found: dict[str, Any] = orjson.loads(payload[4 : 4 + length])
    return found


def decode(payload: bytes) -> list[dict[str, Any]]:
    """Return the rows; values that were absent or not finite are left out."""
    (length,) = struct.unpack_from("<I", payload)
    head = header(payload)
    start = 4 + length + head["steps_bytes"]
    deltas = _read("q", zlib.decompress(payload[4 + length : start]))
    values = _read("d", zlib.decompress(payload[start:]))
    n, keys = head["n"], head["keys"]
    columns = {key: values[index * n : (index + 1) * n] for index, key in enumerate(keys)}
    return [
        {"step": step, "values": {key: columns[key][row] for key in keys if not math.isnan(columns[key][row])}}
        for row, step in enumerate(itertools.accumulate(deltas))
    ]


def _number(value: float | None) -> float:
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _stats(column: "array.array[float]") -> list[float | int]:
    present = [value for value in column if not math.isnan(value)]
    return [min(present), max(present), math.fsum(present), len(present)] if present else [0.0, 0.0, 0.0, 0]


def _little(column: "array.array[Any]") -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _read(code: str, raw: bytes) -> "array.array[Any]":
    column: array.array[Any] = array.array(code)
    column.frombytes(raw)
    if sys.byteorder == "big":
        column.byteswap()
    return column

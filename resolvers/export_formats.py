"""The file formats of exported metrics. Imported by whoever writes one, and by nobody else: pyarrow is large."""

import io
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import csv, parquet

from burnish.kit import series
from burnish.kit.series import Table

INDEX = ("step", "attempt")


class Writer(Protocol):
    """Turns rows into a file; each call returns the bytes that follow those it has returned before."""

    def write(self, group: Sequence[tuple[int, Table]]) -> bytes: ...

    def close(self) -> bytes: ...


class _Outbox(io.RawIOBase):
    """Holds what was written until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


class _ArrowWriter:
    """A column of f8 for each key, null where a step did not report it, after the step and the attempt."""

    def __init__(self, keys: Sequence[str], make: Callable[[Any, Any], Any]) -> None:
        self._keys = keys
        named = [(f"metric/{key}" if key in INDEX else key, pa.float64()) for key in keys]
        self._schema = pa.schema([("step", pa.int64()), ("attempt", pa.int32()), *named])
        self._out = _Outbox()
        self._writer = make(self._out, self._schema)

    def write(self, group: Sequence[tuple[int, Table]]) -> bytes:
        rows = series.joined([table for _, table in group])
        attempts: Any = np.repeat([attempt for attempt, _ in group], [len(table) for _, table in group])
        absent = pa.nulls(len(rows), pa.float64())
        # NaN stands for what is absent, as it does in pandas.
        columns = [pa.array(rows.columns[key], from_pandas=True) if key in rows.columns else absent for key in self._keys]
        arrays = [pa.array(rows.steps), pa.array(attempts, pa.int32()), *columns]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        return self._out.take()

    def close(self) -> bytes:
        self._writer.close()
        return self._out.take()


def _parquet(keys: Sequence[str]) -> Writer:
    return _ArrowWriter(keys, lambda out, schema: parquet.ParquetWriter(out, schema, compression="zstd"))


def _csv(keys: Sequence[str]) -> Writer:
    return _ArrowWriter(keys, lambda out, schema: csv.CSVWriter(out, schema))


WRITERS: dict[str, Callable[[Sequence[str]], Writer]] = {"parquet": _parquet, "csv": _csv}


class RolloutWriter:
    """Parquet of rollouts, a row for each completion. What has no fixed shape (prompt, components, messages) is JSON."""

    _SCHEMA = pa.schema(
        [
            ("step", pa.int64()),
            ("attempt", pa.int32()),
            ("group", pa.string()),
            ("completion", pa.int32()),
            ("dataset_row", pa.int64()),
            ("prompt", pa.string()),
            ("text", pa.string()),
            ("reward", pa.float64()),
            ("components", pa.string()),
            ("advantage", pa.float64()),
            ("tokens", pa.int64()),
            ("truncated", pa.bool_()),
            ("score_error", pa.string()),
            ("messages", pa.string()),
            ("media", pa.string()),
        ]
    )
    _JSON = ("prompt", "components", "messages")

    def __init__(self) -> None:
        self._out = _Outbox()
        self._writer: Any = parquet.ParquetWriter(self._out, self._SCHEMA, compression="zstd")

    def write(self, rows: Sequence[dict[str, Any]]) -> bytes:
        # What is absent is null there too, and not the JSON of it.
        json = [{name: orjson.dumps(row[name]).decode() for name in self._JSON if row[name] is not None} for row in rows]
        flat = [row | columns for row, columns in zip(rows, json, strict=True)]
        self._writer.write_table(pa.Table.from_pylist(flat, schema=self._SCHEMA))
        return self._out.take()

    def close(self) -> bytes:
        self._writer.close()
        return self._out.take()

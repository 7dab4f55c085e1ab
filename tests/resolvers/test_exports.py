"""The metrics of a job as a file."""

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from burnish.kit import clock, stream
from burnish.kit.errors import Forbidden, NotFound
from models.job import Job
from resolvers import exports, jobs
from resolvers.context import Context
from resolvers.exports import Format
from tests.resolvers.conftest import Tenants
from tests.resolvers.test_metrics import new_job, report

pytestmark = pytest.mark.anyio
FORMATS: list[Format] = ["parquet", "csv"]


@pytest.fixture
async def job_id(ctx: Context, jsonl: Path) -> str:
    return await new_job(ctx, jsonl)


async def exported(ctx: Context, job_id: str, format: Format) -> pa.Table:
    found = await exports.metrics(ctx, job_id, format)
    return table(b"".join([part async for part in found.stream]), format)


def table(raw: bytes, format: Format) -> Any:
    return parquet.read_table(io.BytesIO(raw)) if format == "parquet" else csv.read_csv(io.BytesIO(raw))


@pytest.mark.parametrize("format", FORMATS)
async def test_every_value_is_exact_and_the_newest_attempt_wins(ctx: Context, job_id: str, format: Format) -> None:
    reported = {step: {"loss": step / 7, "attempt": 1e-300 / (step + 1)} for step in range(9000)}
    await report(ctx, job_id, reported)
    await report(ctx, job_id, {step: {"loss": -step / 3} for step in range(5000, 5100)}, attempt=2)
    await stream.pack(ctx.db, job_id, "metrics", ended=True)
    found = await exported(ctx, job_id, format)
    assert found.column_names == ["step", "attempt", "metric/attempt", "loss"]
    newer = range(5000, 5100)
    assert found["step"].to_pylist() == list(range(9000))
    assert found["attempt"].to_pylist() == [2 if step in newer else 1 for step in range(9000)]
    assert found["loss"].to_pylist() == [-step / 3 if step in newer else step / 7 for step in range(9000)]
    absent = [None if step in newer else reported[step]["attempt"] for step in range(9000)]
    assert found["metric/attempt"].to_pylist() == absent


@pytest.mark.parametrize("format", FORMATS)
async def test_a_job_without_metrics_is_an_empty_table(ctx: Context, job_id: str, format: Format) -> None:
    found = await exported(ctx, job_id, format)
    assert (found.column_names, found.num_rows) == (["step", "attempt"], 0)


async def test_rows_without_a_value_are_left_out(ctx: Context, job_id: str) -> None:
    await report(ctx, job_id, {1: {"a": None}, 2: {"a": 1.0}, 3: {}})
    assert (await exported(ctx, job_id, "parquet")).to_pylist() == [{"step": 2, "attempt": 1, "a": 1.0}]


async def test_a_long_run_is_sent_in_pieces(ctx: Context, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "COMPACT_ROWS", 100)
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 500)
    await report(ctx, job_id, {step: {"a": float(step)} for step in range(3000)})
    await stream.pack(ctx.db, job_id, "metrics", ended=True)
    found = await exports.metrics(ctx, job_id, "parquet")
    parts = [part async for part in found.stream]
    assert len(parts) == 5
    file = parquet.ParquetFile(io.BytesIO(b"".join(parts)))
    assert file.num_row_groups == len(parts) - 1
    assert file.read()["a"].to_pylist() == [float(step) for step in range(3000)]


async def test_another_accounts_metrics_are_not_exported(job_id: str, tenants: Tenants) -> None:
    with pytest.raises(NotFound):
        await exports.metrics(await tenants("other"), job_id, "csv")


async def test_a_url_gives_the_file_for_a_limited_time(ctx: Context, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await report(ctx, job_id, {1: {"a": 0.1}})
    url = exports.metrics_url(ctx.core, await jobs.get(ctx, job_id), "csv")
    assert url.startswith(f"{ctx.core.settings.base_url}/v1/downloads/")
    token, name = url.split("/")[-2:]
    found = await exports.open(ctx.platform, token)
    assert (name, found.filename, found.size_bytes) == ("o-metrics.csv", "o-metrics.csv", None)
    assert table(b"".join([part async for part in found.stream]), "csv").to_pylist() == [{"step": 1, "attempt": 1, "a": 0.1}]
    later = clock.now_micros() + (ctx.core.settings.download_url_s + 2) * 1_000_000
    monkeypatch.setattr(clock, "now_micros", lambda: later)
    with pytest.raises(Forbidden):
        await exports.open(ctx.platform, token)


async def test_a_url_of_a_job_that_is_gone_gives_nothing(ctx: Context, job_id: str) -> None:
    url = exports.metrics_url(ctx.core, await jobs.get(ctx, job_id), "csv")
    async with ctx.db.transaction() as session:
        await session.delete(await session.get_one(Job, job_id))
    with pytest.raises(NotFound):
        await exports.open(ctx.platform, url.split("/")[-2])

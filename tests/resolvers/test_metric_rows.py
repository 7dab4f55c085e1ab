"""What is read of packed metrics, beside an obvious reading of the rows as they were written."""

import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from burnish.kit import series, stream
from burnish.kit.tables import MetricBlock, StreamChunk
from models.job import Job
from resolvers import metrics
from resolvers.context import Context
from tests.resolvers.conftest import Tenants
from tests.resolvers.test_metrics import new_job

pytestmark = pytest.mark.anyio
Values = dict[str, Any]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and stretches of a few rows, so that a small run has many of both."""
    monkeypatch.setattr(stream, "COMPACT_ROWS", 16)
    monkeypatch.setattr(stream, "MERGE_CHUNKS", 4)
    monkeypatch.setattr(series, "STRETCH", 4)


@dataclass
class Run:
    """A job and the rows that it has reported: (attempt, step, values)."""

    ctx: Context
    job_id: str
    rows: list[tuple[int, int, Values]] = field(default_factory=list)

    async def report(self, attempt: int, rows: list[tuple[int, Values]]) -> None:
        self.rows += [(attempt, step, values) for step, values in rows]
        async with self.ctx.db.transaction() as session:
            row = await session.get_one(Job, self.job_id)
            found = [{"step": step, "values": values} for step, values in rows]
            row.take_metrics(found)
            session.add(row)
            await stream.append(session, self.job_id, "metrics", found, attempt=attempt)

    async def pack(self, *, ended: bool = False) -> None:
        await stream.pack(self.ctx.db, self.job_id, "metrics", ended=ended)

    def points(self, keys: list[str] | None, low: int, high: int) -> dict[int, dict[str, float]]:
        """Return what counts within the bounds, in the order of the steps."""
        spans: dict[int, tuple[int, int]] = {}
        for attempt, step, _ in self.rows:
            first, last = spans.get(attempt, (step, step))
            spans[attempt] = min(first, step), max(last, step)
        found: dict[int, dict[str, float]] = {}
        for attempt, step, values in self.rows:
            is_stale = any(later > attempt and first <= step <= last for later, (first, last) in spans.items())
            if low <= step <= high and not is_stale:
                wanted = {key: value for key, value in values.items() if keys is None or key in keys}
                found.setdefault(step, {}).update(
                    (key, float(value)) for key, value in wanted.items() if value is not None and math.isfinite(value)
                )
        return {step: found[step] for step in sorted(found) if found[step]}


@pytest.fixture
async def run(on_both: Tenants, jsonl: Path) -> Run:
    ctx = await on_both()
    return Run(ctx, await new_job(ctx, jsonl))


def attempts(rng: random.Random) -> list[tuple[int, list[tuple[int, Values]]]]:
    """Return a run's reports: (attempt, rows), of attempts that resume, with gaps, sparse keys, parts, and steps out of order."""
    reports = []
    start = 0
    for attempt in range(1, rng.choice([2, 2, 3, 5])):
        steps = [step for step in range(start, start + rng.choice([3, 40, 90])) if rng.random() < 0.9]
        style = rng.choice(["plain", "plain", "parts", "shuffled"])
        if style == "parts":
            steps = sorted(steps * 2)
        if style == "shuffled":
            rng.shuffle(steps)
        rows = [(step, values(rng, step)) for step in steps]
        while rows:
            count = rng.randint(1, 9)
            reports.append((attempt, rows[:count]))
            rows = rows[count:]
        start = rng.randint(0, max(1, start + 60))
    return reports


def values(rng: random.Random, step: int) -> Values:
    found: Values = {"dense": rng.gauss(0, 1)}
    if rng.random() < 0.4:
        found["sparse"] = rng.choice([rng.random(), None, math.nan, math.inf, 1e3, -1e3, 3])
    if step % 17 == 0:
        found["rare"] = float(step)
    return found


def check_column(column: metrics.Column, pairs: list[tuple[int, float]], most: int) -> None:
    """Every pair is in exactly one bucket, which says of them what is true."""
    assert len(column.steps) <= most
    if not column.sampled:
        assert list(zip(column.steps, column.values, strict=True)) == pairs
        return
    assert len(pairs) > most
    assert column.lower is not None
    assert column.upper is not None
    assert column.steps == sorted(set(column.steps))
    start = 0
    for step, value, lower, upper in zip(column.steps, column.values, column.lower, column.upper, strict=True):
        end = start + sum(1 for other, _ in pairs[start:] if other <= step)
        bucket = [found for _, found in pairs[start:end]]
        assert pairs[end - 1][0] == step
        assert (lower, upper) == (min(bucket), max(bucket))
        assert value == pytest.approx(math.fsum(item / len(bucket) for item in bucket), rel=1e-9, abs=1e-9)
        start = end
    assert start == len(pairs)
    for end in (0, -1):
        assert (column.steps[end], column.values[end]) == pairs[end]
        assert column.lower[end] == column.upper[end] == column.values[end]


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_read_is_what_was_written(run: Run, seed: int) -> None:
    rng = random.Random(seed)
    for attempt, rows in attempts(rng):
        await run.report(attempt, rows)
        if rng.random() < 0.3:
            await run.pack()
    for packed in (False, True):
        if packed:
            await run.pack(ended=True)
        for _ in range(6):
            low, high = sorted([rng.randint(-5, 160), rng.randint(-5, 160)]) if rng.random() < 0.7 else (-(2**60), 2**60)
            keys = rng.choice([None, ["dense"], ["sparse", "rare"], ["rare"], ["unknown"], []])
            most = rng.choice([3, 4, 5, 10, 50, 500])
            await compare(run, keys, low, high, most)


async def compare(run: Run, keys: list[str] | None, low: int, high: int, most: int) -> None:
    wanted = run.points(keys, low, high)
    bounds: dict[str, Any] = {"keys": keys, "from_step": low, "to_step": high, "max_points": most}
    columns = {column.key: column for column in await metrics.columns(run.ctx, run.job_id, **bounds)}
    assert sorted(columns) == sorted({key for point in wanted.values() for key in point})
    for key, column in columns.items():
        check_column(column, [(step, point[key]) for step, point in wanted.items() if key in point], most)
    found = await metrics.read(run.ctx, run.job_id, **bounds)
    steps = [point.step for point in found.points]
    assert {point.step: point.values for point in found.points} == {step: wanted[step] for step in steps}
    assert len(steps) == min(most, len(wanted))
    if wanted:
        assert (steps[0], steps[-1]) == (min(wanted), max(wanted))
    assert found.latest_step == max(step for _, step, _ in run.rows)


async def test_packing_leaves_every_row_as_it_was(run: Run) -> None:
    rng = random.Random(5)
    for attempt, rows in [*attempts(rng), (9, [(step, values(rng, step)) for step in range(50)])]:
        await run.report(attempt, rows)
    async with run.ctx.db.read() as session:
        before = await stream.read(session, run.job_id, "metrics", limit=10_000)
    await run.pack()
    async with run.ctx.db.read() as session:
        assert 0 < len(await stream.waiting(session, run.job_id)) < 16
        assert await stream.read(session, run.job_id, "metrics", limit=10_000) == before
    await run.pack(ended=True)
    async with run.ctx.db.read() as session:
        assert (await session.exec(select(StreamChunk).where(StreamChunk.kind == "metrics"))).all() == []
        for after in range(len(before) + 2):
            for limit in (1, 5, 40):
                assert (
                    await stream.read(session, run.job_id, "metrics", after=after, limit=limit) == before[after : after + limit]
                )
        pages = [row async for page in stream.read_all(session, run.job_id, "metrics", page=7) for row in page]
        assert pages == before
        assert await stream.tail(session, run.job_id, "metrics", 3) == before[-3:]


async def test_no_step_is_parted_between_blocks(run: Run) -> None:
    for step in range(60):
        await run.report(1, [(step, {"a": 1.0}), (step, {"b": 2.0}), (step, {"a": 3.0})])
    await run.pack()
    async with run.ctx.db.read() as session:
        blocks = (await session.exec(select(MetricBlock).order_by(col(MetricBlock.first_seq)))).all()
    assert [(block.first_step, block.last_step) for block in blocks] == [(at, at + 4) for at in range(0, 55, 5)]
    await compare(run, None, 0, 60, 10)


async def test_means_stay_within_the_range_of_numbers(run: Run) -> None:
    for start in range(0, 200, 8):
        await run.report(1, [(step, {"huge": 1.7e308, "tiny": -5e-324}) for step in range(start, start + 8)])
    await run.pack(ended=True)
    for column in await metrics.columns(run.ctx, run.job_id, max_points=10):
        assert set(column.values) == {1.7e308 if column.key == "huge" else -5e-324}


async def test_latest_values_of_many_jobs_are_those_last_reported(run: Run, jsonl: Path, on_both: Tenants) -> None:
    await run.report(1, [(1, {"reward": 1.0, "kl": 0.5}), (2, {"reward": math.nan, "kl": None})])
    await run.report(2, [(1, {"reward": 0.25})])
    other = await new_job(run.ctx, jsonl)
    stranger = await on_both("stranger")
    assert await metrics.latest(run.ctx, [run.job_id, other, "job_none"]) == {run.job_id: {"kl": 0.5, "reward": 0.25}, other: {}}
    assert await metrics.latest(stranger, [run.job_id]) == {}

"""Groups of rollouts, beside an obvious reading of the rows as they were written."""

import random
from pathlib import Path
from typing import Any

import pytest

from burnish.kit import stream
from burnish.kit.tables import StreamChunk
from resolvers import rollouts
from resolvers.context import Context
from resolvers.rollouts import Place
from tests.resolvers.conftest import Tenants
from tests.resolvers.test_metrics import new_job

pytestmark = pytest.mark.anyio


def group(name: str) -> dict[str, Any]:
    completion = {"text": name, "reward": 1.0, "components": {}, "advantage": None, "tokens": 1, "truncated": False}
    return {"dataset_row": None, "prompt": "p", "completions": [{**completion, "score_error": None}]}


async def write(ctx: Context, job_id: str, attempt: int, step: int, count: int) -> list[tuple[int, int, str]]:
    """Write the groups of a step as a host does; return (attempt, step, name) of each."""
    names = [f"{attempt}-{step}-{index}" for index in range(count)]
    async with ctx.db.transaction() as session:
        row = {"step": step, "groups": [group(name) for name in names]}
        await stream.append(session, job_id, "rollouts", [row], attempt=attempt)
    return [(attempt, step, name) for name in names]


async def names(ctx: Context, job_id: str, step: int | None, limit: int) -> list[str]:
    """Return the names of all groups, page by page."""
    found: list[str] = []
    after: Place | None = None
    while True:
        page = await rollouts.page(ctx, job_id, from_step=step, to_step=step, limit=limit, after=after)
        found += [item.data["completions"][0]["text"] for item in page.items]
        if not page.has_more:
            return found
        after = page.reached


@pytest.mark.parametrize("seed", range(3))
async def test_each_steps_groups_are_those_of_its_newest_attempt(
    on_both: Tenants, jsonl: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "COMPACT_ROWS", 4)
    rng = random.Random(seed)
    ctx = await on_both()
    job_id = await new_job(ctx, jsonl)
    written: list[tuple[int, int, str]] = []
    firsts: dict[int, int] = {}
    start = 2
    for attempt in range(1, 4):
        firsts[attempt] = start
        end = start + rng.randint(3, 15)
        for step in range(start, end):
            if step == start or rng.random() < 0.8:
                for _ in range(rng.choice([1, 1, 2])):
                    written += await write(ctx, job_id, attempt, step, rng.randint(1, 3))
        await stream.pack(ctx.db, job_id, "rollouts")
        start = rng.randint(3, end)
    newest = [
        (step, name)
        for attempt, step, name in written
        if not any(later > attempt and first <= step for later, first in firsts.items())
    ]
    for limit in (1, 3, 100):
        assert await names(ctx, job_id, None, limit) == [name for _, name in newest]
    for step in range(40):
        for limit in (1, 100):
            assert await names(ctx, job_id, step, limit) == [name for other, name in newest if other == step]


async def test_one_step_of_a_long_run_is_found_without_reading_the_run(
    ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = await new_job(ctx, jsonl)
    for step in range(64):
        await write(ctx, job_id, 1, step, 1)
    decoded = []
    decode = stream.decode

    def counted(chunk: StreamChunk, **part: int) -> list[stream.Row]:
        decoded.append(chunk.first_seq)
        return decode(chunk, **part)

    monkeypatch.setattr(stream, "decode", counted)
    assert await names(ctx, job_id, 40, 10) == ["1-40-0"]
    assert len(decoded) < 32

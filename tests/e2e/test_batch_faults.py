"""`kill -9` of each part while a batch runs, once; `tests/faults/test_batch.py` does so for long."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Running
from tests.faults.batch_books import verdict
from tests.faults.batch_kills import Plan, survive
from tests.rest_compat.load import fleet

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]
# These dice kill each part once, and make no line that waits for the end of its back-off.
PLAN = Plan(lines=300, kills=4, seed=106, limit_s=120, most_pace_s=0.5)


async def test_a_batch_survives_the_death_of_each_part(platform: Running, tmp_path: Path) -> None:
    async with fleet.running(tmp_path, "left", "right") as engines:
        story = await survive(platform, engines, PLAN)
    assert verdict(story).wrong == []
    assert verdict(story).once == PLAN.lines
    assert {"api", "host", "broker", "engine"} <= set(story.kills)

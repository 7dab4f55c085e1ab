"""`kill -9` of API, host process, broker and engines while a batch runs: each line ends in exactly one of its two files, exactly
once, and what was metered is what the engines made.

`BURNISH_BATCH_LINES` lines are worked through while `BURNISH_BATCH_KILLS` kills come, and two more while the files are written.
`BURNISH_BATCH_SEED` repeats the lines and what is killed after how many of them, though not how it all falls together.
"""

import os
import random
from pathlib import Path

import pytest

from tests.faults.batch_books import verdict
from tests.faults.batch_kills import Plan, survive
from tests.rest_compat.load import fleet
from tests.running import up

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(0)]
PLAN = Plan(
    lines=int(os.environ.get("BURNISH_BATCH_LINES", "5000")),
    kills=int(os.environ.get("BURNISH_BATCH_KILLS", "100")),
    seed=int(os.environ.get("BURNISH_BATCH_SEED", "0")) or random.SystemRandom().randrange(1, 2**32),
    limit_s=3600,
)


async def test_no_kill_loses_or_doubles_a_line(tmp_path: Path) -> None:
    print(f"BURNISH_BATCH_SEED={PLAN.seed}")
    async with fleet.running(tmp_path, "left", "right") as engines:
        # Few requests at once make it last; short leases make what was killed come back soon.
        with up(tmp_path / "home", BURNISH_LEASE_S="3", BURNISH_REPLICA_REQUESTS="32") as platform:
            story = await survive(platform, engines, PLAN)
    found = verdict(story)
    print(f"{dict(story.kills)} in {story.seconds:.0f} s; {len(story.entries)} asked, {found.asked_again} lines more than once")
    print(*found.wrong[:20], sep="\n")
    assert found.wrong == []
    assert sum(story.kills.values()) >= PLAN.kills
    assert found.once == PLAN.lines

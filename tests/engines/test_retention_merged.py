"""Retention goes by whole chunks, also once they have been merged into large ones."""

from typing import Any

import pytest

from burnish.kit import stream
from burnish.kit.core import Core
from engines import retention
from models import events
from tests.engines.test_retention import both, kept, later
from tests.models import rows

pytestmark = pytest.mark.anyio
__all__ = ["both", "later"]


@pytest.mark.parametrize("count", [3000, stream.COMPACT_ROWS + 1000])
async def test_merged_chunks_go_too(both: Core, later: Any, count: int) -> None:
    serving = await rows.deployment(both.db)
    lines = [events.log_line("x") for _ in range(count)]
    for start in range(0, count, 500):
        async with both.db.transaction() as session:
            await stream.append(session, serving, "logs", lines[start : start + 500])
    await stream.pack(both.db, serving, "logs", ended=True)
    later(100)
    await retention.sweep(both)
    assert await kept(both, serving, "logs") == [(count + 1, 0)]

"""What was written may be unknown; it is written once all the same, with what has come since."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from burnish.kit.db import Session
from engines.bulk.outcomes import Ended, Outcomes, unanswered
from tests.engines.bulk.working import Installation, request

pytestmark = pytest.mark.anyio


class Run:
    """A batch's run whose first commit is not heard of."""

    in_flight, sending_since, attempt = 0, 0.0, 1

    def __init__(self, installation: Installation, batch_id: str) -> None:
        self.id = batch_id
        self.heard: list[int] = []
        self._db = installation.core.db
        self._writes = 0

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Session]:
        async with self._db.transaction() as session:
            yield session
        self._writes += 1
        if self._writes == 1:
            raise OperationalError("COMMIT", None, ConnectionError("away"))

    def written(self, some: list[Ended]) -> None:
        self.heard += [ended.outcome.line for ended in some]

    def told(self, kind: str) -> None: ...


async def test_what_came_after_a_commit_that_was_not_heard_of_is_written_too(installation: Installation) -> None:
    batch_id = await installation.batch([request(name) for name in "abc"], status="in_progress", total=3)
    run: Any = Run(installation, batch_id)
    made = Outcomes(run)
    made.add(Ended(unanswered(batch_id, 1, "a", "late", "Too late."), (), 0))
    with pytest.raises(OperationalError):
        await made.flush()
    for line, name in ((2, "b"), (3, "c")):
        made.add(Ended(unanswered(batch_id, line, name, "late", "Too late."), (), 0))
    await made.flush()
    assert [(row.line, row.custom_id) for row in await installation.outcomes(batch_id)] == [(1, "a"), (2, "b"), (3, "c")]
    assert run.heard == [1, 2, 3]
    assert (await installation.row(batch_id)).failed == 3

"""Where a host sends the lines of its batches: to the replicas of their deployments, beside interactive traffic and below it.

`Pool.answer` is asked for one line and returns what became of it, for good: faults of engines are tried again, with a back-off,
and whoever has to wait waits. How many lines may be under way is the business of `places` and `measuring`, where they go that of
`routes`, and which answers are final that of `sending`.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from burnish.kit.core import Core
from engines.bulk.measuring import Measuring
from engines.bulk.places import Places
from engines.bulk.routes import Routes
from engines.bulk.sending import Answer, Line, Patience, Sending
from engines.serving import http1
from engines.serving.sharing import Sharing

__all__ = ["Answer", "Line", "Pool"]

# How many lines are to be at hand while no replica is there to take them.
AT_HAND = 8
# Many are under way at once, and each is held until it is written.
MOST_ANSWER_BYTES = 16 * 2**20


class Pool:
    """One a host process. `run()` keeps it going, `close()` ends it; cancelling an `answer` aborts its request.

    `clock` gives seconds that never go back, `chance` the jitter of back-offs, from 0 to 1.
    """

    def __init__(
        self,
        core: Core,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.client = http1.Client(max_body_bytes=MOST_ANSWER_BYTES)
        self.table = Places(cap=core.settings.replica_requests, clock=clock)
        self.routes = Routes(core, self.table, clock=clock, sleep=sleep)
        self.measuring = Measuring(self.routes, self.table, self.client, sleep=sleep)
        self._sharing = Sharing(core, self.table, clock, bulk=True)
        self._patience = Patience(sleep, chance)

    async def run(self) -> None:
        """Keep routes, counts and limits fresh, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self.routes.run(), self.measuring.run(), self._sharing.run()):
                tasks.create_task(work)

    async def close(self) -> None:
        await self._sharing.close()
        await self.client.close()

    async def answer(self, line: Line) -> Answer:
        """Return what became of a line, once that is known; it may take as long as its deployment has no replica."""
        used = self.routes.use(line.deployment_id)
        used.enter(line.batch_id)
        try:
            return await Sending(line, used, self.routes, self.table, self.client, self._patience).run()
        finally:
            used.leave(line.batch_id)

    def places(self, deployment_id: str) -> int:
        """Return how many lines of one batch for this deployment are to be here: an equal share of what there is."""
        batches = max(1, len(self.routes.use(deployment_id).batches))
        return max(AT_HAND, -(-self.table.places(deployment_id) // batches))

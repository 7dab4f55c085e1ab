"""What engines say of themselves each second, so that lines never make a queue in one."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from engines.bulk.places import Places
from engines.bulk.routes import Routes
from engines.serving import http1
from engines.serving.engine_metrics import parse_metrics
from engines.serving.router import Target

log = structlog.get_logger(__name__)
EVERY_S = 1.0
# Longer than one that is busy takes; what it says later says nothing of now.
ANSWER_S = 2.0


class Measuring:
    """Asks the engines that work on lines of this host. `run()` does so for ever."""

    def __init__(
        self,
        routes: Routes,
        table: Places,
        client: http1.Client,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._routes = routes
        self._table = table
        self._client = client
        self._sleep = sleep

    async def run(self) -> None:
        while True:
            await self._sleep(EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Ask each once."""
        asked = [
            self._measure(target, is_ours=route.upstream is None)
            for route in self._routes.asked()
            for target in route.targets
            if self._table.outstanding(target.replica_id)
        ]
        await asyncio.gather(*asked)

    async def _measure(self, target: Target, *, is_ours: bool) -> None:
        """Hear how many requests wait there. A server of somebody else's is not asked: it says 429 where it has too many; of one
        that should have answered and did not, nothing is known.
        """
        try:
            waiting = await self._waiting(target) if is_ours else 0
        except (http1.Unanswered, TimeoutError, ValueError, OverflowError) as error:
            log.debug("engine_not_measured", replica=target.replica_id, error=str(error))
            return
        self._table.measured(target.replica_id, waiting)

    async def _waiting(self, target: Target) -> int:
        async with asyncio.timeout(ANSWER_S):
            response = await self._client.get(target.url, "/metrics", silence_s=ANSWER_S)
            try:
                text = (await response.read()).decode(errors="replace")
            finally:
                response.close()
        # An engine without figures is as one of somebody else's.
        return (parse_metrics(text).waiting or 0) if response.status == 200 else 0

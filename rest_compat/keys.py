"""Streams end with the key that opened them, within `LOOK_S + sse.CHECK_S`. One look at the database serves all streams of a
key.
"""

from time import monotonic

import structlog

from burnish.kit.errors import Unauthenticated
from resolvers import auth
from resolvers.context import Context

log = structlog.get_logger(__name__)
LOOK_S = 0.5
REMEMBERED = 1024


class Keys:
    """What one process knows of the keys whose streams are open. Keys that have ended never come back."""

    def __init__(self) -> None:
        self._looked: dict[str, float] = {}
        self._ended: set[str] = set()

    async def check(self, ctx: Context) -> None:
        """Unauthenticated where the caller's key has been revoked or has expired."""
        key_id, now = ctx.key.id, monotonic()
        if key_id not in self._ended and now - self._looked.get(key_id, float("-inf")) >= LOOK_S:
            self._looked[key_id] = now
            self._forget(now)
            await self._look(ctx, key_id)
        if key_id in self._ended:
            raise Unauthenticated()

    async def _look(self, ctx: Context, key_id: str) -> None:
        try:
            self._ended.update(await auth.ended(ctx.core, [key_id]))
        except Exception as error:
            # A database that is away refuses nobody: whoever follows waits for it.
            log.warning("key_not_looked_at", key=key_id, error=str(error))

    def _forget(self, now: float) -> None:
        if len(self._looked) > REMEMBERED:
            self._looked = {key_id: at for key_id, at in self._looked.items() if now - at < LOOK_S}

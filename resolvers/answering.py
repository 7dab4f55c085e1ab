"""The completions that an API process works on while nobody waits: so many at once, for one account and for all."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from burnish.kit.errors import RateLimited

AT_ONCE = 500
AT_ONCE_OF_ACCOUNT = 50
RETRY_AFTER_S = 5


class Answering:
    """What one API process is working on. `close()` cuts it off, and says so of each."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._of_account: Counter[str] = Counter()

    def take(self, account_id: str) -> None:
        """Take a place; RateLimited where the account, or all of them, have as much under way as is allowed."""
        if self._of_account[account_id] >= AT_ONCE_OF_ACCOUNT or self._of_account.total() >= AT_ONCE:
            raise RateLimited("Too many completions are under way: ask again when some are done.", retry_after_s=RETRY_AFTER_S)
        self._of_account[account_id] += 1

    def give_back(self, account_id: str) -> None:
        self._of_account[account_id] -= 1
        if not self._of_account[account_id]:
            del self._of_account[account_id]

    def start(self, account_id: str, work: Coroutine[Any, Any, None]) -> None:
        """Work on something whose place is taken; it is given back at the end."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._over(account_id, done))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _over(self, account_id: str, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self.give_back(account_id)

"""Work that several ask for at the same time is done once, for all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class AtOnce(Generic[V]):
    """`get` answers with what is being done for the key already, else begins it. Nothing is remembered once it is done.

    Whoever leaves does not end it for the others. An error is everybody's.
    """

    def __init__(self) -> None:
        self._doing: dict[Hashable, asyncio.Task[V]] = {}

    async def get(self, key: Hashable, work: Callable[[], Awaitable[V]]) -> V:
        task = self._doing.get(key)
        if task is None:
            task = self._doing[key] = asyncio.ensure_future(_run(work))
            task.add_done_callback(lambda _: self._doing.pop(key, None))
        return await asyncio.shield(task)


async def _run(work: Callable[[], Awaitable[V]]) -> V:
    return await work()

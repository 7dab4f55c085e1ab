"""What is worked out from a dataset once, in the background, and kept beside its rows until it is deleted.

A query may take ten seconds. Whoever asks for what takes longer is told to come again, and then finds it, or what still works
on it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from burnish.kit.errors import Unavailable
from resolvers.context import Context

WAIT_S = 8.0
AT_ONCE = 2


async def kept(ctx: Context, key: str, work: Callable[[], Awaitable[bytes]], what: str) -> bytes:
    """Return what is stored under `key`, or what `work` gives for it; those who ask meanwhile wait for the same.

    Unavailable while it is being worked on, and where too much else of its kind is; `what` says for a person what that is.
    """
    try:
        return await ctx.core.storage.read(key)
    except FileNotFoundError:
        pass
    at_work = ctx.platform.counting
    if key not in at_work:
        # Tokens may be counted for an hour: whoever looks at rows does not wait for that.
        if sum(task.get_name() == what for task in at_work.values()) >= AT_ONCE:
            raise Unavailable(f"Other datasets come first: {what} is not worked on yet. Ask again soon.")
        at_work[key] = asyncio.create_task(_work(ctx, key, work), name=what)
        at_work[key].add_done_callback(lambda done: _forget(at_work, key, done))
    task = at_work[key]
    await asyncio.wait({task}, timeout=WAIT_S)
    if not task.done():
        raise Unavailable(f"{what[0].upper()}{what[1:]} is being worked on: ask again soon.")
    return task.result()


async def _work(ctx: Context, key: str, work: Callable[[], Awaitable[bytes]]) -> bytes:
    found = await work()
    await ctx.core.storage.put(key, found)
    return found


def _forget(at_work: "dict[str, asyncio.Task[bytes]]", key: str, done: "asyncio.Task[bytes]") -> None:
    del at_work[key]
    if not done.cancelled():
        done.exception()

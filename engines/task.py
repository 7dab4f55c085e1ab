"""Running one of our child tasks to its end: what it returns, or why it failed; never longer than it may."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from engines.protocol import ChildFailure
from engines.spawn import Child

OnLog = Callable[[str], Awaitable[object]]


async def run(
    task: str, spec: Mapping[str, Any], *, folder: Path, deadline_s: float, on_log: OnLog | None = None
) -> dict[str, Any]:
    """Start `task` in `folder` and return its result; ChildFailure where it fails, `timeout` at the deadline.

    `on_log` hears what it reports. The child is gone when this returns, also when it is cancelled.
    """
    child = await Child.task(task, spec, cwd=folder, env={"TMPDIR": str(folder), "HOME": str(folder)})
    draining = asyncio.create_task(_drain(child))
    try:
        async with asyncio.timeout(deadline_s):
            result = await _listen(child, on_log)
            code = await child.wait()
    except TimeoutError:
        raise ChildFailure("timeout", f"It took longer than {deadline_s:.0f} s.") from None
    finally:
        child.kill()
        await asyncio.gather(draining, return_exceptions=True)
        await child.wait()
    if result is None:
        raise ChildFailure("worker_lost", f"The process that worked on this died (exit code {code}).", "platform")
    return result


async def _listen(child: Child, on_log: OnLog | None) -> dict[str, Any] | None:
    result: dict[str, Any] | None = None
    failure: ChildFailure | None = None
    async for message in child.messages():
        if message["type"] == "done":
            result = message["result"]
        elif message["type"] == "failed":
            failure = ChildFailure(message["code"], message["message"], message["attribution"])
        elif message["type"] == "log" and on_log is not None:
            await on_log(message["message"])
    if failure is not None:
        raise failure
    return result


async def _drain(child: Child) -> None:
    """Read what the child prints, and say nothing of it: it may quote what is secret."""
    async for _ in child.log():
        pass

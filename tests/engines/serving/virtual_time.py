"""An event loop whose clock moves on at once to whatever is due next: timers without waiting."""

import asyncio
import selectors
from typing import Any


class _Selector(selectors.DefaultSelector):
    now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found:
            assert timeout is not None, "nothing is due any more: whoever waits waits for ever"
            self.now += max(0.0, timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 1000 and is the clock of what is tested, too."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def now() -> float:
    return asyncio.get_running_loop().time()


def timers() -> int:
    """Count what is due some time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return sum(not handle.cancelled() for handle in loop._scheduled)  # type: ignore[attr-defined]  # asyncio's own


async def settled() -> None:
    """Let everything happen that is due now."""
    for _ in range(6):
        await asyncio.sleep(0)

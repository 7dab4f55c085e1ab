"""All callers of a load together: numbers for their requests, what each saw, and what was allowed to happen to it."""

import asyncio
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.rest_compat.load.callers import DEADLINE_S, Ask, Caller, Seen
from tests.rest_compat.load.engine import Orders

# What may come of a request that an engine takes: of a stream also that its engine dies under it.
WHOLE = frozenset({"whole"})
BEGUN = frozenset({"whole", "cut"})


@dataclass
class Crowd:
    """`seen` are the requests that have ended, `surprises` those of them that ended as they may not."""

    seen: list[Seen] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _ended: asyncio.Condition = field(default_factory=asyncio.Condition)

    def orders(self, **orders: Any) -> Orders:
        """Return orders with a number of their own."""
        return Orders(next(self._numbers), **orders)

    async def ask(self, caller: Caller, ask: Ask, allowed: Collection[str]) -> Seen:
        seen = await caller.ask(ask)
        self.seen.append(seen)
        if seen.verdict not in allowed:
            self.surprises.append(f"#{ask.number} {seen.verdict}, not {sorted(allowed)}: {seen.error} {ask}")
        async with self._ended:
            self._ended.notify_all()
        return seen

    async def ended(self, count: int) -> None:
        """Wait until so many requests have ended."""
        async with asyncio.timeout(DEADLINE_S), self._ended:
            await self._ended.wait_for(lambda: len(self.seen) >= count)

    def verdicts(self) -> set[str]:
        return {seen.verdict for seen in self.seen}


def kinds(crowd: Crowd, model: str, **orders: Any) -> Sequence[tuple[Ask, frozenset[str]]]:
    """Return a request of each kind that an engine answers to its end."""

    def ask(tokens: int, **how: Any) -> Ask:
        return Ask(crowd.orders(**orders), model, tokens, **how)

    return [
        (ask(3), WHOLE),
        (ask(5, stream=True, usage=True), BEGUN),
        (ask(4, text=True), WHOLE),
        (ask(7, stream=True), BEGUN),
        (ask(2, choices=3), WHOLE),
        (ask(6, stream=True, text=True), BEGUN),
        (ask(3, stream=True, usage=True, choices=2), BEGUN),
    ]

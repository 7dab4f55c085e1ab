"""What a deployment is asked just now: a few ticks of what its gateways logged and its engines said, for the scaling rule.

The gateways log a request when it has ended; what has arrived is that, and what the engines have under way more than before.
No clock of its own: a tick says when it was.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from burnish.kit.stream import Data
from engines.serving.autoscale import Load
from engines.serving.stats import FAILED_FROM, percentile

# Long enough that chance does not look like load, short enough that a spike is seen at once.
RATE_S = 15.0
LATENCY_S = 60.0


@dataclass(frozen=True, slots=True)
class _Request:
    arrived_s: float
    latency_ms: float
    failed: bool


@dataclass(frozen=True, slots=True)
class _Tick:
    at_s: float
    length_s: float
    requests: tuple[_Request, ...]
    in_flight: int | None


class Demand:
    """The newest ticks of one deployment."""

    def __init__(self) -> None:
        self._ticks: deque[_Tick] = deque()

    def add(self, at_s: float, length_s: float, rows: Sequence[Data], in_flight: int | None) -> None:
        """Add what has come since the tick before, `length_s` seconds ago: rows of `requests`, and how many requests the engines
        have under way now, where they say.
        """
        requests = [_request(row) for row in rows]
        # A log that waited for its database says nothing of today.
        fresh = tuple(one for one in requests if one.arrived_s + one.latency_ms / 1000 > at_s - length_s - LATENCY_S)
        self._ticks.append(_Tick(at_s, length_s, fresh, in_flight))
        # One more than the window: how many were under way where it begins.
        while len(self._ticks) > 2 and self._ticks[1].at_s <= at_s - LATENCY_S:
            self._ticks.popleft()

    def load(self, *, since_s: float, target_ms: float, woken: bool = False) -> Load:
        """Return the load now; latencies are of what arrived after `since_s`, when the last replica became ready."""
        # What failed at once says nothing of how long answers take; what took too long does, whatever became of it.
        latencies = sorted(
            one.latency_ms
            for tick in self._ticks
            for one in tick.requests
            if one.arrived_s >= since_s and (not one.failed or one.latency_ms > target_ms)
        )
        in_flight = (self._ticks[-1].in_flight or 0) if self._ticks else 0
        return Load(self._rate(), percentile(latencies, 0.95), len(latencies), in_flight, self._at_once(), woken)

    def _rate(self) -> float:
        """Return how many requests arrived each second of the newest ticks."""
        length_s, ended = 0.0, 0
        newest, before = None, None
        for tick in reversed(self._ticks):
            if length_s >= RATE_S:
                before = tick.in_flight
                break
            newest = tick.in_flight if length_s == 0 else newest
            length_s += tick.length_s
            ended += len(tick.requests)
        more = newest - before if newest is not None and before is not None else 0
        return max(0, ended + more) / length_s if length_s else 0.0

    def _at_once(self) -> int:
        """Return how many requests were under way at once at most: as the engines said, or on average, by their latencies."""
        length_s = sum(tick.length_s for tick in self._ticks)
        busy_s = sum(one.latency_ms for tick in self._ticks for one in tick.requests) / 1000
        average = math.ceil(round(busy_s / length_s, 6)) if length_s else 0
        return max([average, *(tick.in_flight or 0 for tick in self._ticks)])


def _request(row: Data) -> _Request:
    arrived_s = datetime.fromisoformat(row["at"]).timestamp()
    return _Request(arrived_s, row["latency_ms"], row["status_code"] >= FAILED_FROM)

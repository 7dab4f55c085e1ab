"""What a deployment is asked just now: a few ticks of what its gateways logged and its engines said, for the scaling rule.

The gateways log a request when it has ended; what has arrived is that, and what the engines have under way more than before.
One that no replica took was asked for too, but its time says nothing of how long answers take. Nor does the time of those that
waited for the first replica, and that they all came at once when there was one is no rate.
No clock of its own: a tick says when it was.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from burnish.kit.stream import Data
from engines.serving.autoscale import Load
from engines.serving.stats import percentile
from models.deployment import FAILED_FROM, is_taken

# Long enough that chance does not look like load, short enough that a spike is seen at once.
RATE_S = 15.0
LATENCY_S = 60.0
# Within this what waited for a first replica has come to it.
WAKING_S = 5.0


@dataclass(frozen=True, slots=True)
class _Request:
    arrived_s: float
    latency_ms: float
    failed: bool
    taken: bool

    @property
    def ended_s(self) -> float:
        return self.arrived_s + self.latency_ms / 1000


@dataclass(frozen=True, slots=True)
class _Tick:
    """What has come since the tick before, and how many requests the engines have under way now, where they say."""

    at_s: float
    requests: Sequence[_Request]
    in_flight: int | None


class Demand:
    """The newest ticks of one deployment, oldest first; with the first one it begins."""

    def __init__(self) -> None:
        self._ticks: deque[_Tick] = deque()
        self._is_asleep = False
        self._woke_s = -math.inf

    def add(self, at_s: float, rows: Iterable[Data], in_flight: int | None, *, answers: bool = True) -> None:
        """Add what has come since the last call, as rows of `requests`, and what is under way; `answers` says whether there is a
        replica.
        """
        if self._is_asleep and answers:
            self._woke_s = at_s
        self._is_asleep = not answers
        is_set_back = bool(self._ticks) and at_s <= self._ticks[-1].at_s
        # A clock that was set back: a length that nobody knows would be taken for a rate.
        if is_set_back or self._is_asleep or 0 <= at_s - self._woke_s < WAKING_S:
            self._ticks.clear()
        before_s = self._ticks[-1].at_s if self._ticks else at_s
        requests = map(_request, rows)
        # A log that waited for its database says nothing of now.
        fresh = [one for one in requests if one.ended_s > before_s - LATENCY_S]
        self._ticks.append(_Tick(at_s, fresh, in_flight))
        while len(self._ticks) > 1 and self._ticks[1].at_s <= at_s - LATENCY_S:
            self._ticks.popleft()

    def load(self, *, since_s: float, target_ms: float, woken: bool = False) -> Load:
        """Return the load now; latencies are of what arrived after `since_s`, when the last replica became ready."""
        # What failed at once says nothing of how long answers take; what took too long does, whatever became of it.
        latencies = sorted(
            one.latency_ms
            for tick in self._ticks
            for one in tick.requests
            if tick.at_s > self._ticks[-1].at_s - LATENCY_S
            and one.arrived_s >= since_s
            and one.taken
            and (not one.failed or one.latency_ms > target_ms)
        )
        in_flight = self._ticks[-1].in_flight if self._ticks else None
        # What comes to a replica that was just woken is no rate, but no silence either.
        newest = self._ticks[-1] if self._ticks else None
        if newest is not None and newest.requests and 0 <= newest.at_s - self._woke_s < WAKING_S:
            woken = True
        p95_ms = percentile(latencies, 0.95)
        return Load(self._rate(), p95_ms, len(latencies), in_flight or 0, self._at_once(), woken)

    def _rate(self) -> float:
        """Return how many requests arrived each second of late."""
        if len(self._ticks) < 2:
            return 0.0
        newest = self._ticks[-1]
        first = max((index for index, tick in enumerate(self._ticks) if newest.at_s - tick.at_s >= RATE_S), default=0)
        begin, *ticks = list(self._ticks)[first:]
        arrived = sum(len(tick.requests) for tick in ticks)
        if newest.in_flight is not None and begin.in_flight is not None:
            arrived += newest.in_flight - begin.in_flight
        # A moment is too short to be a rate; what was before it is not known, and not made up.
        return max(0, arrived) / max(RATE_S, newest.at_s - begin.at_s)

    def _at_once(self) -> int:
        """Return how many requests were under way at once at most: as the engines said, or on average, by their latencies."""
        if len(self._ticks) < 2:
            return 0
        begin, *ticks = self._ticks
        requests = [one for tick in ticks for one in tick.requests]
        # What was before is of no tick here: a request may have waited long for its replica.
        busy_s = sum(max(0.0, one.ended_s - max(one.arrived_s, begin.at_s)) for one in requests)
        average = math.ceil(round(busy_s / (ticks[-1].at_s - begin.at_s), 6))
        return max([average, *(tick.in_flight or 0 for tick in self._ticks)])


def _request(row: Data) -> _Request:
    arrived_s = datetime.fromisoformat(row["at"]).timestamp()
    return _Request(arrived_s, row["latency_ms"], row["status_code"] >= FAILED_FROM, is_taken(row))

"""The one source of time: UTC, in microseconds. Tests replace `now_micros`."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_micros() -> int:
    """Return microseconds since the epoch."""
    return time.time_ns() // 1000


def now() -> datetime:
    return from_micros(now_micros())


def from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def text(micros: int) -> str:
    """Return a moment as the `isoformat` of its datetime; cheap where there are many of the same second."""
    second, fraction = divmod(micros, 1_000_000)
    return f"{_second(second)}.{fraction:06d}+00:00" if fraction else f"{_second(second)}+00:00"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return from_micros(seconds * 1_000_000).replace(tzinfo=None).isoformat()


def to_micros(moment: datetime) -> int:
    """Return microseconds since the epoch; ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a timezone")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def seconds_between(start: datetime, end: datetime) -> float:
    """Return the length of an interval in seconds, never below zero however the clock was set."""
    return max(0.0, (end - start).total_seconds())

"""How much a caller may take a minute: token buckets that every process judges by itself and shares through Redis.

Taking never waits: it looks at what this process knows. What was taken is told to Redis a moment later, for all callers in one
round trip, and the answer says what the other processes took. With N processes a caller can thus get at most what N of them
give in `SHARE_S` beyond its limit; with Redis away each process goes on alone.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from burnish.kit.errors import RateLimited

log = structlog.get_logger(__name__)
SHARE_S = 0.05
AWAY_S = 1.0
SEND_S = 2.0
MAX_BUCKETS = 20_000
PREFIX = "burnish:limit:"
MINUTE_S = 60.0
# Takes ARGV[3] from a bucket that holds ARGV[1], fills at ARGV[2] a second and owes ARGV[4] at most; answers what is left. A full
# one is forgotten.
SHARE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local held = redis.call('HMGET', KEYS[1], 'level', 'at')
local capacity, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local level = capacity
if held[1] then level = math.min(capacity, held[1] + math.max(0, now - held[2]) * rate) end
level = math.min(capacity, math.max(-ARGV[4], level - ARGV[3]))
redis.call('HSET', KEYS[1], 'level', string.format('%.6f', level), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - level) / rate * 1000) + 1000)
return string.format('%.6f', level)
"""


class Standing(NamedTuple):
    """What a caller has left; `full_in_s` until it has everything again."""

    limit: int
    remaining: int
    full_in_s: float


class _Bucket:
    __slots__ = ("at", "capacity", "debt", "level", "rate", "unshared")

    def __init__(self, capacity: int, at: float) -> None:
        self.capacity = capacity
        self.rate = capacity / MINUTE_S
        self.debt = float(capacity)
        self.level = float(capacity)
        self.at = at
        self.unshared = 0.0

    def fill(self, capacity: int, now: float) -> None:
        if capacity != self.capacity:
            self.capacity, self.rate, self.debt = capacity, capacity / MINUTE_S, float(capacity)
        # Plain comparisons: calls of min and max would be half of what a request pays here.
        level = self.level + (now - self.at) * self.rate if now > self.at else self.level
        self.level = level if level < capacity else float(capacity)
        self.at = now

    def require(self, amount: float) -> None:
        if amount > self.level and self.level < self.capacity:
            missing = min(amount, self.capacity) - self.level
            wait_s = max(1, int(missing / self.rate + 0.999))
            raise RateLimited("Too many requests: this caller has used up its share.", retry_after_s=wait_s)

    def subtract(self, amount: float) -> None:
        level = self.level - amount
        if level < -self.debt:
            level = -self.debt
        self.level = level if level < self.capacity else float(self.capacity)
        self.unshared += amount

    def standing(self) -> Standing:
        level = self.level
        return Standing(self.capacity, int(level) if level > 0 else 0, (self.capacity - level) / self.rate)


class Limiter:
    """Buckets by name; each holds a minute's worth and fills evenly. `clock` gives seconds that never go back."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._unshared: dict[str, _Bucket] = {}
        self._sharing: asyncio.Task[None] | None = None
        self._away = False

    def look(self, name: str, per_minute: int) -> Standing:
        return self._bucket(name, per_minute).standing()

    def take(self, name: str, per_minute: int, amount: float = 1) -> Standing:
        """Take an amount; RateLimited, with nothing taken, where it is not there. More than a whole bucket needs a full one."""
        bucket = self._bucket(name, per_minute)
        bucket.require(amount)
        return self._subtract(name, bucket, amount)

    def require(self, name: str, per_minute: int, amount: float = 1) -> None:
        """RateLimited where an amount is not there; nothing is taken."""
        self._bucket(name, per_minute).require(amount)

    def charge(self, name: str, per_minute: int, amount: float, *, debt_minutes: int = 1) -> Standing:
        """Take an amount that has been used already, even where it is not there; no more is owed than comes in `debt_minutes`."""
        bucket = self._bucket(name, per_minute)
        bucket.debt = float(per_minute * debt_minutes)
        return self._subtract(name, bucket, amount)

    def give_back(self, name: str, per_minute: int, amount: float = 1) -> Standing:
        """Return what was taken for something that turned out to count for nothing."""
        return self._subtract(name, self._bucket(name, per_minute), -amount)

    async def share(self) -> None:
        """Tell Redis what was taken here, and hear what is left."""
        if self._away:
            self._forgive()
        taken = [_Taken(name, bucket, bucket.unshared) for name, bucket in self._unshared.items()]
        self._unshared.clear()
        for _, bucket, _ in taken:
            bucket.unshared = 0.0
        try:
            async with asyncio.timeout(SEND_S):
                levels = await self._tell(taken)
        except (RedisError, OSError) as error:
            self._keep(taken)
            if not self._away:
                log.info("limits_not_shared", error=str(error))
            self._away = True
            return
        self._away = False
        for (_, bucket, _), level in zip(taken, levels, strict=True):
            bucket.level = float(level) - bucket.unshared
            bucket.at = self._clock()

    async def close(self) -> None:
        if self._sharing is not None:
            self._sharing.cancel()
            await asyncio.gather(self._sharing, return_exceptions=True)

    def _bucket(self, name: str, per_minute: int) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(per_minute, now)
            if len(self._buckets) > MAX_BUCKETS:
                gone, _ = self._buckets.popitem(last=False)
                self._unshared.pop(gone, None)
        else:
            self._buckets.move_to_end(name)
            bucket.fill(per_minute, now)
        return bucket

    def _subtract(self, name: str, bucket: _Bucket, amount: float) -> Standing:
        bucket.subtract(amount)
        self._unshared[name] = bucket
        if self._sharing is None or self._sharing.done():
            self._sharing = asyncio.create_task(self._share_soon())
        return bucket.standing()

    async def _share_soon(self) -> None:
        while self._unshared:
            await asyncio.sleep(AWAY_S if self._away else SHARE_S)
            await self.share()

    async def _tell(self, taken: list["_Taken"]) -> list[bytes]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, bucket, amount in taken:
                pipe.eval(SHARE, 1, PREFIX + name, bucket.capacity, bucket.rate, amount, bucket.debt)
            answers: list[bytes] = await pipe.execute()
            return answers

    def _keep(self, taken: list["_Taken"]) -> None:
        """Tell it later."""
        for name, bucket, amount in taken:
            if self._buckets.get(name) is bucket:
                bucket.unshared += amount
                self._unshared[name] = bucket

    def _forgive(self) -> None:
        """Owe nothing that the buckets were filled with again while Redis was away."""
        now = self._clock()
        for bucket in self._unshared.values():
            bucket.fill(bucket.capacity, now)
            bucket.unshared = min(bucket.unshared, bucket.capacity - bucket.level)


class _Taken(NamedTuple):
    name: str
    bucket: _Bucket
    amount: float

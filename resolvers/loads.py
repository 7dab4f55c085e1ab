"""A deployment's load over time: the samples that its host took, as they are or folded into buckets of time.

Counts of a bucket are sums, so that no request is lost or counted twice. A median is the mean of the samples' medians, weighted
by their requests; a 95th percentile is the highest of theirs, which the bucket's own never exceeds. What engines were doing is
shown at its highest, and replicas as they were at the bucket's end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from burnish.kit import clock, stream
from burnish.kit.db import Session
from burnish.kit.errors import Invalid
from burnish.kit.stream import Data
from engines.serving.stats import EVERY_S, IDLE_EVERY_S
from resolvers import deployments
from resolvers.context import Context

MAX_POINTS = 1000
HOUR = timedelta(hours=1)
PAGE = 1000
COUNTS = ("requests", "errors", "prompt_tokens", "completion_tokens")
MEDIANS = ("ttft_p50_ms", "latency_p50_ms")
HIGHEST = ("ttft_p95_ms", "latency_p95_ms", "running", "waiting", "kv_cache_usage")
STANDING = ("replicas_ready", "replicas_total")
# What engines and replicas say holds until the next sample, which comes within this.
HOLDS_S = IDLE_EVERY_S + 2 * EVERY_S


@dataclass
class Bucket:
    """Samples of a stretch of time, added up in their order."""

    start: datetime
    end: datetime
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    weighted: dict[str, tuple[float, int]] = field(default_factory=lambda: dict.fromkeys(MEDIANS, (0.0, 0)))
    highest: Data = field(default_factory=lambda: dict.fromkeys(HIGHEST))
    last: Data | None = None

    def add(self, row: Data) -> None:
        for key in COUNTS:
            self.sums[key] += row[key]
        for key in MEDIANS:
            if row[key] is not None:
                total, weight = self.weighted[key]
                self.weighted[key] = (total + row[key] * row["requests"], weight + row["requests"])
        for key in HIGHEST:
            self.highest[key] = max((value for value in (self.highest[key], row[key]) if value is not None), default=None)
        self.last = row

    @property
    def row(self) -> Data:
        """The bucket in the shape of a sample; `at` is its end."""
        window_s = clock.seconds_between(self.start, self.end)
        requests, completion_tokens = self.sums["requests"], self.sums["completion_tokens"]
        last = self.last or {}
        return {
            "at": self.end.isoformat(),
            "window_s": round(window_s, 3),
            **self.sums,
            "error_rate": round(self.sums["errors"] / requests, 6) if requests else None,
            "requests_per_second": round(requests / window_s, 3),
            "tokens_per_second": round(completion_tokens / window_s, 3),
            **{key: round(total / weight, 3) if weight else None for key, (total, weight) in self.weighted.items()},
            **self.highest,
            **{key: last.get(key) for key in STANDING},
        }


async def read(
    ctx: Context, deployment_id: str, *, since: datetime | None = None, until: datetime | None = None, points: int = 200
) -> list[Data]:
    """Return the samples of a stretch of time, oldest first; where there are more than `points`, that many buckets at most, and
    none for a time without samples. All that is kept, by default.
    """
    if not 1 <= points <= MAX_POINTS:
        raise Invalid(f"points is 1 to {MAX_POINTS}.", param="points")
    until = until or clock.now()
    _check(since, until)
    async with ctx.db.read() as session:
        await _mine(session, ctx, deployment_id)
        first, end = await _range(session, deployment_id, since, until)
        if end - first <= points:
            return [row.data for row in await stream.read(session, deployment_id, "stats", after=first - 1, limit=end - first)]
        oldest = (await stream.read(session, deployment_id, "stats", after=first - 1, limit=1))[0].data
        since = since or _at(oldest) - timedelta(seconds=oldest["window_s"])
        buckets = _cut(since, until, (until - since) / points)
        await _fill(session, deployment_id, buckets, first, end)
    return [bucket.row for bucket in buckets if bucket.last is not None]


async def series(
    ctx: Context, deployment_id: str, *, since: datetime | None = None, until: datetime | None = None, interval_s: int = 60
) -> list[Data]:
    """Return a row for each interval of a stretch of time, oldest first, the last hour by default. The last one may be shorter.

    In an interval without a sample nothing was asked; engines and replicas are as the sample before said, if that is recent.
    """
    until = until or clock.now()
    since = since or until - HOUR
    _check(since, until)
    length = timedelta(seconds=interval_s)
    if (until - since) / length > MAX_POINTS:
        raise Invalid(f"That is more than {MAX_POINTS} intervals: take longer ones, or less time.", param="interval")
    buckets = _cut(since, until, length)
    async with ctx.db.read() as session:
        await _mine(session, ctx, deployment_id)
        first, end = await _range(session, deployment_id, since, until)
        before = await stream.read(session, deployment_id, "stats", after=first - 2, limit=1) if first > 1 else []
        await _fill(session, deployment_id, buckets, first, end)
    return list(_standing(buckets, before[0].data if before else None))


async def _mine(session: Session, ctx: Context, deployment_id: str) -> None:
    ctx.require("read")
    await deployments.find(session, ctx, deployment_id)


def _check(since: datetime | None, until: datetime) -> None:
    if since is not None and since >= until:
        raise Invalid("'from' is not before 'to'.", param="from")


def _cut(since: datetime, until: datetime, length: timedelta) -> list[Bucket]:
    buckets = [Bucket(since, min(until, since + length))]
    while buckets[-1].end < until and len(buckets) < MAX_POINTS:
        buckets.append(Bucket(buckets[-1].end, min(until, buckets[-1].end + length)))
    buckets[-1].end = until
    return buckets


async def _range(session: Session, deployment_id: str, since: datetime | None, until: datetime) -> tuple[int, int]:
    """Return the numbers of the first sample after `since` and of the first after `until`."""
    oldest = await stream.first_seq(session, deployment_id, "stats")
    beyond = await stream.last_seq(session, deployment_id, "stats") + 1
    first = oldest if since is None else await _first_after(session, deployment_id, since, oldest, beyond)
    return first, await _first_after(session, deployment_id, until, first, beyond)


async def _first_after(session: Session, deployment_id: str, moment: datetime, low: int, high: int) -> int:
    while low < high:
        middle = (low + high) // 2
        found = await stream.read(session, deployment_id, "stats", after=middle - 1, limit=1)
        if found and _at(found[0].data) <= moment:
            low = middle + 1
        else:
            high = middle
    return low


async def _fill(session: Session, deployment_id: str, buckets: list[Bucket], first: int, end: int) -> None:
    index = 0
    while first < end:
        rows = await stream.read(session, deployment_id, "stats", after=first - 1, limit=min(PAGE, end - first))
        if not rows:
            return
        for row in rows:
            at = _at(row.data)
            while index < len(buckets) - 1 and at > buckets[index].end:
                index += 1
            buckets[index].add(row.data)
        first = rows[-1].seq + 1


def _standing(buckets: list[Bucket], last: Data | None) -> Iterator[Data]:
    """Yield the buckets' rows; one without a sample has what the last one before said of engines and replicas."""
    for bucket in buckets:
        row = bucket.row
        if bucket.last is None and last is not None and clock.seconds_between(_at(last), bucket.end) <= HOLDS_S:
            row |= {key: last[key] for key in ("running", "waiting", "kv_cache_usage", *STANDING)}
        last = bucket.last or last
        yield row


def _at(row: Data) -> datetime:
    return datetime.fromisoformat(row["at"])

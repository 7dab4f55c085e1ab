"""Samples of a deployment's load: what it was asked since the last one, and how its engines stand.

Every sample carries the place in the stream `requests` that it counts up to, and the next one goes on from there, whichever host
takes it: each request is counted exactly once, however late it was logged.
"""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import httpx2
import structlog
from sqlmodel import col, select

from burnish.kit import clock, stream
from burnish.kit.db import Database, Session
from burnish.kit.stream import Data, Row
from engines.serving import adopted, engine
from engines.serving.engine_metrics import EngineMetrics
from models import replica
from models.deployment import FAILED_FROM, is_taken
from models.replica import Replica

log = structlog.get_logger(__name__)
EVERY_S = 5.0
# A deployment that nobody asks must not fill the database.
IDLE_EVERY_S = 60.0
# The gateways log what they served a moment later.
LATE_S = 1.0
# What says of a row where and when it was taken rather than how the deployment does.
PLACE = ("at", "window_s", "requests_seq")


@dataclass(frozen=True)
class Taken:
    """What a sample is made of: what was logged since the last one, and each ready engine's load; None where one gives none."""

    at: datetime
    requests: Sequence[Row]
    engines: Sequence[EngineMetrics] | None


Put = Callable[[Data], Awaitable[None]]
# Says how many replicas a sample's load wants, where that is asked.
Consider = Callable[[Taken], Awaitable[int | None]]
N = TypeVar("N", int, float)


class Sampler:
    """Takes the samples of one deployment, and hands those that say something new to `put`."""

    def __init__(
        self, db: Database, client: httpx2.AsyncClient, deployment_id: str, put: Put, consider: Consider | None = None
    ) -> None:
        self._db = db
        self._client = client
        self._id = deployment_id
        self._put = put
        self._consider = consider
        self._since: datetime | None = None
        self._seq = 0
        self._last: Data | None = None
        self._turn = asyncio.Lock()
        self._hurried = asyncio.Event()

    def hurry(self) -> None:
        """Sample now rather than when it is time."""
        self._hurried.set()

    async def run(self) -> None:
        """Sample for ever."""
        while True:
            await self.attempt()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), EVERY_S)
            self._hurried.clear()

    async def finish(self) -> None:
        """Take the last sample, once the gateways have logged what the engines answered."""
        await asyncio.sleep(LATE_S)
        await self.attempt()

    async def attempt(self) -> None:
        """Sample; a failure leaves everything to the next sample, and the deployment serves on."""
        try:
            await self.sample()
        except Exception as error:
            log.warning("sample_failed", resource=self._id, error=str(error))

    async def sample(self) -> None:
        """Take a sample. The first call begins the first window, or closes the one that an earlier host left open."""
        async with self._turn:
            async with self._db.read() as session:
                now = clock.now()
                since = self._since or await self._resume(session) or now
                requests, seq = await self._requests(session)
                replicas = await self._replicas(session)
            window_s = clock.seconds_between(since, now)
            # Without a length it is the beginning, or the clock was set back: the next window counts what came.
            if window_s > 0:
                ready = [(url, kind) for status, url, kind in replicas if status == replica.RUNNING and url is not None]
                # A server of somebody else's has no figures for us.
                engines = await self._ask([url for url, kind in ready if kind != adopted.ENGINE])
                counts = {"replicas_ready": len(ready), "replicas_total": len(replicas)}
                figures = {**asked([row.data for row in requests], window_s), **load(engines), **counts}
                figures["replicas_wanted"] = await self._consider(Taken(now, requests, engines)) if self._consider else None
                await self._tell({"at": now.isoformat(), "window_s": round(window_s, 3), "requests_seq": seq, **figures})
            self._since = now

    async def _resume(self, session: Session) -> datetime | None:
        """Go on after the last sample that was written; return when that was."""
        for row in await stream.tail(session, self._id, "stats", 1):
            self._last, self._seq = row.data, row.data["requests_seq"]
        return datetime.fromisoformat(self._last["at"]) if self._last else None

    async def _requests(self, session: Session) -> tuple[list[Row], int]:
        """Return what was logged since the last sample, and the place after it."""
        rows = [row async for page in stream.read_all(session, self._id, "requests", after=self._seq) for row in page]
        return rows, rows[-1].seq if rows else self._seq

    async def _replicas(self, session: Session) -> Sequence[tuple[str, str | None, str | None]]:
        live = (col(Replica.deployment_id) == self._id, col(Replica.ended_at).is_(None))
        return (await session.exec(select(Replica.status, Replica.url, Replica.engine).where(*live))).all()

    async def _ask(self, urls: list[str]) -> list[EngineMetrics] | None:
        """Return the metrics of each engine; None where one cannot be asked: a part would pass for the whole."""
        found = await asyncio.gather(*(engine.metrics(self._client, url) for url in urls), return_exceptions=True)
        known = [metrics for metrics in found if isinstance(metrics, EngineMetrics)]
        return known if len(known) == len(found) else None

    async def _tell(self, row: Data) -> None:
        if row["requests"] or self._is_news(row):
            await self._put(row)
            self._last, self._seq = row, row["requests_seq"]

    def _is_news(self, row: Data) -> bool:
        last = self._last
        if last is None or any(row[key] != last.get(key) for key in row if key not in PLACE):
            return True
        silent_s = clock.seconds_between(datetime.fromisoformat(last["at"]), datetime.fromisoformat(row["at"]))
        return silent_s >= IDLE_EVERY_S


@asynccontextmanager
async def sampling(db: Database, deployment_id: str, put: Put, consider: Consider | None = None) -> AsyncIterator[Sampler]:
    """Sample a deployment while the block runs."""
    # The engines speak plain HTTP: reading the trusted certificates would be most of a client's cost.
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        sampler = Sampler(db, client, deployment_id, put, consider)
        running = asyncio.create_task(sampler.run())
        try:
            yield sampler
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def asked(requests: Sequence[Data], window_s: float) -> Data:
    """Return the figures of the requests of a window; what nothing was measured of is null."""
    errors = sum(row["status_code"] >= FAILED_FROM for row in requests)
    completion_tokens = sum(row["completion_tokens"] for row in requests)
    ttfts = sorted(row["ttft_ms"] for row in requests if row["ttft_ms"] is not None)
    latencies = sorted(row["latency_ms"] for row in requests if is_taken(row))
    return {
        "requests": len(requests),
        "errors": errors,
        "error_rate": round(errors / len(requests), 6) if requests else None,
        "prompt_tokens": sum(row["prompt_tokens"] for row in requests),
        "completion_tokens": completion_tokens,
        "requests_per_second": round(len(requests) / window_s, 3),
        "tokens_per_second": round(completion_tokens / window_s, 3),
        "ttft_p50_ms": percentile(ttfts, 0.50),
        "ttft_p95_ms": percentile(ttfts, 0.95),
        "latency_p50_ms": percentile(latencies, 0.50),
        "latency_p95_ms": percentile(latencies, 0.95),
    }


def load(engines: Sequence[EngineMetrics] | None) -> Data:
    """Return the load of a deployment's engines: their sums, and the fullest cache; null where one does not say, or none is."""
    engines = engines or ()
    running = _known([one.running for one in engines])
    waiting = _known([one.waiting for one in engines])
    usages = _known([one.kv_cache_usage for one in engines])
    return {
        "running": sum(running) if running else None,
        "waiting": sum(waiting) if waiting else None,
        "kv_cache_usage": round(max(usages), 6) if usages else None,
    }


def percentile(rising: Sequence[float], share: float) -> float | None:
    """Return the least value that this share of them does not exceed (nearest rank); null of none."""
    return round(rising[math.ceil(share * len(rising)) - 1], 3) if rising else None


def _known(values: Sequence[N | None]) -> list[N]:
    """Return the values where each is known, else nothing."""
    found = [value for value in values if value is not None]
    return found if len(found) == len(values) else []

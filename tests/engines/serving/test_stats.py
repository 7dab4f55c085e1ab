"""Samples of a deployment's load: each request in exactly one, and no figure that nobody measured."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from burnish.kit import clock, ids, stream
from burnish.kit.db import Database
from engines.serving import engine, stats
from engines.serving.engine_metrics import EngineMetrics, Histogram
from engines.serving.stats import Sampler
from models.deployment import InferenceRequest
from models.replica import Replica
from tests.engines.serving.upstream import Upstream
from tests.logged import row_of
from tests.models import rows

pytestmark = pytest.mark.anyio
START = 1_776_168_000_000_000
LOAD = "vllm:num_requests_running {running}\nvllm:num_requests_waiting {waiting}\nvllm:kv_cache_usage_perc {usage}\n"
NOTHING_ASKED = {
    "requests": 0, "errors": 0, "error_rate": None, "prompt_tokens": 0, "completion_tokens": 0, "requests_per_second": 0.0,
    "tokens_per_second": 0.0, "ttft_p50_ms": None, "ttft_p95_ms": None, "latency_p50_ms": None, "latency_p95_ms": None,
}  # fmt: skip
UNKNOWN = {"running": None, "waiting": None, "kv_cache_usage": None}


class Clock:
    def __init__(self) -> None:
        self.micros = START

    def move(self, seconds: float) -> None:
        self.micros += round(seconds * 1_000_000)


class Bench:
    """A deployment with a sampler, which writes as its host does."""

    def __init__(self, database: Database, deployment_id: str, client: httpx2.AsyncClient, time: Clock) -> None:
        self.db = database
        self.id = deployment_id
        self.client = client
        self.time = time
        self.sampler = self.another()

    def another(self) -> Sampler:
        """Return a sampler as another host would begin with."""
        return Sampler(self.db, self.client, self.id, self.put)

    async def put(self, row: stream.Data) -> None:
        async with self.db.transaction() as session:
            await stream.append(session, self.id, "stats", [row])

    async def log(self, *requests: InferenceRequest) -> None:
        async with self.db.transaction() as session:
            await stream.append(session, self.id, "requests", [row_of(row) for row in requests])

    async def replica(self, url: str, status: str = "running", *, ended: bool = False) -> None:
        now = clock.now()
        its: dict[str, Any] = {"account_id": "acct", "deployment_id": self.id, "gpu_requested": {"type": "CPU", "count": 1}}
        made = Replica(id=ids.new("rep"), host_id="host", status=status, url=url, created_at=now, **its)
        made.ended_at = now if ended else None
        async with self.db.transaction() as session:
            session.add(made)

    async def after(self, seconds: float) -> list[stream.Data]:
        """Sample after so long; return all samples that were written."""
        self.time.move(seconds)
        await self.sampler.sample()
        return await self.written()

    async def written(self) -> list[stream.Data]:
        async with self.db.read() as session:
            return [row.data for row in await stream.read(session, self.id, "stats")]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(clock, "now_micros", lambda: made.micros)
    return made


@pytest.fixture
async def bench(database: Database, client: httpx2.AsyncClient, time: Clock) -> Bench:
    await rows.account(database)
    return Bench(database, await rows.deployment(database), client, time)


def request(**values: Any) -> InferenceRequest:
    given: dict[str, Any] = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "latency_ms": 100.0,
        "status_code": 200,
        "replica_id": "rep",
        "created_at": clock.now(),
    }
    return InferenceRequest(id=ids.new("req"), account_id="acct", deployment_id="dep", **(given | values))


def load(running: int = 0, waiting: int = 0, usage: float = 0.0) -> str:
    return LOAD.format(running=running, waiting=waiting, usage=usage)


def counts(samples: list[stream.Data]) -> list[tuple[float, int]]:
    return [(sample["window_s"], sample["requests"]) for sample in samples]


async def test_a_sample_says_what_was_asked_and_how_the_engines_stand(bench: Bench, upstream: Upstream) -> None:
    upstream.metrics = load(3, 2, 0.125)
    await bench.replica(upstream.url)
    await bench.replica("http://127.0.0.1:1", "starting")
    await bench.replica("http://127.0.0.1:1", "running", ended=True)
    assert await bench.after(0) == []
    await bench.log(request(latency_ms=300.0, ttft_ms=40.0, streamed=True), request(latency_ms=100.0))
    await bench.log(request(latency_ms=200.0, ttft_ms=30.0, streamed=True), request(latency_ms=5.0, status_code=500))
    [sample] = await bench.after(5)
    assert sample == {
        "at": "2026-04-14T12:00:05+00:00",
        "window_s": 5.0,
        "requests_seq": 4,
        "requests": 4,
        "errors": 1,
        "error_rate": 0.25,
        "prompt_tokens": 40,
        "completion_tokens": 80,
        "requests_per_second": 0.8,
        "tokens_per_second": 16.0,
        "ttft_p50_ms": 30.0,
        "ttft_p95_ms": 40.0,
        "latency_p50_ms": 100.0,
        "latency_p95_ms": 300.0,
        "running": 3,
        "waiting": 2,
        "kv_cache_usage": 0.125,
        "replicas_ready": 1,
        "replicas_total": 2,
        "replicas_wanted": None,
    }


async def test_a_deployment_that_nobody_asks_is_sampled_once_a_minute(bench: Bench, upstream: Upstream) -> None:
    upstream.metrics = load()
    await bench.replica(upstream.url)
    await bench.after(0)
    for _ in range(24):
        samples = await bench.after(5)
    assert [sample["at"][14:19] for sample in samples] == ["00:05", "01:05"]
    idle = {"running": 0, "waiting": 0, "kv_cache_usage": 0.0, "replicas_ready": 1, "replicas_total": 1}
    assert [{**NOTHING_ASKED, **idle}.items() <= sample.items() for sample in samples] == [True, True]
    assert counts(samples) == [(5.0, 0), (5.0, 0)]


async def test_what_changes_is_said_at_once_and_what_was_asked_always(bench: Bench, upstream: Upstream) -> None:
    upstream.metrics = load()
    await bench.replica(upstream.url)
    await bench.after(0)
    await bench.after(5)
    upstream.metrics = load(running=1)
    assert [sample["running"] for sample in await bench.after(5)] == [0, 1]
    assert len(await bench.after(5)) == 2
    for _ in range(2):
        # Two windows that look alike are two.
        await bench.log(request())
        await bench.after(5)
    # And the first in which nobody asked says so.
    assert counts(await bench.after(5)) == [(5.0, 0), (5.0, 0), (5.0, 1), (5.0, 1), (5.0, 0)]


async def test_each_request_is_in_one_sample_however_late_it_is_logged_and_whichever_host_samples(bench: Bench) -> None:
    await bench.after(0)
    for hosts in range(4):
        await bench.log(request(), request(created_at=clock.now() - timedelta(minutes=1)))
        await bench.after(5)
        await bench.log(*(request() for _ in range(hosts)))
        bench.sampler = bench.another()
    samples = await bench.after(7)
    # What was logged before another host began is in its first sample, whose window begins where the last one ended.
    assert counts(samples) == [(5.0, 2), (5.0, 2), (5.0, 3), (5.0, 4), (7.0, 3)]
    assert [sample["requests_seq"] for sample in samples] == [2, 4, 7, 11, 14]


async def test_a_sample_that_was_not_written_is_taken_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(row: stream.Data) -> None:
        raise ConnectionError("the database is away")

    await bench.after(0)
    await bench.log(request())
    with monkeypatch.context() as patch:
        patch.setattr(bench.sampler, "_put", broken)
        bench.time.move(5)
        await bench.sampler.attempt()
    assert await bench.written() == []
    await bench.log(request())
    assert counts(await bench.after(5)) == [(10.0, 2)]


async def test_many_requests_are_all_counted(bench: Bench) -> None:
    await bench.after(0)
    await bench.log(*(request(latency_ms=float(index)) for index in range(2_500)))
    [sample] = await bench.after(5)
    assert (sample["requests"], sample["latency_p50_ms"], sample["latency_p95_ms"]) == (2_500, 1_249.0, 2_374.0)


async def test_what_engines_do_not_say_is_null(bench: Bench, upstream: Upstream) -> None:
    await bench.after(0)
    [sample] = await bench.after(5)
    assert sample.items() >= {**NOTHING_ASKED, **UNKNOWN, "replicas_ready": 0, "replicas_total": 0}.items()
    upstream.metrics = "vllm:num_requests_running 1\n"
    await bench.replica(upstream.url)
    assert (await bench.after(5))[-1].items() >= {**UNKNOWN, "running": 1, "replicas_ready": 1}.items()
    # A part of the engines would pass for all of them.
    upstream.metrics = load(1, 1, 0.5)
    await bench.replica(f"http://127.0.0.1:{engine.free_port()}")
    assert (await bench.after(5))[-1].items() >= {**UNKNOWN, "replicas_ready": 2}.items()


@pytest.mark.parametrize("text", ["vllm:num_requests_running many\n", "vllm:num_requests_running NaN\n"])
async def test_an_engine_that_cannot_be_read_is_one_that_cannot_be_asked(bench: Bench, upstream: Upstream, text: str) -> None:
    upstream.metrics = text
    await bench.replica(upstream.url)
    await bench.after(0)
    assert (await bench.after(5))[-1].items() >= UNKNOWN.items()


def test_the_engines_are_summed_and_the_fullest_cache_counts() -> None:
    none = Histogram(0, 0, ())
    engines = [EngineMetrics(1, 2, 0.25, none, none), EngineMetrics(3, 0, 0.5, none, none)]
    assert stats.load(engines) == {"running": 4, "waiting": 2, "kv_cache_usage": 0.5}
    engines.append(EngineMetrics(None, 1, None, none, none))
    assert stats.load(engines) == {"running": None, "waiting": 3, "kv_cache_usage": None}


async def test_a_clock_that_is_set_back_costs_no_request(bench: Bench) -> None:
    await bench.after(0)
    await bench.log(request())
    assert await bench.after(-3600) == []
    assert counts(await bench.after(5)) == [(5.0, 1)]


async def test_the_last_sample_waits_for_the_gateways_log(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def later(seconds: float) -> None:
        bench.time.move(seconds)
        await bench.log(request())

    await bench.after(0)
    monkeypatch.setattr(asyncio, "sleep", later)
    await bench.sampler.finish()
    assert counts(await bench.written()) == [(stats.LATE_S, 1)]


def test_percentiles_are_values_that_were_measured() -> None:
    assert [stats.percentile([1.0, 2.0, 3.0, 4.0], share) for share in (0.5, 0.51, 0.95, 1.0)] == [2.0, 3.0, 4.0, 4.0]
    assert (stats.percentile([7.0], 0.5), stats.percentile([], 0.5)) == (7.0, None)

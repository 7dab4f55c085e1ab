"""What a running engine is asked, against a stand-in."""

import asyncio

import httpx2
import pytest

from engines.serving import engine
from engines.serving.engine_metrics import EngineMetrics, Histogram, parse_metrics
from tests.engines.serving.upstream import Upstream, usage

pytestmark = pytest.mark.anyio
LOAD = """
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny"} 3.0
vllm:num_requests_running{engine="1",model_name="tiny"} 1.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="tiny"} 2.0
# TYPE vllm:num_requests_waiting_by_reason gauge
vllm:num_requests_waiting_by_reason{engine="0",model_name="tiny",reason="capacity"} 2.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="tiny"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="tiny"} 0.75
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="tiny"} 4.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="tiny"} 5.0
vllm:time_to_first_token_seconds_bucket{engine="1",le="0.1",model_name="tiny"} 1.0
vllm:time_to_first_token_seconds_bucket{engine="1",le="+Inf",model_name="tiny"} 1.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="tiny"} 5.0
vllm:time_to_first_token_seconds_count{engine="1",model_name="tiny"} 1.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="tiny"} 0.5
vllm:time_to_first_token_seconds_sum{engine="1",model_name="tiny"} 0.25
"""


def idle(running: int = 0, waiting: int = 0) -> str:
    return f"vllm:num_requests_running {running}\nvllm:num_requests_waiting {waiting}\n"


def test_a_free_port_is_one_that_can_be_bound_below_the_ephemeral_range() -> None:
    ports = {engine.free_port() for _ in range(20)}
    assert len(ports) > 1
    assert all(1024 < port < 32_768 for port in ports)


async def test_a_port_that_is_taken_is_not_free(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = int(upstream.url.rsplit(":", 1)[1])
    monkeypatch.setattr(engine, "PORTS", range(taken, taken + 1))
    with pytest.raises(RuntimeError, match="no free port"):
        engine.free_port()


def test_the_load_is_summed_over_the_ranks() -> None:
    found = parse_metrics(LOAD)
    assert (found.running, found.waiting, found.outstanding, found.kv_cache_usage) == (4, 2, 6, 0.75)
    assert found.time_to_first_token == Histogram(6, 0.75, ((0.1, 5.0), (float("inf"), 6.0)))


def test_an_engine_that_says_nothing_has_nothing_outstanding_and_no_figures() -> None:
    found = parse_metrics("vllm:num_requests_runaway 3\n")
    assert found == EngineMetrics(None, None, None, Histogram(0, 0, ()), Histogram(0, 0, ()))
    assert found.outstanding == 0


def test_nothing_but_the_signals_is_parsed() -> None:
    assert parse_metrics(LOAD + "something that is no metric\n") == parse_metrics(LOAD)


async def test_health_is_the_engines_word(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    assert await engine.health(client, upstream.url) is True
    upstream.healthy = False
    assert await engine.health(client, upstream.url) is False


async def test_an_engine_that_cannot_be_reached_is_neither_healthy_nor_ready(client: httpx2.AsyncClient) -> None:
    url = f"http://127.0.0.1:{engine.free_port()}"
    assert (await engine.health(client, url), await engine.ready(client, url, "model")) == (False, False)


async def test_ready_means_that_a_token_was_generated(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    upstream.answer = upstream.whole({"choices": [{"text": "1"}], "usage": usage(1, 1)})
    assert await engine.ready(client, upstream.url, "model") is True
    assert upstream.bodies == [{"model": "model", "prompt": [0], "max_tokens": 1}]


@pytest.mark.parametrize("broken", ["health", "models", "probe"])
async def test_alive_is_not_yet_ready(upstream: Upstream, client: httpx2.AsyncClient, broken: str) -> None:
    upstream.healthy = broken != "health"
    upstream.models = [] if broken == "models" else ["model"]
    upstream.answer = upstream.whole({}, 500 if broken == "probe" else 200)
    assert await engine.ready(client, upstream.url, "model") is False


async def test_draining_waits_for_the_last_request(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    upstream.metrics = idle(running=1, waiting=1)
    draining = asyncio.create_task(engine.drain(client, upstream.url, 30))
    while upstream.asked_for_metrics < 2:
        await asyncio.sleep(0.01)
    assert not draining.done()
    upstream.metrics = idle(waiting=1)
    asked = upstream.asked_for_metrics
    while upstream.asked_for_metrics < asked + 2:
        await asyncio.sleep(0.01)
    assert not draining.done()
    upstream.metrics = idle()
    assert await draining is True


async def test_an_engine_that_lives_and_gives_no_figures_is_not_drained(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    upstream.metrics, upstream.metrics_status = idle(running=1), 500
    draining = asyncio.create_task(engine.drain(client, upstream.url, 30))
    while upstream.asked_for_metrics < 2:
        await asyncio.sleep(0.01)
        assert not draining.done()
    upstream.metrics, upstream.metrics_status = idle(), 200
    assert await draining is True


async def test_draining_gives_up_at_the_deadline(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    upstream.metrics = idle(running=1)
    assert await engine.drain(client, upstream.url, 0.05) is False


async def test_an_engine_that_is_gone_is_drained(client: httpx2.AsyncClient) -> None:
    assert await engine.drain(client, f"http://127.0.0.1:{engine.free_port()}", 5) is True

"""The engine's command line, and what is asked of a running one, against a stand-in."""

import asyncio
import sys
from pathlib import Path

import httpx2
import pytest

from engines.serving import vllm
from engines.serving.engine_args import EngineArgs
from tests.engines.serving.upstream import Upstream, usage

pytestmark = pytest.mark.anyio
MODEL = Path("/models/tiny")
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


def command(device: str = "cpu", args: EngineArgs | None = None, threads: int = 1) -> tuple[list[str], dict[str, str]]:
    return vllm.command(MODEL, ["chat", "dep_1"], 24_000, device, args=args, threads=threads)


def test_the_engine_listens_on_loopback_and_answers_to_its_names() -> None:
    argv, _ = command()
    assert argv[:4] == [sys.executable, "-P", "-m", vllm.MODULE]
    assert argv[4:7] == ["--model=/models/tiny", "--host=127.0.0.1", "--port=24000"]
    at = argv.index("--served-model-name")
    assert argv[at : at + 3] == ["--served-model-name", "chat", "dep_1"]
    assert argv[at + 3].startswith("--")


def test_the_model_does_not_choose_its_own_sampling() -> None:
    assert "--generation-config=vllm" in command()[0]


def test_the_engine_opens_no_connection_of_its_own() -> None:
    argv, environment = command("cuda")
    assert "--allowed-media-domains=media.invalid" in argv
    offline = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "VLLM_NO_USAGE_STATS"}
    assert {environment[name] for name in offline} == {"1"}


def test_one_request_cannot_ask_for_thousands_of_answers() -> None:
    assert command()[1]["VLLM_MAX_N_SEQUENCES"] == "128"


def test_the_cpu_engine_takes_neither_all_memory_nor_all_cores() -> None:
    argv, environment = command("cpu", threads=2)
    assert {"--enforce-eager", "--kv-cache-memory-bytes=200000000"} <= set(argv)
    assert (environment["OMP_NUM_THREADS"], environment["VLLM_CPU_OMP_THREADS_BIND"]) == ("2", "nobind")


def test_the_gpu_engine_has_nothing_of_the_cpus() -> None:
    argv, environment = command("cuda")
    assert not [word for word in argv if word.startswith(("--enforce-eager", "--kv-cache-memory-bytes"))]
    assert not {"OMP_NUM_THREADS", "VLLM_CPU_OMP_THREADS_BIND", "VLLM_ENABLE_V1_MULTIPROCESSING"} & set(environment)


def test_the_context_is_as_long_as_the_cache_has_room_for_unless_the_user_says() -> None:
    assert "--max-model-len=auto" in command()[0]
    argv, _ = command(args=EngineArgs(max_model_len=256))
    assert [word for word in argv if word.startswith("--max-model-len")] == ["--max-model-len=256"]


def test_the_users_flags_win() -> None:
    argv, _ = command(args=EngineArgs(enforce_eager=False, dtype="float32"))
    assert argv[-2:] == ["--dtype=float32", "--no-enforce-eager"]
    assert "--enforce-eager" not in argv


def test_a_free_port_is_one_that_can_be_bound_below_the_ephemeral_range() -> None:
    ports = {vllm.free_port() for _ in range(20)}
    assert len(ports) > 1
    assert all(1024 < port < 32_768 for port in ports)


async def test_a_port_that_is_taken_is_not_free(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = int(upstream.url.rsplit(":", 1)[1])
    monkeypatch.setattr(vllm, "PORTS", range(taken, taken + 1))
    with pytest.raises(RuntimeError, match="no free port"):
        vllm.free_port()


def test_the_load_is_summed_over_the_ranks() -> None:
    found = vllm.parse_metrics(LOAD)
    assert (found.running, found.waiting, found.outstanding, found.kv_cache_usage) == (4, 2, 6, 0.75)
    assert found.time_to_first_token == vllm.Histogram(6, 0.75, ((0.1, 5.0), (float("inf"), 6.0)))


def test_an_engine_that_says_nothing_has_nothing_outstanding_and_no_figures() -> None:
    found = vllm.parse_metrics("vllm:num_requests_runaway 3\n")
    assert found == vllm.EngineMetrics(None, None, None, vllm.Histogram(0, 0, ()), vllm.Histogram(0, 0, ()))
    assert found.outstanding == 0


def test_nothing_but_the_signals_is_parsed() -> None:
    assert vllm.parse_metrics(LOAD + "something that is no metric\n") == vllm.parse_metrics(LOAD)


async def test_health_is_the_engines_word(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    assert await vllm.health(client, upstream.url) is True
    upstream.healthy = False
    assert await vllm.health(client, upstream.url) is False


async def test_an_engine_that_cannot_be_reached_is_neither_healthy_nor_ready(client: httpx2.AsyncClient) -> None:
    url = f"http://127.0.0.1:{vllm.free_port()}"
    assert (await vllm.health(client, url), await vllm.ready(client, url, "model")) == (False, False)


async def test_ready_means_that_a_token_was_generated(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    upstream.answer = upstream.whole({"choices": [{"text": "1"}], "usage": usage(1, 1)})
    assert await vllm.ready(client, upstream.url, "model") is True
    assert upstream.bodies == [{"model": "model", "prompt": [0], "max_tokens": 1}]


@pytest.mark.parametrize("broken", ["health", "models", "probe"])
async def test_alive_is_not_yet_ready(upstream: Upstream, client: httpx2.AsyncClient, broken: str) -> None:
    upstream.healthy = broken != "health"
    upstream.models = [] if broken == "models" else ["model"]
    upstream.answer = upstream.whole({}, 500 if broken == "probe" else 200)
    assert await vllm.ready(client, upstream.url, "model") is False


async def test_draining_waits_for_the_last_request(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    upstream.metrics = idle(running=1, waiting=1)
    draining = asyncio.create_task(vllm.drain(client, upstream.url, 30))
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


async def test_draining_gives_up_at_the_deadline(upstream: Upstream, client: httpx2.AsyncClient) -> None:
    upstream.metrics = idle(running=1)
    assert await vllm.drain(client, upstream.url, 0.05) is False


async def test_an_engine_that_is_gone_is_drained(client: httpx2.AsyncClient) -> None:
    assert await vllm.drain(client, f"http://127.0.0.1:{vllm.free_port()}", 5) is True

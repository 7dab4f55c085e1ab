"""The vLLM engine of a replica: its command line, its health and its load.

It listens on loopback only: the engine's own key guards only some of its paths. Nothing that is secret is in its arguments.
"""

import asyncio
import random
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from engines.serving.engine_args import EngineArgs

MODULE = "vllm.entrypoints.launchers.api_server.entry"
LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_768)
CPU_KV_CACHE_BYTES = 200_000_000
MAX_SEQUENCES = 128
POLL_S = 0.1
HEALTH_TIMEOUT_S = 5.0
# The first token after a start may wait for memory to be touched and kernels to be built.
PROBE_TIMEOUT_S = 60.0
SIGNALS = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:time_to_first_token_seconds",
    "vllm:e2e_request_latency_seconds",
)

# Nothing is fetched, reported or imported at the wish of a model or of the machine's own set-up.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_PLUGINS": "",
    "VLLM_HOST_IP": LOOPBACK,
    "VLLM_MAX_N_SEQUENCES": str(MAX_SEQUENCES),
    # Longer than a client keeps an idle connection: it must never send on one that the engine is closing.
    "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "60",
}


@dataclass(frozen=True)
class Histogram:
    """A cumulative histogram since the engine's start: `buckets` are pairs of an upper bound in seconds and a count."""

    count: float
    sum_s: float
    buckets: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class EngineMetrics:
    """The engine's load at one moment, summed over its data-parallel ranks; `kv_cache_usage` is of the fullest, from 0 to 1.

    What the engine does not say is null.
    """

    running: int | None
    waiting: int | None
    kv_cache_usage: float | None
    time_to_first_token: Histogram
    latency: Histogram

    @property
    def outstanding(self) -> int:
        return (self.running or 0) + (self.waiting or 0)


def free_port() -> int:
    """Return a loopback port that nothing is bound to, below the range that the kernel gives to outgoing connections.

    Two callers at once may get the same one: the engine that comes second ends at once.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port for a replica")


def command(
    model: Path,
    served_names: Sequence[str],
    port: int,
    device: str,
    *,
    threads: int = 1,
    kv_cache_bytes: int = CPU_KV_CACHE_BYTES,
    args: EngineArgs | None = None,
) -> tuple[list[str], dict[str, str]]:
    """Return the engine's argv and what its environment needs besides.

    `device` is `cpu` or `cuda`; `threads` and `kv_cache_bytes` are of the CPU engine. Answers name the first of `served_names`.
    """
    args = args or EngineArgs()
    argv = [sys.executable, "-P", "-m", MODULE, f"--model={model}", f"--host={LOOPBACK}", f"--port={port}"]
    argv += ["--served-model-name", *served_names]
    # Sampling defaults are the documented ones, whatever the model's own generation_config says.
    argv.append("--generation-config=vllm")
    if args.max_model_len is None:
        # The model's own length, or what the cache has room for where that is less: a long one does not stop the engine.
        argv.append("--max-model-len=auto")
    # A host that cannot exist: images and audio come in the request or not at all, and the engine calls nobody.
    argv.append("--allowed-media-domains=media.invalid")
    argv += ["--disable-uvicorn-access-log", "--disable-fastapi-docs", "--fingerprint-mode=none"]
    environment = dict(ENVIRONMENT)
    if device == "cpu":
        argv += _cpu_flags(args, kv_cache_bytes)
        environment |= _cpu_environment(threads)
    return argv + args.flags(), environment


def _cpu_flags(args: EngineArgs, kv_cache_bytes: int) -> list[str]:
    # Compiling takes minutes on a CPU. Without a size the cache takes most of the machine's memory.
    eager = [] if args.enforce_eager is not None else ["--enforce-eager"]
    return [*eager, f"--kv-cache-memory-bytes={kv_cache_bytes}"]


def _cpu_environment(threads: int) -> dict[str, str]:
    return {
        # The engine's own binding takes all cores for itself, and fails where it may not see them.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(threads),
        # Runs the model in the engine's process instead of one more, which saves importing everything once again.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    }


async def health(client: httpx2.AsyncClient, url: str) -> bool:
    """Say whether the engine is alive; alive is not yet ready, and it stays alive while it shuts down."""
    try:
        return (await client.get(f"{url}/health", timeout=HEALTH_TIMEOUT_S)).status_code == 200
    except httpx2.TransportError:
        return False


async def ready(client: httpx2.AsyncClient, url: str, name: str) -> bool:
    """Say whether the engine serves the model under this name: it lists it, and has generated a token."""
    if not await health(client, url):
        return False
    probe = {"model": name, "prompt": [0], "max_tokens": 1}
    try:
        listed = await client.get(f"{url}/v1/models", timeout=HEALTH_TIMEOUT_S)
        if listed.status_code != 200 or name not in [model["id"] for model in listed.json()["data"]]:
            return False
        return (await client.post(f"{url}/v1/completions", json=probe, timeout=PROBE_TIMEOUT_S)).status_code == 200
    except httpx2.TransportError:
        return False


async def metrics(client: httpx2.AsyncClient, url: str) -> EngineMetrics:
    """Return the engine's load; httpx2.HTTPError where it gives none."""
    response = await client.get(f"{url}/metrics", timeout=HEALTH_TIMEOUT_S)
    return parse_metrics(response.raise_for_status().text)


def parse_metrics(text: str) -> EngineMetrics:
    """Read the signals for scaling out of the engine's Prometheus text."""
    values: dict[str, list[float]] = {}
    buckets: dict[str, dict[float, float]] = {}
    # Of the hundreds of lines these few: parsing them all would take the host's time.
    lines = "".join(line for line in text.splitlines(keepends=True) if line.startswith(SIGNALS))
    for family in text_string_to_metric_families(lines):
        for sample in family.samples:
            if "le" in sample.labels:
                counts = buckets.setdefault(sample.name, {})
                bound = float(sample.labels["le"])
                counts[bound] = counts.get(bound, 0.0) + sample.value
            else:
                values.setdefault(sample.name, []).append(sample.value)

    def total(name: str) -> float:
        return sum(values.get(f"vllm:{name}", [0.0]))

    def gauge(name: str) -> int | None:
        return int(total(name)) if f"vllm:{name}" in values else None

    def histogram(name: str) -> Histogram:
        counts = sorted(buckets.get(f"vllm:{name}_bucket", {}).items())
        return Histogram(total(f"{name}_count"), total(f"{name}_sum"), tuple(counts))

    return EngineMetrics(
        running=gauge("num_requests_running"),
        waiting=gauge("num_requests_waiting"),
        kv_cache_usage=max(values.get("vllm:kv_cache_usage_perc", []), default=None),
        time_to_first_token=histogram("time_to_first_token_seconds"),
        latency=histogram("e2e_request_latency_seconds"),
    )


async def drain(client: httpx2.AsyncClient, url: str, deadline_s: float) -> bool:
    """Wait until the engine has nothing running or waiting; False where it still has at the deadline.

    Called after the replica has left the routing table. An engine that is gone has nothing left to do.
    """
    try:
        async with asyncio.timeout(deadline_s):
            while (await metrics(client, url)).outstanding:
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return False
    except httpx2.HTTPError:
        return not await health(client, url)
    return True

"""The vLLM engine of a replica: its command line, its health and its load."""

import asyncio
import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

PORTS = range(24_000, 32_000)
CPU_KV_CACHE_BYTES = 200_000_000
CPU_MAX_MODEL_LEN = 2048
MAX_SEQUENCES = 128
WAITING = ("vllm:num_requests_running", "vllm:num_requests_waiting")


def free_port() -> int:
    """Return a loopback port that is free and below the ephemeral range."""
    for port in PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port for a replica")


def command(model: Path, served_names: Sequence[str], port: int, device: str) -> tuple[list[str], dict[str, str]]:
    """Return the engine's argv and extra environment. It listens on loopback only; nothing in argv is secret."""
    argv = [sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", *served_names]
    # The documented default temperature is 1.0, whatever the model's own generation_config says.
    argv += ["--generation-config", "vllm", "--disable-uvicorn-access-log"]
    env = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_MAX_N_SEQUENCES": str(MAX_SEQUENCES),
        "VLLM_PLUGINS": "",
    }
    if device == "cpu":
        argv += ["--enforce-eager", "--kv-cache-memory-bytes", str(CPU_KV_CACHE_BYTES)]
        argv += ["--max-model-len", str(min(CPU_MAX_MODEL_LEN, _model_length(model)))]
        env |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    return argv, env


def _model_length(model: Path) -> int:
    config = json.loads((model / "config.json").read_text())
    return int(config.get("max_position_embeddings") or CPU_MAX_MODEL_LEN)


async def health(client: httpx2.AsyncClient, url: str) -> bool:
    """Say whether the engine is alive; it may be alive and not ready."""
    try:
        return (await client.get(f"{url}/health")).status_code == 200
    except httpx2.HTTPError:
        return False


async def ready(client: httpx2.AsyncClient, url: str, name: str) -> bool:
    """Say whether the engine serves the model: one token has been generated."""
    if not await health(client, url):
        return False
    body = {"model": name, "prompt": "1", "max_tokens": 1}
    try:
        return (await client.post(f"{url}/v1/completions", json=body)).status_code == 200
    except httpx2.HTTPError:
        return False


async def drain(client: httpx2.AsyncClient, url: str, deadline_s: float) -> bool:
    """Wait until the engine has nothing running or waiting; False where it still has at the deadline."""
    try:
        async with asyncio.timeout(deadline_s):
            while await _outstanding(client, url) > 0:
                await asyncio.sleep(0.2)
    except TimeoutError:
        return False
    except httpx2.HTTPError:
        return True
    return True


async def _outstanding(client: httpx2.AsyncClient, url: str) -> float:
    text = (await client.get(f"{url}/metrics")).text
    families = text_string_to_metric_families(text)
    return sum(sample.value for family in families for sample in family.samples if sample.name in WAITING)

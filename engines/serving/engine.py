"""What every engine of a replica is to the rest of us: a command line, what it can do, and what a running one can be asked.

    vllm            engines.serving.vllm: wherever it runs
    transformers    engines.serving.batching: continuous batching of transformers, where vLLM cannot run

Which one a replica gets is decided by `engines.serving.engine_choice`. An engine is a child process that listens on loopback only
and speaks OpenAI's shapes: once it runs, nobody needs to know which one it is. Nothing that is secret is in its arguments.
"""

import asyncio
import random
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import httpx2

from engines.serving import http1
from engines.serving.engine_args import EngineArgs
from engines.serving.engine_metrics import EngineMetrics, parse_metrics

LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_768)
CPU_KV_CACHE_BYTES = 200_000_000
MAX_SEQUENCES = 128
POLL_S = 0.1
HEALTH_TIMEOUT_S = 5.0
# The first token after a start may wait for memory to be touched and kernels to be built.
PROBE_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Abilities:
    """What an engine does beside chat and text completions with streams, usage and log-probabilities.

    `lora`: adapters are loaded and unloaded while it runs; else a checkpoint is served merged. `prompt_logprobs`: it tells the
    log-probabilities of a prompt's own tokens. `tokenize`: it has `/tokenize` and `/detokenize`. `tools`: tool calls and
    structured output.
    """

    lora: bool
    prompt_logprobs: bool
    tokenize: bool
    tools: bool


@dataclass(frozen=True)
class Launch:
    """What an engine is started with.

    Answers name the first of `names`; it serves under all of them. `device` is `cpu` or `cuda`; `threads` and `kv_cache_bytes`
    are of the CPU.
    """

    model: Path
    names: Sequence[str]
    port: int
    device: str
    threads: int = 1
    kv_cache_bytes: int = CPU_KV_CACHE_BYTES
    args: EngineArgs = field(default_factory=EngineArgs)


class Engine(ABC):
    """A kind of engine. `name` is what rows and logs call it."""

    name: ClassVar[str]
    abilities: ClassVar[Abilities]

    @abstractmethod
    def command(self, launch: Launch) -> tuple[list[str], dict[str, str]]:
        """Return the argv and what the environment needs besides; flags that it cannot heed are left out."""

    @abstractmethod
    def unheeded(self, args: EngineArgs, device: str) -> Mapping[str, str]:
        """Return the flags that were set and mean nothing to this engine on this device, each with the reason."""


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


async def health(client: httpx2.AsyncClient, url: str) -> bool:
    """Say whether the engine is alive; alive is not yet ready, and it stays alive while it shuts down."""
    try:
        return (await client.get(f"{url}/health", timeout=HEALTH_TIMEOUT_S)).status_code == 200
    except httpx2.TransportError:
        return False


async def alive(client: http1.Client, url: str) -> bool:
    """Say the same as `health`, over the connections of the gateway."""
    try:
        response = await client.get(url, "/health", silence_s=HEALTH_TIMEOUT_S)
    except http1.Unanswered:
        return False
    response.close()
    return response.status == 200


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


async def drain(client: httpx2.AsyncClient, url: str, deadline_s: float) -> bool:
    """Wait until the engine has nothing running or waiting; False where it still has at the deadline.

    Called after the replica has left the routing table. An engine that is gone has nothing left to do; one that lives and gives
    no figures may be busy with what would be cut.
    """
    try:
        async with asyncio.timeout(deadline_s):
            while await _is_busy(client, url):
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return False
    return True


async def _is_busy(client: httpx2.AsyncClient, url: str) -> bool:
    try:
        return bool((await metrics(client, url)).outstanding)
    except httpx2.TimeoutException:
        return True
    except httpx2.HTTPError:
        return await health(client, url)

"""Adapters in an engine that runs: what it is started with so that it takes them, and how one is loaded and let go.

The engine may be told to load any folder of its machine, which is why its own documentation warns of it: it listens on loopback
only, and the gateway passes on completions and nothing else.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from engines.serving.engine import Engine
from engines.serving.engine_args import EngineArgs

ENVIRONMENT = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"}
# The ranks that an engine can make room for. Fewer than the least save nothing, and leave no room for the next version.
RANKS = (16, 32, 64, 128, 256, 320, 512)
# The one that serves and the one that takes over: while both have requests neither waits for the other.
AT_ONCE = 2
# Reading the files of a large one.
LOAD_TIMEOUT_S = 120.0
IN_USE = "vllm:lora_requests_info"
# What an engine says at its start that has no adapters for this model, or not for these parts of it.
NOT_FOR_THE_MODEL = ("does not support LoRA", "could not be wrapped by any LoRA layer")
# The parts that are prepared where no adapter says which: nearly every model has them.
USUAL = ("q_proj", "k_proj", "v_proj", "o_proj")
# The parts of a model that are adapted, by the last word of their names.
MODULE = re.compile(r"\w+")


class Refused(Exception):
    """An adapter that the engine does not take, or a base that cannot be had for it."""


def hindrance(engine: Engine, args: EngineArgs, rank: int) -> str | None:
    """Return why an adapter cannot be served by itself, None where it can."""
    if not engine.abilities.lora:
        return f"the engine {engine.name} takes no adapters"
    if args.enable_lora is False:
        return "the deployment's --no-enable-lora says so"
    if args.quantization is not None:
        return f"the base would be quantised ({args.quantization})"
    if rank > RANKS[-1]:
        return f"its rank of {rank} is above the engine's {RANKS[-1]}"
    return None


def modules_of(folder: Path) -> tuple[str, ...]:
    """Return the parts of the model that an adapter's folder is for; Refused where it does not name them."""
    named = json.loads((folder / "adapter_config.json").read_bytes()).get("target_modules")
    words = {str(name).rpartition(".")[2] for name in named} if isinstance(named, list) else set()
    if not words or not all(MODULE.fullmatch(word) for word in words):
        raise Refused("it does not name the parts of the model that it is for")
    return tuple(sorted(words))


def flags(engine: Engine, args: EngineArgs, modules: Collection[str]) -> list[str]:
    """Return the flags of an engine for adapters of these parts only: none, where adapters are only what the user's flag says.

    Left to itself vLLM (0.32) prepares the output layer for adapters too, which no job of ours trains, and then dies of a request
    for a prompt's log-probabilities that meets another request.
    """
    if not modules and not (args.enable_lora and engine.abilities.lora):
        return []
    return ["--lora-target-modules", *(modules or USUAL)]


def with_room(args: EngineArgs, rank: int) -> EngineArgs:
    """Return the flags with room for an adapter of this rank and its successor; what the user set is never made less."""
    most = next(room for room in RANKS if room >= max(rank, args.max_lora_rank or 0))
    return args.model_copy(update={"enable_lora": True, "max_loras": max(AT_ONCE, args.max_loras or 0), "max_lora_rank": most})


async def load(client: httpx2.AsyncClient, url: str, name: str, folder: Path) -> None:
    """Have the engine serve an adapter's folder under a name that it does not use yet; Refused with its own words."""
    body = {"lora_name": name, "lora_path": str(folder)}
    response = await client.post(f"{url}/v1/load_lora_adapter", json=body, timeout=LOAD_TIMEOUT_S)
    if response.status_code != 200:
        raise Refused(_reason(response))


async def unload(client: httpx2.AsyncClient, url: str, name: str) -> None:
    """Have the engine forget an adapter; one that it does not know is forgotten already."""
    await client.post(f"{url}/v1/unload_lora_adapter", json={"lora_name": name}, timeout=LOAD_TIMEOUT_S)


async def is_in_use(client: httpx2.AsyncClient, url: str, name: str) -> bool:
    """Say whether a request for the adapter runs or waits; httpx2.HTTPError where the engine does not tell."""
    return name in used((await client.get(f"{url}/metrics", timeout=LOAD_TIMEOUT_S)).raise_for_status().text)


def used(metrics: str) -> set[str]:
    """Return the adapters with requests: of the gauge's series, whose value is when it was written, the newest says so."""
    lines = "".join(line for line in metrics.splitlines(keepends=True) if line.startswith(IN_USE))
    samples = [sample for family in text_string_to_metric_families(lines) for sample in family.samples]
    if not samples:
        return set()
    labels = max(samples, key=lambda sample: sample.value).labels
    names = [labels.get(f"{state}_lora_adapters", "").split(",") for state in ("running", "waiting")]
    return {name for each in names for name in each if name}


def _reason(response: httpx2.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return f"the engine answered {response.status_code}"

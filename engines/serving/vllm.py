"""The vLLM engine of a replica: its command line, and which models and machines it is for.

It listens on loopback only: the engine's own key guards only some of its paths. Nothing that is secret is in its arguments.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from engines.serving.engine import CPU_KV_CACHE_BYTES, LOOPBACK, MAX_SEQUENCES, Abilities, Engine, Launch
from engines.serving.engine_args import EngineArgs

MODULE = "vllm.entrypoints.launchers.api_server.entry"

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


class Vllm(Engine):
    """vLLM, of whichever build is installed."""

    name = "vllm"
    abilities = Abilities(lora=True, prompt_logprobs=True, tokenize=True, tools=True)

    def command(self, launch: Launch) -> tuple[list[str], dict[str, str]]:
        unheeded = {flag.removeprefix("--").replace("-", "_"): None for flag in self.unheeded(launch.args, launch.device)}
        return command(
            launch.model,
            launch.names,
            launch.port,
            launch.device,
            threads=launch.threads,
            kv_cache_bytes=launch.kv_cache_bytes,
            args=launch.args.model_copy(update=unheeded),
        )

    def unheeded(self, args: EngineArgs, device: str) -> Mapping[str, str]:
        if device != "cpu":
            return {}
        reasons = {
            "tensor_parallel_size": "the engine runs on the CPU, which is not divided",
            "gpu_memory_utilization": "the engine runs on the CPU",
        }
        return {"--" + name.replace("_", "-"): why for name, why in reasons.items() if getattr(args, name) is not None}


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

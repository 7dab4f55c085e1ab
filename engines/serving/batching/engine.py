"""The transformers engine of a replica: its command line. The child itself is `engines.serving.batching.server`."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from engines.serving.engine import LOOPBACK, Abilities, Engine, Launch
from engines.serving.engine_args import EngineArgs, flag_of

MODULE = "engines.serving.batching"
# The ones that mean the same here.
HEEDED = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "dtype", "seed", "max_logprobs", "enable_prefix_caching")
ON_GPU = (*HEEDED, "gpu_memory_utilization")
# What it does anyway.
ALREADY = {"enable_chunked_prefill": True, "enforce_eager": True, "scheduling_policy": "fcfs", "kv_cache_dtype": "auto"}
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class Transformers(Engine):
    """Continuous batching of transformers: one process, for machines and models that vLLM does not run."""

    name = "transformers"
    abilities = Abilities(lora=False, prompt_logprobs=False, tokenize=True, tools=False)

    def command(self, launch: Launch) -> tuple[list[str], dict[str, str]]:
        spec: dict[str, Any] = {
            "model": str(launch.model),
            "names": list(launch.names),
            "host": LOOPBACK,
            "port": launch.port,
            "device": launch.device,
            "threads": launch.threads,
            "kv_cache_bytes": launch.kv_cache_bytes if launch.device == "cpu" else None,
            "args": self._heeded(launch.args, launch.device),
        }
        environment = {**ENVIRONMENT, "OMP_NUM_THREADS": str(launch.threads)}
        return [sys.executable, "-P", "-m", MODULE, json.dumps(spec)], environment

    def unheeded(self, args: EngineArgs, device: str) -> Mapping[str, str]:
        given = args.model_dump(exclude_none=True)
        known = self._heeded(args, device)
        left = [name for name, value in given.items() if name not in known and ALREADY.get(name) != value]
        return {flag_of(name): "it has nothing like it" for name in left}

    def _heeded(self, args: EngineArgs, device: str) -> dict[str, Any]:
        names = ON_GPU if device == "cuda" else HEEDED
        return {name: value for name, value in args.model_dump(exclude_none=True).items() if name in names}

"""What a GRPO run asks of its GPUs: vLLM to sample with, and shards where a GPU cannot hold what training keeps of the model.

The CPU gets neither. All processes of a run come to the same answer: they look at the same files and the same kind of GPU.
"""

import gc
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed

from engines.protocol import Reporter
from engines.training import ranks
from engines.training.grpo_spec import GrpoHyperparameters, GrpoSpec
from engines.training.trainer import RolloutTrainer

# Bytes a trained parameter takes: weight, gradient and AdamW's two moments, all in float32.
TRAINED_BYTES = 16
# The reference model of the KL penalty, which is held in float32 beside the policy.
REFERENCE_BYTES = 4
# Of a GPU so much may be taken by what stays; activations, gathered layers and the driver have the rest.
STAYING_SHARE = 0.7
# vLLM takes at most this share of a GPU, and is not worth starting with less room than this for its cache.
VLLM_SHARE_MAX = 0.6
VLLM_CACHE_MIN_BYTES = 2 * 2**30
SERVED_BYTES = 2
VLLM_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
TRANSFORMERS_SAMPLES = "completions are sampled by transformers, which is slower"


def options(job: GrpoSpec, base: Path, longest_prompt: int, reporter: Reporter) -> dict[str, Any]:
    """Return the arguments of TRL's configuration that depend on the hardware."""
    if job.device == "cpu":
        return {}
    size = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    staying = staying_bytes(parameters(base), job.hyperparameters)
    shards = job.gpus if job.gpus > 1 and not job.hyperparameters.load_in_4bit and staying > STAYING_SHARE * size else 1
    if shards > 1:
        reporter.log(f"the model does not fit one GPU with what training keeps of it: it is sharded over {shards} (FSDP)")
    why, share = vllm_share(job, base, size, staying // shards)
    if why is not None:
        reporter.log(f"{why}: {TRANSFORMERS_SAMPLES}", level="warning")
    return {**(sharded() if shards > 1 else {}), **(sampled_by_vllm(job, longest_prompt, share) if why is None else {})}


def parameters(base: Path) -> int:
    """Return how many parameters the base has, by the headers of its files; packed ones count as what they are packed in."""
    return sum(_count(path) for path in base.glob("*.safetensors"))


def _count(path: Path) -> int:
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    count = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            size = 1
            for side in tensor["shape"]:
                size *= side
            count += size
    return count


def staying_bytes(count: int, hyper: GrpoHyperparameters) -> int:
    """Return what a run of `count` parameters holds from its first step to its last, without shards."""
    if hyper.lora_rank is not None:
        # The adapter's own part is small beside the base, which stays in two bytes, or in half of one.
        return count // 2 if hyper.load_in_4bit else count * SERVED_BYTES
    return count * (TRAINED_BYTES + (REFERENCE_BYTES if hyper.kl_coef else 0))


def sharded() -> dict[str, Any]:
    """Return the arguments of FSDP: every layer of the transformer is sharded, and checkpoints hold whole weights."""
    return {
        "fsdp": True,
        "fsdp_config": {"version": 2, "auto_wrap_policy": "TRANSFORMER_BASED_WRAP", "state_dict_type": "FULL_STATE_DICT"},
    }


def vllm_share(job: GrpoSpec, base: Path, size: int, staying: int) -> tuple[str | None, float]:
    """Return why vLLM does not sample, or None, and the share of the GPU's `size` bytes that it may take.

    Each GPU has a whole copy in vLLM; between samplings it sleeps, and holds neither weights nor cache.
    """
    if job.hyperparameters.load_in_4bit:
        return "vLLM does not take weights that are held in 4 bits here", 0.0
    try:
        from vllm import ModelRegistry

        known = ModelRegistry.get_supported_archs()
    except Exception as error:
        # Missing, or of no use with this driver or this torch.
        return f"vLLM cannot be used ({type(error).__name__}: {error})", 0.0
    architectures = json.loads((base / "config.json").read_text()).get("architectures") or []
    if not set(architectures) & set(known):
        return f"vLLM does not know {', '.join(architectures) or 'the architecture of this model'}", 0.0
    room = min(VLLM_SHARE_MAX * size, STAYING_SHARE * size - staying)
    if room < parameters(base) * SERVED_BYTES + VLLM_CACHE_MIN_BYTES:
        return "the GPU has no room for vLLM beside the training", 0.0
    return None, round(room / size, 3)


def sampled_by_vllm(job: GrpoSpec, longest_prompt: int, share: float) -> Mapping[str, Any]:
    """Return the arguments of vLLM within the training processes."""
    return {
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_gpu_memory_utilization": share,
        "vllm_enable_sleep_mode": True,
        "vllm_max_model_length": longest_prompt + job.hyperparameters.max_response_length,
        # vLLM's probabilities are those within the nucleus, TRL's those of the whole vocabulary: their ratio, over all tokens of
        # a completion, would take nearly all weight from it.
        "vllm_importance_sampling_correction": job.hyperparameters.top_p == 1.0,
    }


def with_or_without_vllm(
    make: Callable[[Mapping[str, Any]], RolloutTrainer], options: Mapping[str, Any], job: GrpoSpec, reporter: Reporter
) -> RolloutTrainer:
    """Return the trainer that `make` makes of the options; where vLLM does not start or take the weights, of those without it."""
    if not options.get("use_vllm"):
        return make(options)
    trainer = None
    try:
        trainer = make(options)
        if not trainer.is_fsdp_enabled:
            # The weights of a model that will be sharded can be pushed only once it is.
            trainer.vllm_generation.sync_weights()
        why = None
    except Exception as error:
        if trainer is None and job.gpus > 1:
            # Processes in which it did start wait for this one, and hear of nothing.
            raise
        why = f"{type(error).__name__}: {error}"
    reasons = [reason for reason in ranks.gather([why]) if reason is not None]
    if trainer is not None and not reasons:
        # vLLM has set the seeds of this process to its own.
        set_seed(job.hyperparameters.seed, device_specific=True)
        return trainer
    reporter.log(f"vLLM cannot be used ({reasons[0]}): {TRANSFORMERS_SAMPLES}", level="warning")
    del trainer
    if job.gpus == 1:
        # By these it was told to be one process of one, which would be taken for a run of several.
        for name in VLLM_VARIABLES:
            os.environ.pop(name, None)
    gc.collect()
    torch.cuda.empty_cache()
    return make({key: value for key, value in options.items() if "vllm" not in key})

"""The parts of a CogVideoX pipeline, each loaded when it is needed and let go of afterwards, and the adapter that is trained.

On a GPU the frozen parts are in bfloat16 and the adapter in float32: an update of a small weight vanishes in bfloat16. On the CPU
everything is in float32.
"""

import gc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXDPMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
)
from peft import LoraConfig, set_peft_model_state_dict
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError
from transformers import AutoTokenizer, T5EncoderModel

from engines.protocol import ChildFailure
from engines.training.video_base import TRANSFORMER, Base
from engines.training.video_spec import VideoHyperparameters

LOAD_ERRORS = (OSError, ValueError, KeyError, ImportError, SafetensorError)
# The attention's projections, which diffusers' own training of CogVideoX adapts.
TARGETS = ("to_k", "to_out.0", "to_q", "to_v")
ADAPTER_NAME = "default"
SCHEDULERS = {kind.__name__: kind for kind in (CogVideoXDDIMScheduler, CogVideoXDPMScheduler)}


def dtype_on(device: str) -> torch.dtype:
    return torch.bfloat16 if device == "cuda" else torch.float32


def computing(device: str) -> AbstractContextManager[Any]:
    """Return the context in which the transformer with its adapter runs: on a GPU its products are in bfloat16."""
    return torch.autocast("cuda", torch.bfloat16) if device == "cuda" else nullcontext()


def _load(kind: Any, base: Base, part: str, **more: Any) -> Any:
    try:
        return kind.from_pretrained(base.part(part), local_files_only=True, **more)
    except LOAD_ERRORS as error:
        raise ChildFailure("model_unavailable", f"The base model's {part} cannot be loaded: {error}") from error


def load_tokenizer(base: Base) -> Any:
    return _load(AutoTokenizer, base, "tokenizer", trust_remote_code=False)


@contextmanager
def text_encoder(base: Base, device: str) -> Iterator[Any]:
    """Give the T5 encoder; its memory is free again after the block."""
    model = _load(T5EncoderModel, base, "text_encoder", dtype=dtype_on(device), use_safetensors=True)
    yield from _lent(model, device)


@contextmanager
def vae(base: Base, device: str) -> Iterator[Any]:
    """Give the video autoencoder; its memory is free again after the block."""
    model = _load(AutoencoderKLCogVideoX, base, "vae", torch_dtype=dtype_on(device), use_safetensors=True)
    yield from _lent(model, device)


def _lent(model: Any, device: str) -> Iterator[Any]:
    try:
        yield model.requires_grad_(False).eval().to(device)
    finally:
        # Whoever borrowed it may still name it.
        model.to("meta")
        gc.collect()
        if device == "cuda":
            torch.cuda.empty_cache()


def load_transformer(base: Base, hyper: VideoHyperparameters, device: str) -> Any:
    """Return the transformer with a new adapter, which alone trains; its first weights hang on the seed only."""
    model = _load(CogVideoXTransformer3DModel, base, TRANSFORMER, torch_dtype=dtype_on(device), use_safetensors=True)
    model.requires_grad_(False)
    torch.manual_seed(hyper.seed)
    model.add_adapter(
        LoraConfig(r=hyper.lora_rank, lora_alpha=hyper.lora_alpha, init_lora_weights=True, target_modules=list(TARGETS))
    )
    model.enable_gradient_checkpointing()
    model.to(device)
    for parameter in trained(model).values():
        parameter.data = parameter.data.float()
    return model.train()


def trained(model: Any) -> dict[str, torch.nn.Parameter]:
    """Return the adapter's weights by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def training_scheduler(base: Base) -> Any:
    """Return what adds noise and tells velocities, as diffusers' own training has it for every CogVideoX."""
    return _load(CogVideoXDPMScheduler, base, "scheduler")


def sampling_scheduler(base: Base) -> Any:
    """Return the base's own scheduler."""
    return _load(SCHEDULERS.get(base.scheduler, CogVideoXDDIMScheduler), base, "scheduler")


def save_adapter(model: Any, folder: Path) -> None:
    """Write the adapter as `load_lora_weights` of diffusers reads it, its rank and alpha with it."""
    metadata = model.peft_config[ADAPTER_NAME].to_dict()
    # It is a set by now, whose order changes from run to run.
    metadata["target_modules"] = sorted(metadata["target_modules"])
    CogVideoXPipeline.save_lora_weights(
        folder,
        transformer_lora_layers={name: weight.cpu() for name, weight in get_peft_model_state_dict(model).items()},
        transformer_lora_adapter_metadata=metadata,
    )


def load_adapter(model: Any, folder: Path) -> None:
    """Put the weights that `save_adapter` wrote in place of the model's own; ValueError where they are of another adapter."""
    weights = CogVideoXPipeline.lora_state_dict(folder, local_files_only=True, use_safetensors=True)
    weights = {name.removeprefix(f"{TRANSFORMER}."): weight for name, weight in weights.items()}
    own = get_peft_model_state_dict(model)
    if {name: weight.shape for name, weight in weights.items()} != {name: weight.shape for name, weight in own.items()}:
        raise ValueError("its weights are not those of this adapter")
    set_peft_model_state_dict(model, weights, adapter_name=ADAPTER_NAME)


def latent_scale(base: Base) -> float:
    """Return the factor from the autoencoder's latents to those that the transformer knows."""
    return float(AutoencoderKLCogVideoX.load_config(base.part("vae"), local_files_only=True)["scaling_factor"])

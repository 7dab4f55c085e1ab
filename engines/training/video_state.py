"""A checkpoint of a video job: the adapter as diffusers loads it, and the optimizer's state. No pickles.

Random numbers and the order of the clips hang on the step alone (`video_objective`, `video_batches`), so the step's number is all
that is kept of them: from a checkpoint the run goes on bit for bit.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from engines.protocol import ChildFailure
from engines.training import video_model
from engines.training.video_spec import VideoHyperparameters

STATE = "trainer_state.json"
OPTIMIZER = "optimizer.safetensors"
MOMENTS = ("exp_avg", "exp_avg_sq")


def save(folder: Path, step: int, model: Any, optimizer: torch.optim.Optimizer, hyper: VideoHyperparameters) -> None:
    """Write what `load` needs to go on after `step`."""
    folder.mkdir(parents=True)
    video_model.save_adapter(model, folder)
    tensors = {
        f"{moment}.{name}": optimizer.state[parameter][moment].cpu().contiguous()
        for name, parameter in video_model.trained(model).items()
        for moment in MOMENTS
    }
    save_file(tensors, folder / OPTIMIZER)
    kept = {"method": "sft_video_gen", "global_step": step, "lora_rank": hyper.lora_rank, "lora_alpha": hyper.lora_alpha}
    (folder / STATE).write_text(json.dumps(kept, indent=1))


def load(folder: Path, model: Any, optimizer: torch.optim.Optimizer, hyper: VideoHyperparameters) -> int:
    """Put a checkpoint's weights and moments in place and return its step; `config_error` where it cannot be gone on from."""
    state = _state(folder)
    for name in ("lora_rank", "lora_alpha"):
        if state.get(name) != getattr(hyper, name):
            message = (
                f"The checkpoint to resume from has a {name} of {state.get(name)}, and this job one of {getattr(hyper, name)}."
            )
            raise ChildFailure("config_error", message)
    step = int(state["global_step"])
    try:
        video_model.load_adapter(model, folder)
        _load_moments(load_file(folder / OPTIMIZER), step, model, optimizer)
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise ChildFailure("config_error", f"The checkpoint to resume from cannot be read: {error}") from error
    return step


def _state(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / STATE).read_bytes())
    except (OSError, ValueError) as error:
        message = f"The checkpoint to resume from is incomplete: it has no {STATE}."
        raise ChildFailure("config_error", message) from error
    if not isinstance(found, dict) or found.get("method") != "sft_video_gen" or type(found.get("global_step")) is not int:
        raise ChildFailure("config_error", "The checkpoint to resume from is of another kind of training.")
    return found


def _load_moments(tensors: Mapping[str, torch.Tensor], step: int, model: Any, optimizer: torch.optim.Optimizer) -> None:
    for name, parameter in video_model.trained(model).items():
        moments = {moment: tensors[f"{moment}.{name}"].to(parameter.device) for moment in MOMENTS}
        if any(moment.shape != parameter.shape for moment in moments.values()):
            raise ValueError("its optimizer is of other weights")
        # AdamW keeps its own count, as a number on the CPU.
        optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}

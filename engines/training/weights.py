"""The model's files: loading the base as safetensors only, and writing the folder that is served.

The served folder is the base's own folder with other weights: config, generation config, tokenizer and chat template are copied
from the base as they are, never from objects that the trainer changed, so that a model is served as it was trained.
"""

import json
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from engines.evidence import ADAPTER
from engines.protocol import ChildFailure
from engines.training.grpo_spec import GrpoHyperparameters
from engines.training.text_spec import DpoHyperparameters, SftHyperparameters

LOAD_ERRORS = (OSError, ValueError, KeyError, ImportError, SafetensorError)
SIDE_FILES = ("*.json", "*.txt", "*.jinja", "*.model", "*.tiktoken")
WEIGHT_INDEX = "*.safetensors.index.json"
# Adapter scale alpha/rank, the usual choice.
LORA_ALPHA_PER_RANK = 2


def load_tokenizer(base: Path) -> PreTrainedTokenizerBase:
    """Return the base's tokenizer, padding on the left; `model_unavailable` where its files cannot be read."""
    try:
        return AutoTokenizer.from_pretrained(base, padding_side="left", local_files_only=True, trust_remote_code=False)
    except LOAD_ERRORS as error:
        raise ChildFailure("model_unavailable", f"The base model's tokenizer cannot be loaded: {error}") from error


def load_base(base: Path, **kwargs: Any) -> PreTrainedModel:
    """Return the base in the dtype that its files have; `model_unavailable` where they cannot be read."""
    try:
        return AutoModelForCausalLM.from_pretrained(
            base, dtype="auto", use_safetensors=True, local_files_only=True, trust_remote_code=False, **kwargs
        )
    except LOAD_ERRORS as error:
        raise ChildFailure("model_unavailable", f"The base model cannot be loaded: {error}") from error


def load_policy(base: Path, hyper: GrpoHyperparameters, device: str) -> tuple[PreTrainedModel, torch.dtype]:
    """Return the model to train and the dtype of the base's files.

    With an adapter the base stays in its own dtype, or in 4 bits. Without, the weights themselves train, in float32: an update of
    1e-6 vanishes in bfloat16.
    """
    if hyper.load_in_4bit:
        if device == "cpu":
            raise ChildFailure("config_error", "load_in_4bit needs a GPU, and this job runs on the CPU.")
        quantization = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
        model = load_base(base, quantization_config=quantization)
        return model, model.dtype
    model = load_base(base)
    dtype = model.dtype
    return (model if hyper.lora_rank else model.float()), dtype


def load_trained(base: Path, folder: Path, adapted: bool) -> PreTrainedModel | PeftModel:
    """Return what the trainer saved into a folder: an adapter on a fresh copy of the base, or all weights."""
    return PeftModel.from_pretrained(load_base(base), folder) if adapted else load_base(folder)


def adapter_config(hyper: GrpoHyperparameters | SftHyperparameters | DpoHyperparameters) -> LoraConfig | None:
    """Return the LoRA configuration that the job asks for."""
    if hyper.lora_rank is None:
        return None
    return LoraConfig(
        r=hyper.lora_rank,
        lora_alpha=LORA_ALPHA_PER_RANK * hyper.lora_rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def save_final(model: PreTrainedModel | PeftModel, base: Path, name: str | None, dtype: torch.dtype, folder: Path) -> None:
    """Write the model that is served in the base's own dtype: an adapter by itself, and merged into a fresh copy of the base.

    `name` is what the base is called.
    """
    if isinstance(model, PeftModel):
        save_adapter(model, name, folder / ADAPTER)
        model = PeftModel.from_pretrained(load_base(base), folder / ADAPTER).merge_and_unload()
    model.to(dtype).save_pretrained(folder)
    copy_side_files(base, folder)


def save_adapter(model: PeftModel, name: str | None, folder: Path) -> None:
    """Write the adapter alone: its weights and its configuration, which names the base and no folder of this machine."""
    model.save_pretrained(folder, selected_adapters=[model.active_adapter])
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = name
    if isinstance(config["target_modules"], list):
        # It was a set: the same adapter is the same file.
        config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True))


def copy_side_files(base: Path, folder: Path) -> None:
    """Copy everything of the base that is not weights."""
    for path in base.iterdir():
        if path.is_file() and any(fnmatch(path.name, pattern) for pattern in SIDE_FILES) and not fnmatch(path.name, WEIGHT_INDEX):
            shutil.copyfile(path, folder / path.name)

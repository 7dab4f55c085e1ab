"""What must be known of a base model to tell what training it takes: how many weights it has, and how wide and deep it is.

Read from the model's own files, their headers alone: no weights are loaded and no torch is needed. Where the files are not on
this machine, a count of parameters in the model's name stands for a typical model of that size, and `basis` says so.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.training.memory_files import Unknown, headers, number, read_json, remembered

PARAMETERS = re.compile(r"(?<![A-Za-z0-9.])(?:([0-9]{1,3})x)?([0-9]{1,4}(?:\.[0-9]{1,3})?)([BbMm])(?![A-Za-z0-9])")
# How many experts a model has: `Llama-4-Scout-17B-16E` has 17 billion parameters for each token, and many more in all.
EXPERTS = re.compile(r"(?<![A-Za-z0-9.])[0-9]{1,4}E(?![A-Za-z0-9])", re.IGNORECASE)
SIZES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1}
# The file without which a folder is no model.
SIGN = "config.json"
# What a name without files is taken for: parameters, layers, hidden, intermediate, attention and key-value heads of 128, as the
# Qwen 2.5 and 3 models of these sizes and Llama 3 of 70B and 405B have them (their config.json); vocabularies of 152k.
TYPICAL = (
    (0.5e9, 24, 896, 4864, 7, 1),
    (1.5e9, 28, 1536, 8960, 12, 2),
    (3e9, 36, 2048, 11008, 16, 2),
    (4e9, 36, 2560, 9728, 32, 8),
    (8e9, 36, 4096, 12288, 32, 8),
    (14e9, 40, 5120, 17408, 40, 8),
    (32e9, 64, 5120, 25600, 64, 8),
    (70e9, 80, 8192, 28672, 64, 8),
    (405e9, 126, 16384, 53248, 128, 8),
)
HEAD, VOCABULARY = 128, 151_936
NAMED_BYTES = 2


@dataclass(frozen=True)
class TextModel:
    """A causal language model. `weight_bytes` is what its files hold; `intermediate` counts the experts that one token takes.

    `adapted_width` is the sum of inputs and outputs of all layers that an adapter is put beside: so many weights has an adapter
    of rank 1. `adapted_weights` is how many weights these layers have themselves, the ones that can be held in 4 bits.
    """

    basis: str
    parameters: int
    weight_bytes: int
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    adapted_width: int
    adapted_weights: int

    @property
    def attention_width(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def is_half(self) -> bool:
        """Whether its weights have two bytes or less."""
        return self.weight_bytes <= 3 * self.parameters


@remembered("")
def of_folder(folder: Path) -> TextModel:
    """Return what a folder with `config.json` says, and the headers of its safetensors where it has some; else Unknown."""
    config = text_config(read_json(folder / SIGN))
    heads, hidden = number(config, "num_attention_heads"), number(config, "hidden_size")
    has_experts = bool(config.get("num_experts") or config.get("num_local_experts"))
    experts = _optional(config, "num_experts_per_tok", 0) if has_experts else 0
    wide = number(config, "moe_intermediate_size" if experts and "moe_intermediate_size" in config else "intermediate_size")
    shape = {
        "layers": number(config, "num_hidden_layers"),
        "hidden": hidden,
        "intermediate": wide * max(1, experts),
        "heads": heads,
        "kv_heads": _optional(config, "num_key_value_heads", heads),
        "head_dim": _optional(config, "head_dim", hidden // heads),
        "vocabulary": number(config, "vocab_size"),
    }
    tensors = dict(headers(folder))
    if not tensors:
        if experts:
            raise Unknown("its weights are not on this machine yet")
        weights = _counted(**shape, tied=bool(config.get("tie_word_embeddings", True)))
        return TextModel("the model's config.json", **shape, **weights)
    adapted = [shape_ for name, (shape_, _) in tensors.items() if _is_adapted(name, shape_)]
    return TextModel(
        "the model's own files",
        **shape,
        parameters=sum(_elements(shape_) for shape_, _ in tensors.values()),
        weight_bytes=sum(_elements(shape_) * SIZES.get(kind, 2) for shape_, kind in tensors.values()),
        adapted_width=sum(sum(shape_) for shape_ in adapted),
        adapted_weights=sum(map(_elements, adapted)),
    )


def of_name(name: str) -> TextModel:
    """Return a typical model of the size that a name tells, such as `Qwen3-4B` or `8x7B`; Unknown where it tells none."""
    parameters = named_parameters(name)
    if parameters is not None and EXPERTS.search(name):
        raise Unknown(
            "its files are not on this machine, and its name tells the parameters that a token takes and not all of them"
        )
    if parameters is None:
        raise Unknown("its files are not on this machine, and its name does not tell how many parameters it has")
    count, layers, hidden, intermediate, heads, kv_heads = min(TYPICAL, key=lambda one: abs(one[0] / parameters - 1))
    # A size between two: as deep as the nearest, and wider or narrower, which is where most of the weights are.
    scale = (parameters / count) ** 0.5
    shape = {
        "layers": layers,
        "hidden": round(hidden * scale),
        "intermediate": round(intermediate * scale),
        "heads": max(kv_heads, round(heads * scale)),
        "kv_heads": kv_heads,
        "head_dim": HEAD,
        "vocabulary": VOCABULARY,
    }
    counted = _counted(**shape, tied=parameters < 5e9) | {"parameters": parameters, "weight_bytes": NAMED_BYTES * parameters}
    basis = f"the {parameters / 1e9:g}B parameters in its name, as typical models of that size are shaped"
    return TextModel(basis, **shape, **counted)


def named_parameters(name: str) -> int | None:
    """Return how many parameters a model's name tells: the most, as `1M` may be the tokens that it reads."""
    told = [int(found[1] or 1) * float(found[2]) * (1e9 if found[3] in "Bb" else 1e6) for found in PARAMETERS.finditer(name)]
    return round(max(told, default=0)) or None


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that describes the language model: of a model that also sees, a part of its own."""
    inner = config.get("text_config")
    return config | inner if isinstance(inner, dict) else config


def _optional(config: dict[str, Any], name: str, default: int) -> int:
    """Return a size that a configuration may leave out, as null or 0 too."""
    return number(config, name) if config.get(name) not in (None, 0) else default


def _elements(shape: list[int]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product


def _is_adapted(name: str, shape: list[int]) -> bool:
    """Say whether PEFT's `all-linear` takes it: linear layers but the last; experts are one block to transformers, not layers."""
    embeds = any(part in name for part in ("embed", "lm_head", "wte", "wpe", ".experts.", "mlp.gate.", "router"))
    return len(shape) == 2 and name.endswith(".weight") and not embeds


def _counted(
    layers: int, hidden: int, intermediate: int, heads: int, kv_heads: int, head_dim: int, vocabulary: int, tied: bool
) -> dict[str, int]:
    """Return the weights of a decoder with gated layers, as Llama and Qwen are made, at two bytes each."""
    wide, narrow = heads * head_dim, kv_heads * head_dim
    weights = layers * (2 * hidden * wide + 2 * hidden * narrow + 3 * hidden * intermediate)
    parameters = weights + vocabulary * hidden * (1 if tied else 2) + (2 * layers + 1) * hidden
    width = layers * (2 * (hidden + wide) + 2 * (hidden + narrow) + 3 * (hidden + intermediate))
    return {
        "parameters": parameters,
        "weight_bytes": NAMED_BYTES * parameters,
        "adapted_width": width,
        "adapted_weights": weights,
    }

"""The words for hardware: what callers may ask for, and what a machine has."""

import re
from dataclasses import dataclass
from typing import Any

CPU = "CPU"
GPU_TYPES = (
    "T4-16GB", "L4-24GB", "L40S-48GB", "A100-40GB", "A100-80GB", "H100-80GB", "H200-141GB",
    "B200-180GB", "B300-270GB", "RTX6000-48GB", "RTXPRO6000-96GB",
)  # fmt: skip
# What clients of the dedicated service call them. Their A100 is the small one.
PROFILES = {
    "gpu.t4": "T4-16GB", "gpu.l40s": "L40S-48GB", "gpu.a100": "A100-40GB", "gpu.a100.80gb": "A100-80GB",
    "gpu.h100": "H100-80GB", "gpu.h200": "H200-141GB", "gpu.b200": "B200-180GB", "gpu.rtx6000pro": "RTXPRO6000-96GB",
    "cpu": CPU,
}  # fmt: skip
MAX_COUNT = 8
LOCAL = "local"
RENTED = ("prime_intellect", "lambda", "runpod")
PROVIDERS = (*RENTED, LOCAL)


@dataclass(frozen=True)
class Shape:
    """So many GPUs of a type, or one CPU slot. `type` is the canonical name."""

    type: str
    count: int

    @property
    def is_cpu(self) -> bool:
        return self.type == CPU


def canonical(name: str) -> str | None:
    """Return the canonical name of a hardware type, None where it is unknown. `h100` means `H100-80GB`, the largest memory that
    the name has; a profile means what its service means by it.
    """
    if name.strip().lower() in PROFILES:
        return PROFILES[name.strip().lower()]
    plain = _plain(name)
    if plain == _plain(CPU):
        return CPU
    exact = [gpu for gpu in GPU_TYPES if _plain(gpu) == plain]
    family = [gpu for gpu in GPU_TYPES if _plain(gpu.rpartition("-")[0]) == plain]
    return next(iter(exact or family[-1:]), None)


def memory_bytes(name: str) -> int | None:
    """Return the memory of one GPU of a canonical type, None for the CPU. The name's GB are 10^9 bytes: each card has a little
    more, of which its driver keeps some.
    """
    return None if name == CPU else int(name.rpartition("-")[2].removesuffix("GB")) * 10**9


def profile_of(name: str) -> str:
    """Return the profile of a hardware type, however that is written; the name as it is where the type has none."""
    known = canonical(name)
    return next((profile for profile, type_ in PROFILES.items() if type_ == known), known or name)


def canonical_of_device(device_name: str) -> str | None:
    """Return the type of a device as its driver names it, such as `NVIDIA H100 80GB HBM3`."""
    words = re.sub(r"[^a-z0-9]+", " ", device_name.lower())
    for gpu in sorted(GPU_TYPES, key=len, reverse=True):
        family, memory = gpu.rsplit("-", 1)
        if _names(words, family) and (_names(words, memory) or not _same_family(family)):
            return gpu
    return next((gpu for gpu in GPU_TYPES if _names(words, gpu.rsplit("-", 1)[0])), None)


def as_json(shape: Shape) -> dict[str, Any]:
    return {"type": shape.type, "count": shape.count}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _names(words: str, name: str) -> bool:
    """Say whether whole words spell the name, however they are spaced: an `L40` is no `L4`."""
    return re.search(r"\b" + r" ?".join(_plain(name)) + r"\b", words) is not None


def _same_family(family: str) -> bool:
    return sum(gpu.rsplit("-", 1)[0] == family for gpu in GPU_TYPES) > 1

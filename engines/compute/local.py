"""This machine's hardware: what it has, what of it is taken, and who may have the rest."""

import os
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from burnish.kit.settings import Settings
from engines.compute.hardware import CPU, Shape, canonical_of_device
from engines.compute.rates import own_micros

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Gpu:
    """A device as the driver numbers it."""

    index: int
    type: str


@dataclass(frozen=True)
class Placement:
    """What a piece of work runs on. `gpu_indices` is empty on the CPU."""

    shape: Shape
    gpu_indices: tuple[int, ...]
    rate_micros_per_hour: int

    @property
    def device(self) -> str:
        return "cuda" if self.gpu_indices else "cpu"


@cache
def detect() -> tuple[Gpu, ...]:
    """Return the NVIDIA devices of this machine; empty where it has none."""
    command = ["nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader"]
    try:
        listing = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [line.partition(",") for line in listing.splitlines() if "," in line]
    return tuple(Gpu(int(index), canonical_of_device(name) or name.strip()) for index, _, name in rows)


def falls_back(settings: Settings) -> bool:
    """Say whether any request runs on the CPU of this installation."""
    return settings.cpu_fallback if settings.cpu_fallback is not None else not detect()


def memory_bytes() -> int:
    """Return this machine's memory, or what of it this container may use."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = CGROUP_LIMIT.read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdecimal() else total


@dataclass
class Inventory:
    """What this host can still take. Used from the host's event loop only."""

    settings: Settings
    gpus: tuple[Gpu, ...] = field(default_factory=detect)
    _taken: dict[str, Placement] = field(default_factory=dict)

    def offers(self) -> dict[str, Any]:
        return {
            "gpus": [{"type": gpu.type} for gpu in self.gpus],
            "cpu_slots": self.settings.cpu_slots,
            "cpu_fallback": falls_back(self.settings),
            "memory_bytes": memory_bytes(),
        }

    def could_ever(self, shape: Shape) -> bool:
        """Say whether this host, empty, could run the shape."""
        if shape.is_cpu or falls_back(self.settings):
            return True
        return sum(gpu.type == shape.type for gpu in self.gpus) >= shape.count

    def take(self, resource_id: str, shape: Shape) -> Placement | None:
        """Reserve room for a resource; None where all of it is taken. Taking again returns what the resource has."""
        if resource_id in self._taken:
            return self._taken[resource_id]
        placed = self._place(shape)
        if placed is not None:
            self._taken[resource_id] = placed
        return placed

    def give_back(self, resource_id: str) -> None:
        self._taken.pop(resource_id, None)

    def has_room(self) -> bool:
        """Say whether anything at all could be taken now."""
        return self._free_slots() > 0 or len(self._busy()) < len(self.gpus)

    def _place(self, shape: Shape) -> Placement | None:
        if shape.is_cpu or falls_back(self.settings):
            slot = Shape(CPU, 1)
            return Placement(slot, (), own_micros(self.settings, slot)) if self._free_slots() > 0 else None
        free = [gpu.index for gpu in self.gpus if gpu.type == shape.type and gpu.index not in self._busy()]
        if len(free) < shape.count:
            return None
        return Placement(shape, tuple(free[: shape.count]), own_micros(self.settings, shape))

    def _busy(self) -> set[int]:
        return {index for placed in self._taken.values() for index in placed.gpu_indices}

    def _free_slots(self) -> int:
        return self.settings.cpu_slots - sum(placed.shape.is_cpu for placed in self._taken.values())

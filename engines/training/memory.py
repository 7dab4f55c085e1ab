"""The most memory that a training is expected to take, told before it runs, part by part.

Plain arithmetic on what is known of the base model and the job's hyperparameters: no torch, no GPU. An estimate is of one GPU,
or of the trainer's process on the CPU, at the moment in which most is held at once; its parts add up to it. It counts with rows
as long as the job allows. `docs/memory.md` has the formulas for users, and `tests/engines/training/memory` holds them against
real runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

MIB = 2**20

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Part:
    """Something that memory is taken for; what is `passing` comes and goes within a step. Parts of nothing are left out."""

    name: str
    bytes: int
    passing: bool = False


@dataclass(frozen=True)
class Estimate:
    """What a training takes. `basis` says what the figures are made from; `advice` what makes them smaller, most first."""

    parts: tuple[Part, ...]
    basis: str
    advice: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    def without(self, name: str) -> int:
        """Return the total without one part."""
        return sum(part.bytes for part in self.parts if part.name != name)


# What is there before a model is loaded. CPU: torch, transformers and TRL in the process, measured with the versions in
# constraints.txt (0.60 GB after their import, 0.06 more with the first step of a model of no size). CUDA: context and kernels
# of the driver and the libraries, which no figure of torch's own has in it.
LIBRARIES: Mapping[Device, int] = {"cpu": 660 * 10**6, "cuda": 600 * MIB}
LIBRARIES_NAME: Mapping[Device, str] = {"cpu": "libraries", "cuda": "CUDA context"}
# What an allocator holds and cannot give: pieces between pieces, of all that comes and goes within a step. On the CPU the
# trainers keep what they freed (`environment.settle`), which is faster and leaves more of them.
SLACK: Mapping[Device, float] = {"cpu": 0.25, "cuda": 0.1}


def at_peak(lasting: Sequence[Part], phases: Sequence[Sequence[Part]], device: Device) -> tuple[Part, ...]:
    """Return the parts at the moment in which most is held: what lasts, the largest of the phases, which follow one another, and
    what lies between.
    """
    phase = max(phases, key=lambda parts: sum(part.bytes for part in parts))
    slack = round(SLACK[device] * sum(part.bytes for part in phase if part.passing))
    parts = [*lasting, *phase, Part("fragmentation", slack), Part(LIBRARIES_NAME[device], LIBRARIES[device])]
    return tuple(part for part in parts if part.bytes)

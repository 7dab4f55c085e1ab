"""The most memory that a training has taken: read from the process or the GPU, told to the parent as it grows.

The figure stands beside the estimate made before the job (`engines.training.memory`), so it is taken where the estimate looks: on
the CPU the whole trainer process with the libraries that it loaded, on a GPU what torch holds there, unused pieces of its cache
included and the driver's own context not. A figure once told never falls within an attempt.
"""

import re
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from engines.protocol import Reporter

STATUS = Path("/proc/self/status")
# So much more than what was told last is worth a line; less is a step with slightly longer rows.
GROWTH = 1.05


def peak_bytes(device: str) -> int:
    """Return the most that this process has held at once: with `cuda` of its current GPU, with `cpu` of this machine's memory.

    The kernel counts from the start of the program, so that nothing of the process that started this one is in it.
    """
    if device == "cuda":
        return int(torch.cuda.max_memory_reserved())
    found = re.search(r"^VmHWM:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{STATUS} does not tell VmHWM")
    return int(found[1]) * 1024


class Peak:
    """Reports the peak when it is first looked at, and when it has grown since: by a twentieth, at the end by anything."""

    def __init__(self, reporter: Reporter, device: str) -> None:
        self._reporter = reporter
        self._device = device
        self._told = 0

    def look(self, end: bool = False) -> None:
        now = peak_bytes(self._device)
        if now >= self._told * GROWTH or (end and now > self._told):
            self._told = now
            self._reporter.memory(now)


class PeakMemory(TrainerCallback):  # type: ignore[misc]
    """Looks at the peak after each step and at the end of the training; of several processes the first one does."""

    def __init__(self, reporter: Reporter, device: str) -> None:
        self._peak = Peak(reporter, device)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            self._peak.look()

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            self._peak.look(end=True)

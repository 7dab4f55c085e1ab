"""The end of a training, whatever its method: what the hardware could not hold is told so, and the model goes to the parent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from engines.protocol import ChildFailure, Reporter
from engines.training.interrupt import Stopped

ACK_POLL_S = 0.5
CPU_ALLOCATION = "can't allocate memory"


T = TypeVar("T")


def held(train: Callable[[], T], advice: str) -> T:
    """Return what `train` returns; ChildFailure `oom` where memory does not hold it, with the advice."""
    try:
        return train()
    except torch.OutOfMemoryError as error:
        raise _out_of_memory(error, advice) from error
    except RuntimeError as error:
        if CPU_ALLOCATION in str(error):
            raise _out_of_memory(error, advice) from error
        raise


def _out_of_memory(error: Exception, advice: str) -> ChildFailure:
    first = str(error).partition("\n")[0]
    return ChildFailure("oom", f"Out of memory: {first} {advice}")


def hand_over(step: int, folder: Path, score: float | None, reporter: Reporter) -> dict[str, Any]:
    """Offer the final folder, and wait until the parent has it; a stop meanwhile raises `Stopped`."""
    reporter.phase("uploading")
    reporter.checkpoint(step, str(folder), final=True, score=score)
    while not reporter.wait_uploaded(step, ACK_POLL_S):
        if reporter.stop_requested.is_set():
            raise Stopped
    return {"steps": step}

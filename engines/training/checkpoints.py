"""Checkpoints on the way: when they are due, and how long they stay on this disk."""

import math
import shutil
import threading
from pathlib import Path

from engines.protocol import Reporter
from engines.training.interrupt import Stopped

RUN_SHARE = 4
INTERVAL_MAX = 250
WAITING_MAX = 2
TAKEN_POLL_S = 0.1


def interval(total_steps: int, wished: int | None) -> int:
    """Return the steps between checkpoints: the user's wish, or a quarter of the run and at most `INTERVAL_MAX`."""
    return wished or min(INTERVAL_MAX, math.ceil(total_steps / RUN_SHARE))


class Checkpoints:
    """Offers saved folders to the parent and deletes each after its upload, without holding up the training.

    At most `WAITING_MAX` folders wait for their upload; a checkpoint that falls due meanwhile is saved as soon as there is room.
    """

    def __init__(self, reporter: Reporter, every: int | None) -> None:
        self._reporter = reporter
        self._every = every
        self._owed = False
        self._waiting = 0
        self._lock = threading.Lock()

    def due(self, step: int, total_steps: int) -> bool:
        """Tell whether to save now. The last step needs none: the final model follows it."""
        if step % interval(total_steps, self._every) == 0:
            self._owed = True
        with self._lock:
            return self._owed and self._waiting < WAITING_MAX and step < total_steps

    def saved(self, step: int, folder: Path, score: float | None = None) -> None:
        """Report the folder with its score on the held-out rows, and delete it once the parent has it."""
        # A pickle of the trainer's arguments that no resume reads; a checkpoint that users download holds none.
        (folder / "training_args.bin").unlink(missing_ok=True)
        self._owed = False
        with self._lock:
            self._waiting += 1
        self._reporter.checkpoint(step, str(folder), final=False, score=score)
        threading.Thread(target=self._forget, args=(step, folder), name=f"checkpoint-{step}", daemon=True).start()

    def wait_taken(self, stop: threading.Event) -> None:
        """Return once the parent has all that was saved; Stopped where `stop` comes first."""
        while True:
            with self._lock:
                if not self._waiting:
                    return
            if stop.wait(TAKEN_POLL_S):
                raise Stopped

    def _forget(self, step: int, folder: Path) -> None:
        self._reporter.wait_uploaded(step)
        shutil.rmtree(folder, ignore_errors=True)
        with self._lock:
            self._waiting -= 1

"""Where users' reward code runs: one persistent jailed process a job, asked one batch at a time.

The invariant: no code of a user runs in this process, and whatever the jailed one does, `score` returns a full batch of finite
numbers and None, or raises ChildFailure, within the deadline. What the jail consists of, and why:
`docs/decisions/0003-reward-jail.md`.
"""

import contextlib
import json
import os
import site
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from engines.rewards import landlock, shapes, verdicts
from engines.rewards.confine import Policy
from engines.rewards.jail_process import JailProcess, Lost

DEADLINE_S = 60.0
MEMORY_BYTES = 4 * 2**30
# Python and its library are loading, nothing of the user's: on a busy machine that takes a while, and it is not theirs to
# answer for.
START_DEADLINE_S = 60.0
MAX_ANSWER_BYTES = 2**20
MAX_ANSWER_BYTES_PER_COMPLETION = 8 * 1024


@dataclass(frozen=True)
class Scores:
    """One batch: every list has an item per completion, in their order. A reward of None skips the sample.

    `errors` says what was wrong with an item where `score` was asked to go on. `stdout` holds what was printed, standard error
    included.
    """

    rewards: list[float | None]
    components: dict[str, list[float | None]]
    errors: list[str | None]
    stdout: str
    duration_ms: float


class Jail:
    """A reward function in its jail.

    `deadline_s` bounds the loading of the file and each batch, `memory_bytes` the process's address space. With
    `require_landlock` a kernel without Landlock is refused; else files are shut by seccomp there, and imports that the file
    does not name fail.

    One caller at a time. The jailed process dies with the thread that called `start`.
    """

    def __init__(
        self,
        source: Path,
        format: str = "trl",
        *,
        deadline_s: float = DEADLINE_S,
        memory_bytes: int = MEMORY_BYTES,
        require_landlock: bool = False,
    ) -> None:
        self.deadline_s = deadline_s
        self.memory_bytes = memory_bytes
        self._path = source
        self._format = format
        self._require_landlock = require_landlock
        self._process: JailProcess | None = None
        self._source = ""
        self._stdout = ""
        self._cleanup = contextlib.ExitStack()
        self._folder = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The jailed process, None where there is none."""
        return self._process.pid if self._process else None

    @property
    def stdout(self) -> str:
        """What the reward printed in the latest batch, or while it was loaded, also where that failed."""
        return self._stdout

    def start(self) -> None:
        """Load the file in a fresh process, unless one is running; ChildFailure where it is refused or fails."""
        if self._process is not None and self._process.alive():
            return
        self._end()
        source = self._path.read_bytes()
        try:
            shapes.check(source, self._format)
        except shapes.RewardProblem as problem:
            raise verdicts.refused(problem) from None
        self._source = shapes.decoded(source)
        self._spawn()
        self._ask({"name": self._path.name, "source": self._source, "format": self._format}, "ready", 0)

    def close(self) -> None:
        """End the process and leave nothing behind. The jail can be started again."""
        self._end()
        self._cleanup.close()
        self._folder = ""

    def score(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        columns: dict[str, list[Any]],
        *,
        strict: bool = True,
    ) -> Scores:
        """Score one batch; starts or restarts the process where need be.

        Prompts, completions and columns are anything that JSON can hold and have one length; a column called `prompts` or
        `completions` is hidden by the batch's own. ChildFailure for everything that the user's code can do wrong; with `strict`
        off a wrong value of a single completion is reported in `errors` and its reward is None.
        """
        if any(len(values) != len(completions) for values in (prompts, *columns.values())):
            raise ValueError("prompts, completions and every column must have the same length")
        self.start()
        assert self._process is not None
        batch = {"prompts": prompts, "completions": completions, "columns": columns, "strict": strict}
        began = time.perf_counter()
        message = self._ask(batch, "scored", len(completions))
        duration_ms = (time.perf_counter() - began) * 1000
        try:
            answer = shapes.verify(message, len(completions))
        except shapes.RewardProblem:
            self._end()
            raise verdicts.nonsense() from None
        errors = [error and verdicts.clean(error) for error in answer.errors]
        return Scores(answer.rewards, answer.components, errors, self._take_output(), duration_ms)

    def _spawn(self) -> None:
        has_landlock = landlock.version() > 0
        if self._require_landlock and not has_landlock:
            raise verdicts.unusable("its kernel has no Landlock, or has it switched off.")
        if not self._folder:
            self._folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="burnish-jail-"))
        process = JailProcess(Policy(os.getpid(), self.memory_bytes, has_landlock, _libraries()), self._folder)
        try:
            process.exchange(b"", START_DEADLINE_S, MAX_ANSWER_BYTES)
        except Lost as end:
            complaint = str(process.output).strip().rpartition("\n")[2]
            raise verdicts.unusable(complaint or f"it ended with {end.code} ({end.reason}).") from None
        except BaseException:
            process.end()
            raise
        self._process = process

    def _ask(self, request: dict[str, Any], expected: str, count: int) -> dict[str, Any]:
        """Return the answer of the type `expected`; in every other case keep what was printed and raise."""
        assert self._process is not None
        limit = MAX_ANSWER_BYTES + count * MAX_ANSWER_BYTES_PER_COMPLETION
        try:
            line = self._process.exchange(json.dumps(request).encode() + b"\n", self.deadline_s, limit)
        except Lost as end:
            self._stdout, self._process = str(self._process.output), None
            raise verdicts.lost(end, self._path.name, self._source, self.deadline_s) from None
        except BaseException:
            # An answer that nobody waited for would be taken for the next batch's.
            self._end()
            raise
        message = _parsed(line)
        if message.get("type") == expected:
            return message
        self._take_output()
        if message.get("type") != "failed":
            self._end()
            raise verdicts.nonsense()
        if expected == "ready" or message.get("kind") == "memory":
            self._end()
        raise verdicts.failed(message, self.memory_bytes)

    def _take_output(self) -> str:
        if self._process is not None:
            self._stdout = str(self._process.output)
            self._process.output.clear()
        return self._stdout

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


def _libraries() -> list[str]:
    """Return the folders of installed packages, this environment's first."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}

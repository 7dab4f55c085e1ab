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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from engines.rewards import answers, landlock, libraries, shapes, verdicts
from engines.rewards.confine import Policy
from engines.rewards.jail_process import JailProcess, Lost

if TYPE_CHECKING:
    from burnish.kit.settings import Settings

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

    `errors` says what was wrong with an item where `score` was asked to go on, `lines` at which of the user's lines. `stdout`
    holds what was printed, standard error included. `weights` has the factor of each component in the reward.
    """

    rewards: list[float | None]
    components: dict[str, list[float | None]]
    errors: list[str | None]
    stdout: str
    duration_ms: float
    weights: dict[str, float] = field(default_factory=dict)
    lines: list[int | None] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """What the operator allows reward functions.

    `deadline_s` bounds the loading of the file and each batch, `memory_bytes` the process's address space. `libraries` are the
    installed ones that may be imported, None for all. With `require_landlock` a kernel without Landlock is refused; else files
    are shut by seccomp there, and imports that the file does not name fail. With `unprotected` the jail opens even where the
    host cannot hold it.
    """

    deadline_s: float = DEADLINE_S
    memory_bytes: int = MEMORY_BYTES
    libraries: tuple[str, ...] | None = None
    require_landlock: bool = False
    unprotected: bool = False


class Jail:
    """A reward function in its jail.

    `name` is what the file is called in tracebacks, `weights` are those of its named components, `args` what the format miles
    hands on.

    One caller at a time. The jailed process dies with the thread that called `start`.
    """

    def __init__(
        self,
        source: Path | bytes,
        format: str = "trl",
        *,
        name: str | None = None,
        weights: Mapping[str, float] | None = None,
        args: Mapping[str, Any] | None = None,
        rules: Rules | None = None,
        **changes: Any,
    ) -> None:
        self.rules = replace(rules or Rules(), **changes)
        self.walls: dict[str, Any] = {}
        self._given = source
        self._name = name or (source.name if isinstance(source, Path) else "reward.py")
        self._format = format
        self._weights = answers.Weights(dict(weights or {}), format)
        self._args = dict(args or {})
        self._process: JailProcess | None = None
        self._source = ""
        self._shape: shapes.Shape | None = None
        self._stdout = ""
        self._cleanup = contextlib.ExitStack()
        self._folder = ""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The jailed process, None where there is none."""
        return self._process.pid if self._process else None

    @property
    def shape(self) -> shapes.Shape:
        """What the file tells of itself; ChildFailure where it can never work."""
        if self._shape is None:
            source = self._given.read_bytes() if isinstance(self._given, Path) else self._given
            try:
                self._shape = shapes.check(source, self._format)
            except shapes.RewardProblem as problem:
                raise verdicts.refused(problem) from None
            self._source = shapes.decoded(source)
        return self._shape

    @property
    def weights(self) -> Mapping[str, float]:
        """The weights that were given."""
        return self._weights.named

    @property
    def stdout(self) -> str:
        """What the reward printed in the latest batch, or while it was loaded, also where that failed."""
        return self._stdout

    def start(self) -> None:
        """Load the file in a fresh process, unless one is running; ChildFailure where it is refused or fails."""
        if self._process is not None and self._process.alive():
            return
        self._end()
        vouched = libraries.wanted(self.shape.modules, self.rules.libraries)
        self._spawn(vouched)
        order = {"name": self._name, "source": self._source, "format": self._format}
        self._ask({**order, "weights": dict(self._weights.named), "args": self._args}, "ready", 0)

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
        completion_ids: Sequence[Sequence[int]] | None = None,
        prompt_ids: Sequence[Sequence[int]] | None = None,
    ) -> Scores:
        """Score one batch; starts or restarts the process where need be.

        Prompts, completions and columns are anything that JSON can hold and have one length; a column called `prompts` or
        `completions` is hidden by the batch's own. ChildFailure for everything that the user's code can do wrong; with `strict`
        off a wrong value of a single completion is reported in `errors` and its reward is None. Token ids are for functions
        whose `shape` looks at them.
        """
        if any(len(values) != len(completions) for values in (prompts, *columns.values())):
            raise ValueError("prompts, completions and every column must have the same length")
        self.start()
        assert self._process is not None
        batch: dict[str, Any] = {"prompts": prompts, "completions": completions, "columns": columns, "strict": strict}
        if self.shape.tokens:
            batch |= {"completion_ids": completion_ids, "prompt_ids": prompt_ids}
        began = time.perf_counter()
        message = self._ask(batch, "scored", len(completions))
        duration_ms = (time.perf_counter() - began) * 1000
        try:
            answer = answers.verify(message, len(completions))
        except shapes.RewardProblem:
            self._end()
            raise verdicts.nonsense() from None
        errors = [error and verdicts.clean(error) for error in answer.errors]
        weights = {name: self._weights.of(name) for name in answer.components}
        return Scores(answer.rewards, answer.components, errors, self._take_output(), duration_ms, weights, answer.lines)

    def _spawn(self, vouched: list[str]) -> None:
        has_landlock = landlock.version() > 0
        if self.rules.require_landlock and not has_landlock:
            raise verdicts.unusable("its kernel has no Landlock, or has it switched off.")
        if not self._folder:
            self._folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="burnish-jail-"))
        allowed = None if self.rules.libraries is None else list(self.rules.libraries)
        policy = Policy(os.getpid(), self.rules.memory_bytes, has_landlock, _package_folders(), allowed, self.rules.unprotected)
        process = JailProcess(policy, self._folder)
        try:
            request = json.dumps({"libraries": vouched}).encode() + b"\n"
            hello = _parsed(process.exchange(request, START_DEADLINE_S, MAX_ANSWER_BYTES))
        except Lost as end:
            complaint = str(process.output).strip().rpartition("\n")[2]
            raise verdicts.unusable(complaint or f"it ended with {end.code} ({end.reason}).") from None
        except BaseException:
            process.end()
            raise
        self.walls = {"standing": hello["standing"], "missing": hello["missing"]}
        self._process = process

    def _ask(self, request: dict[str, Any], expected: str, count: int) -> dict[str, Any]:
        """Return the answer of the type `expected`; in every other case keep what was printed and raise."""
        assert self._process is not None
        limit = MAX_ANSWER_BYTES + count * MAX_ANSWER_BYTES_PER_COMPLETION
        try:
            line = self._process.exchange(json.dumps(request).encode() + b"\n", self.rules.deadline_s, limit)
        except Lost as end:
            self._stdout, self._process = str(self._process.output), None
            raise verdicts.lost(end, self._name, self._source, self.rules.deadline_s) from None
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
        called = shapes.ENTRY_POINTS[self._format]
        raise verdicts.failed(message, self._name, self._source, called, self.rules.memory_bytes)

    def _take_output(self) -> str:
        if self._process is not None:
            self._stdout = str(self._process.output)
            self._process.output.clear()
        return self._stdout

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


def _package_folders() -> list[str]:
    """Return the folders of installed packages, this environment's first."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    return [folder for folder in dict.fromkeys(folders) if os.path.isdir(folder)]


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}


def rules_of(settings: "Settings") -> Rules:
    """Return what the operator's settings allow."""
    listed = tuple(name for item in settings.reward_libraries.split(",") if (name := item.strip()))
    return Rules(
        deadline_s=settings.reward_deadline_s,
        memory_bytes=settings.reward_memory_bytes,
        libraries=None if "*" in listed else listed,
        require_landlock=settings.reward_require_landlock,
        unprotected=settings.reward_unprotected,
    )

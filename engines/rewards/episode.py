"""One rollout's time in an environment: the task, what the environment said and gave, and what that is worth.

A rollout is worth the sum of the rewards until the environment called it finished, 0 where none was given or no tool was called:
not to act is a failure, no reason to leave a sample out. Left out is only what the environment itself broke; `error` says how.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What an environment says at once is cut after so many characters.
MOST_CHARS = 2**16


def cut(text: str, most: int = MOST_CHARS) -> str:
    return text if len(text) <= most else f"{text[:most]}… (cut)"


@dataclass(frozen=True, slots=True)
class Task:
    """A task of an environment: by its place in a split, or spelt out in `spec`."""

    environment: str
    split: str | None = None
    index: int | None = None
    spec: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.environment}, " + (f"{self.split} {self.index}" if self.spec is None else "a task of the dataset")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a tool answered. `failed` says that the call itself was wrong, or that the environment broke over it."""

    text: str
    reward: float | None = None
    finished: bool = False
    failed: bool = False


@dataclass
class Episode:
    """`prompt` are the environment's opening messages, `tools` what may be called. Where there is an `answer_tool` a message
    without a call is the answer, and goes there.
    """

    task: Task
    session: Any = field(default=None, repr=False)
    prompt: list[dict[str, Any]] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    answer_tool: str | None = None
    error: str | None = None
    # Whether the error is that nobody answered, and no doing of the environment.
    unreachable: bool = False
    # Whether it never began, because its prompt is too long.
    left_out: bool = False
    finished: bool = False
    rewards: list[float] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.finished or self.error is not None

    @property
    def reward(self) -> float | None:
        return None if self.error is not None else sum(self.rewards, 0.0)

    def take(self, text: str, reward: float | None, finished: bool) -> Reply:
        self.finished = finished
        self.rewards += [] if reward is None else [reward]
        return Reply(text, reward, finished)

    def refuse(self, text: str, *, finished: bool) -> Reply:
        """Note a call that could not be made; the model may try again."""
        self.finished = finished
        return Reply(text, finished=finished, failed=True)

    def fail(self, reason: str, *, unreachable: bool = False) -> Reply:
        """Note that the environment is of no more use to this rollout."""
        self.error, self.unreachable = reason, unreachable
        return Reply(f"Error: {reason}", failed=True)

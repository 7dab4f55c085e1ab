"""Going into a job's environments: which tasks there are to train on, the conversations that are had, and what they are worth.

No torch here: whatever is wrong with an environment is found before the libraries are loaded that take seconds.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engines.protocol import ChildFailure, Group, Reporter
from engines.rewards.episode import Episode, cut
from engines.rewards.jail import Scores
from engines.rewards.openreward import Arena, Unreachable
from engines.rewards.shapes import Shape
from engines.training import tasks
from engines.training.grpo_spec import GrpoSpec
from engines.training.prompts import Messages, Row

# How much of the conversations of a step is told, in characters; an environment may say any amount.
TOLD_CHARS = 8 * 2**20

# Stands in for the prompt of a rollout that never began; it is neither scored nor trained on.
NOTHING: Messages = [{"role": "user", "content": "-"}]


@dataclass
class Rollout:
    """One conversation under way. `said` is what came after the prompt, as the OpenAI format has it."""

    episode: Episode
    prompt: Messages
    said: Messages = field(default_factory=list)
    turns: list[str] = field(default_factory=list)
    own_tokens: int = 0
    calls: int = 0
    failed_calls: int = 0
    cut: bool = False

    @property
    def text(self) -> str:
        """What the model wrote, a turn a line."""
        return "\n".join(turn for turn in self.turns if turn)


class Actors:
    """What scores completions that acted: their environments already have."""

    shape = Shape(line=0, columns=(), modules=[], tokens=False)

    def __init__(self, arena: Arena, from_dataset: bool) -> None:
        self.arena = arena
        self.from_dataset = from_dataset
        self.rollouts: list[Rollout] = []
        # How many tasks are trained on, and those whose prompts were too long since one was not.
        self.task_count = 0
        self._too_long: set[int] = set()
        self._training = True

    def begin(self, rollouts: list[Rollout], *, training: bool) -> None:
        """Take the rollouts that begin; `training` says that they are a step, and no look at held-out tasks."""
        self.rollouts, self._training = rollouts, training
        self._refuse_outage()

    def score(self, prompts: list[Any], completions: list[Any], columns: dict[str, list[Any]], **_: Any) -> Scores:
        """Return what each rollout is worth; `reward_function_error` where the environments broke every one of a step, and
        `Unreachable` where nobody answered any of them.

        A step of prompts that are too long is none to learn from, and no failure while there are others; nor is a look, which
        may be at one task only.
        """
        self._refuse_outage()
        episodes = [rollout.episode for rollout in self.rollouts]
        errors = [episode.error for episode in episodes]
        if self._training:
            self._refuse_too_long(episodes)
        if self._training and all(errors) and not any(episode.left_out for episode in episodes):
            message = f"The environments broke every rollout of the step. The first, {episodes[0].task}: {errors[0]}"
            raise ChildFailure("reward_function_error", message)
        rewards = [episode.reward for episode in episodes]
        owned = [(episode.task.environment, reward) for episode, reward in zip(episodes, rewards, strict=True)]
        components = {name: [reward if owner == name else None for owner, reward in owned] for name in self.arena.names}
        return Scores(rewards, components, errors, "", 0.0)

    def _refuse_outage(self) -> None:
        if self._training and self.rollouts and all(rollout.episode.unreachable for rollout in self.rollouts):
            first = self.rollouts[0].episode
            raise Unreachable(f"No environment answers. The first, {first.task}: {first.error}.")

    def _refuse_too_long(self, episodes: Sequence[Episode]) -> None:
        if not all(episode.left_out for episode in episodes):
            self._too_long = set()
            return
        self._too_long |= {id(episode.task) for episode in episodes}
        if len(self._too_long) >= self.task_count:
            message = f"No task can be trained on. The first, {episodes[0].task}: {episodes[0].error}."
            raise ChildFailure("config_error", message)

    def tell(self, groups: Sequence[Group]) -> None:
        """Put into the groups of a step what only the rollouts know: how it was asked, and who said what."""
        told = iter(self.rollouts)
        most = _share([message for rollout in self.rollouts for message in (*rollout.prompt, *rollout.said)])
        for group in groups:
            if not self.from_dataset:
                group["dataset_row"] = None
            for position, completion in enumerate(group["completions"]):
                rollout = next(told)
                if position == 0:
                    group["prompt"] = [_shortened(message, most) for message in rollout.prompt]
                completion["messages"] = [_shortened(message, most) for message in (*rollout.prompt, *rollout.said)]


def _share(messages: Messages) -> int | None:
    """Return the characters that are told of each message; None where all of them can be told whole."""
    whole = sum(len(str(message.get("content") or "")) for message in messages)
    return None if whole <= TOLD_CHARS else TOLD_CHARS // len(messages)


def _shortened(message: dict[str, Any], most: int | None) -> dict[str, Any]:
    content = message.get("content")
    return message if most is None or not isinstance(content, str) else {**message, "content": cut(content, most)}


@contextmanager
def entered(job: GrpoSpec, lines: list[tasks.Line], reporter: Reporter) -> Iterator[tuple[Actors, list[Row]]]:
    """Enter the job's environments and return the tasks to train on; every session is deleted on the way out."""
    assert job.environments is not None and job.openreward is not None
    with Arena(job.environments, job.openreward, reporter) as arena:
        counts = arena.counts()
        chosen = tasks.choose(lines, {name: arena.splits(name) for name in arena.names}, counts)
        there = "; ".join(f"{name} {split}: {count} tasks" for (name, split), count in counts.items())
        named = tasks.names_tasks(lines)
        which = f"the dataset names {len(chosen)} of them" if named else "the dataset names none, so all are trained on"
        reporter.log(f"environments: {there}; {which}")
        yield Actors(arena, named), chosen

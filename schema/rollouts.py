"""Rollouts: what the model wrote while it trained, and what it was worth."""

from collections.abc import Mapping
from typing import Any, Self

import strawberry

from burnish.kit.errors import Invalid
from resolvers import cursors, rollouts
from resolvers.cursors import Cursor
from resolvers.rollouts import Group, Place
from schema.context import Info
from schema.nodes import Connection, connect, within
from schema.scalars import JSON


@strawberry.type(description="One part of a completion's reward.")
class RewardComponent:
    name: str = strawberry.field(description="The name of the part: the reward function's own.")
    value: float | None = strawberry.field(description="What it gave; null where it gave nothing.")
    weight: float = strawberry.field(description="Its factor in the reward.")


@strawberry.type(description="One completion.")
class Rollout:
    id: strawberry.ID = strawberry.field(description="An id within the job.")
    text: str = strawberry.field(description="What the model wrote.")
    reward: float | None = strawberry.field(description="The whole reward; null where the completion was left out.")
    components: list[RewardComponent] = strawberry.field(description="The parts of the reward.")
    advantage: float | None = strawberry.field(description="How much better than its group it was: what the step learns from.")
    tokens: int = strawberry.field(description="Its length in tokens.")
    truncated: bool = strawberry.field(description="Whether it was cut at the length limit.")
    score_error: str | None = strawberry.field(description="Why the reward function gave nothing.")

    @classmethod
    def of(cls, rollout_id: str, data: dict[str, Any], weights: Mapping[str, float]) -> Self:
        return cls(
            id=strawberry.ID(rollout_id),
            text=data["text"],
            reward=data["reward"],
            components=[
                RewardComponent(name=name, value=value, weight=weights.get(name, 1.0))
                for name, value in data["components"].items()
            ],
            advantage=data["advantage"],
            tokens=data["tokens"],
            truncated=data["truncated"],
            score_error=data["score_error"],
        )


@strawberry.type(description="All completions of one prompt at one step.")
class RolloutGroup:
    id: strawberry.ID = strawberry.field(description="An id within the job.")
    cursor: Cursor = strawberry.field(description="Its place among the job's groups.")
    step: int = strawberry.field(description="The step that learned from it.")
    attempt: int = strawberry.field(description="Which attempt at the job made it.")
    dataset_row: int | None = strawberry.field(description="The row of the dataset, from 0.")
    prompt: JSON = strawberry.field(description="The prompt: a text, or a list of messages.")
    reward_mean: float | None = strawberry.field(description="The mean reward; null where no completion has one.")
    reward_std: float | None = strawberry.field(description="The spread of the rewards within the group.")
    zero_variance: bool = strawberry.field(
        description="Whether all rewards are equal, so that nothing is learned from the group."
    )
    completions: list[Rollout] = strawberry.field(description="The completions.")

    @classmethod
    def of(cls, job_id: str, group: Group) -> Self:
        group_id = f"{group.place.seq}-{group.place.index}"
        # Groups of before there were weights have none.
        weights = group.data.get("weights", {})
        return cls(
            id=strawberry.ID(group_id),
            cursor=cursor_of(job_id, group.place),
            step=group.step,
            attempt=group.attempt,
            dataset_row=group.data["dataset_row"],
            prompt=group.data["prompt"],
            reward_mean=group.reward_mean,
            reward_std=group.reward_std,
            zero_variance=group.reward_std == 0.0,
            completions=[
                Rollout.of(f"{group_id}-{index}", item, weights) for index, item in enumerate(group.data["completions"])
            ],
        )


@strawberry.type(description="A page of rollout groups, in the order they were made.")
class RolloutGroupConnection(Connection[RolloutGroup]): ...


async def page_of(info: Info, job_id: str, step: int | None, first: int, after: Cursor | None) -> RolloutGroupConnection:
    """Return a page of a job's groups."""
    start = None if after is None else _place_of(after, job_id)
    page = await rollouts.page(info.context.known, job_id, step=step, limit=within(first), after=start)
    groups = [RolloutGroup.of(job_id, group) for group in page.items]
    return connect(RolloutGroupConnection, [(group.cursor, group) for group in groups], after=after, has_more=page.has_more)


def cursor_of(job_id: str, place: Place) -> Cursor:
    return cursors.item(f"{job_id}/groups", f"{place.seq}-{place.index}")


def _place_of(cursor: Cursor, job_id: str) -> Place:
    seq, _, index = (cursors.read_item(cursor, f"{job_id}/groups") or "").partition("-")
    if not (seq.isdecimal() and index.isdecimal()):
        raise Invalid("This is not a cursor that was given out here.", code="invalid_cursor", param="after")
    return Place(int(seq), int(index))

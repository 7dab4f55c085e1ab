"""Rollouts: what the model wrote while it trained, and what it was worth."""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Self

import strawberry

from burnish.kit.errors import Invalid
from models.job import Job
from resolvers import cursors, downloads, metrics, rollout_exports, rollouts
from resolvers.cursors import Cursor
from resolvers.rollout_filters import GroupFilter, outcome_of
from resolvers.rollouts import Group, Place
from schema.context import Info
from schema.nodes import After, Connection, First, connect, within
from schema.scalars import JSON
from schema.streams import MetricSeries


@strawberry.enum(description="How the rewards of a group came out.")
class GroupOutcome(Enum):
    ALL_PASS = strawberry.enum_value("all_pass", description="All the same, and at least 0.5: nothing is learned from it.")
    ALL_FAIL = strawberry.enum_value("all_fail", description="All the same, and less than 0.5: nothing is learned from it.")
    MIXED = strawberry.enum_value("mixed", description="They differ: the step learns from it.")
    UNSCORED = strawberry.enum_value("unscored", description="No completion has a reward.")


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
    messages: JSON | None = strawberry.field(
        description="The whole conversation as a list of messages, calls of tools and their results included, where the model "
        "acted in an environment."
    )
    job_id: strawberry.Private[str]
    media: strawberry.Private[str | None]

    @strawberry.field(description="A URL of the clip that was made, which needs no key and works for a limited time.")
    def media_url(self, info: Info) -> str | None:
        return None if self.media is None else downloads.media_url(info.context.known.core, self.job_id, self.media)

    @classmethod
    def of(cls, job_id: str, rollout_id: str, data: dict[str, Any], weights: Mapping[str, float]) -> Self:
        messages = data.get("messages")
        return cls(
            job_id=job_id,
            media=data.get("media"),
            messages=None if messages is None else JSON(messages),
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
    outcome: GroupOutcome = strawberry.field(description="How its rewards came out.")
    reward_output: str | None = strawberry.field(
        description="What the reward function printed while it scored this step, all its groups together; null of older steps. "
        "At most 16,384 characters: the job's log, with the source `reward`, has all of it."
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
            outcome=GroupOutcome(outcome_of(group.data)),
            reward_output=group.stdout,
            completions=[
                Rollout.of(job_id, f"{group_id}-{index}", item, weights) for index, item in enumerate(group.data["completions"])
            ],
        )


@strawberry.type(description="A page of rollout groups, in the order they were made.")
class RolloutGroupConnection(Connection[RolloutGroup]): ...


@strawberry.enum(description="In which order steps are given. The groups of a step are always in the order they were made.")
class StepOrder(Enum):
    OLDEST_FIRST = strawberry.enum_value("oldest_first", description="From the first step on.")
    NEWEST_FIRST = strawberry.enum_value("newest_first", description="From the last step back.")


@strawberry.input(description="Which groups of rollouts to give: those that all of what is set allows.")
class RolloutFilter:
    outcome: list[GroupOutcome] | None = strawberry.field(default=None, description="Only groups that came out so.")
    truncated: bool | None = strawberry.field(
        default=None, description="Only groups with a completion that was cut at the length limit; `false`: only those without."
    )
    score_error: bool | None = strawberry.field(
        default=None, description="Only groups with a completion that the reward function failed on; `false`: only those without."
    )
    search: str | None = strawberry.field(
        default=None,
        description="Only groups whose prompt or a completion contains this, whatever its case; 1,000 characters at most.",
    )
    pattern: str | None = strawberry.field(
        default=None,
        description="Only groups whose prompt or a completion this regular expression finds something in. It has at most 200 "
        "characters, its counts (`{2,8}`) multiply to 1,000 at most, and one that takes too long is refused.",
    )

    def given(self) -> dict[str, Any]:
        """Return it as `GroupFilter` takes it."""
        return {
            "outcomes": None if self.outcome is None else frozenset(item.value for item in self.outcome),
            "truncated": self.truncated,
            "score_error": self.score_error,
            "text": self.search,
            "pattern": self.pattern,
        }


@strawberry.enum(description="How rollouts are written into a file, a row for each completion.")
class RolloutFormat(Enum):
    JSONL = strawberry.enum_value("jsonl", description="JSON lines.")
    PARQUET = strawberry.enum_value(
        "parquet", description="Apache Parquet, compressed; prompt, components, messages: JSON in it."
    )


@strawberry.type(description="The steps of a job that have rollouts. Their numbers are in its metrics, by the same steps.")
class RolloutSteps:
    first_step: int | None = strawberry.field(description="The first; null where there are none.")
    last_step: int | None = strawberry.field(description="The last.")
    count: int = strawberry.field(description="How many there are.")
    series: list[MetricSeries] = strawberry.field(
        description="`reward`, `frac_reward_zero_std`, `frac_reward_all_pass` and `frac_reward_all_fail` by step, thinned, "
        "as far as the job reports them: what to draw along the steps."
    )


SCRUBBED = ["reward", "frac_reward_zero_std", "frac_reward_all_pass", "frac_reward_all_fail"]


@strawberry.type
class RolledOut:
    """The fields of a job that give its rollouts."""

    row: strawberry.Private[Job]

    @strawberry.field(
        description="What the model wrote while it trained, by prompt and step. A request with a filter looks at about 2,000 "
        "steps: a page may be short, or empty, and still say `hasNextPage`; the next one goes on from its `endCursor`."
    )
    async def rollout_groups(
        self,
        info: Info,
        step: Annotated[int | None, strawberry.argument(description="Only those of this step.")] = None,
        first: First = 10,
        after: After = None,
        from_step: Annotated[int | None, strawberry.argument(description="From this step on.")] = None,
        to_step: Annotated[int | None, strawberry.argument(description="Up to this step, inclusive.")] = None,
        dataset_row: Annotated[
            int | None, strawberry.argument(description="Only those of this row of the dataset: one prompt through all steps.")
        ] = None,
        filter: Annotated[RolloutFilter | None, strawberry.argument(description="Which groups to give.")] = None,
        order: Annotated[StepOrder, strawberry.argument(description="The order of the steps.")] = StepOrder.OLDEST_FIRST,
    ) -> RolloutGroupConnection:
        if step is not None:
            if from_step is not None or to_step is not None:
                raise Invalid("Give either one step or a range of them.", param="step")
            from_step = to_step = step
        given = {} if filter is None else filter.given()
        page = await rollouts.page(
            info.context.known,
            self.row.id,
            from_step=from_step,
            to_step=to_step,
            wanted=GroupFilter(dataset_row=dataset_row, **given),
            newest_first=order is StepOrder.NEWEST_FIRST,
            limit=within(first),
            after=None if after is None else _place_of(after, self.row.id),
        )
        pairs = [(cursor_of(self.row.id, group.place), RolloutGroup.of(self.row.id, group)) for group in page.items]
        end = None if page.reached is None else cursor_of(self.row.id, page.reached)
        return connect(RolloutGroupConnection, pairs, after=after, has_more=page.has_more, end=end)

    @strawberry.field(description="Which steps have rollouts, and their numbers along the steps.")
    async def rollout_steps(
        self,
        info: Info,
        max_points: Annotated[int, strawberry.argument(description="The most points a series may have: 3 to 10,000.")] = 200,
    ) -> RolloutSteps:
        span = await rollouts.span(info.context.known, self.row.id)
        found = await metrics.columns(info.context.known, self.row.id, keys=SCRUBBED, max_points=max_points)
        series = [MetricSeries.of(column) for column in found]
        return RolloutSteps(first_step=span.first_step, last_step=span.last_step, count=span.count, series=series)

    @strawberry.field(description="A URL of all its rollouts as one file, which needs no key and works for a limited time.")
    def rollouts_export_url(
        self, info: Info, format: Annotated[RolloutFormat, strawberry.argument(description="The kind of file.")]
    ) -> str:
        kind: rollout_exports.Format = "jsonl" if format is RolloutFormat.JSONL else "parquet"
        return rollout_exports.url(info.context.known.core, self.row, kind)


def cursor_of(job_id: str, place: Place) -> Cursor:
    return cursors.item(f"{job_id}/groups", f"{place.seq}-{place.index}")


def _place_of(cursor: Cursor, job_id: str) -> Place:
    seq, _, index = (cursors.read_item(cursor, f"{job_id}/groups") or "").partition("-")
    if not (seq.isdecimal() and index.isdecimal()):
        raise Invalid("This is not a cursor that was given out here.", code="invalid_cursor", param="after")
    return Place(int(seq), int(index))

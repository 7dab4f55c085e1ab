"""Reward functions: uploaded as source, listed and read."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry

from burnish.kit.paging import Span
from models import reward_function
from resolvers import cursors, reward_functions
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.reward_functions import RewardFunctionInput
from schema.context import Info
from schema.errors import Payload, settle
from schema.nodes import (
    After,
    Connection,
    CreatedAfter,
    CreatedBefore,
    First,
    Input,
    Node,
    Search,
    connect_page,
    within,
)
from schema.reward_tests import (
    RewardFormat,
    RewardSampleInput,
    RewardTestMutations,
    RewardTrial,
    RewardWeight,
    RewardWeightInput,
    given_source,
)

if TYPE_CHECKING:
    from schema.jobs import JobConnection

NOUN = "reward_functions"


@strawberry.type(description="A Python file that scores completions. It runs only in a jail.")
class RewardFunction(Node):
    name: str = strawberry.field(description="What its maker called it.")
    file_name: str = strawberry.field(description="What the file is called in tracebacks.")
    format: RewardFormat = strawberry.field(description="How it is called.")
    weights: list[RewardWeight] = strawberry.field(description="What components count; those not named here count once.")
    trial: RewardTrial | None = strawberry.field(description="What the test at its upload found; null for older ones.")
    source: str = strawberry.field(description="The file as it was uploaded.")
    sha256: str = strawberry.field(description="SHA-256 of the file, in hexadecimal.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, row: reward_function.RewardFunction) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            name=row.name,
            file_name=row.file_name,
            format=RewardFormat(row.format),
            weights=[RewardWeight(name=name, weight=weight) for name, weight in (row.weights or {}).items()],
            trial=None if row.trial is None else RewardTrial.of(row.trial, row.weights or {}),
            source=row.source,
            sha256=row.sha256,
            created_at=row.created_at,
        )

    @strawberry.field(description="The jobs that learned from it, newest first.")
    async def jobs(
        self, info: Info, first: First = 20, after: After = None
    ) -> Annotated["JobConnection", strawberry.lazy("schema.jobs")]:
        from schema.jobs import newest_of

        return await newest_of(info, info.context.loaders.jobs_of_reward_function, {"reward_function_id": self.id}, first, after)


@strawberry.type(description="A page of reward functions.")
class RewardFunctionConnection(Connection[RewardFunction]): ...


@strawberry.input(description="A reward function to make.")
class CreateRewardFunctionInput:
    name: str = strawberry.field(description="What to call it.")
    source: str = strawberry.field(description="The text of the Python file.")
    format: RewardFormat = strawberry.field(default=RewardFormat.TRL, description="How it is called.")
    file_name: str | None = strawberry.field(default=None, description="What to call the file in tracebacks; else `reward.py`.")
    weights: list[RewardWeightInput] | None = strawberry.field(
        default=None, description="What components are to count; those not named here count once."
    )
    samples: list[RewardSampleInput] | None = strawberry.field(
        default=None, description="Completions to try it on, at most 256; made-up ones where there are none."
    )
    allow_nondeterministic: bool = strawberry.field(
        default=False, description="Take a function that gives different answers for the same batch."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key makes nothing twice.")


@strawberry.input(description="A reward function to delete.")
class DeleteRewardFunctionInput:
    id: strawberry.ID = strawberry.field(description="The id of the reward function.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The reward function that is gone.")
class DeleteRewardFunctionPayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="Its id.")


@strawberry.type(description="The reward function that was made.")
class RewardFunctionPayload(Payload):
    reward_function: RewardFunction | None = strawberry.field(default=None, description="The reward function.")


@strawberry.type
class RewardFunctionQueries:
    @strawberry.field(description="A reward function; null where the account has no such one.")
    async def reward_function(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id, `rf_…`.")]
    ) -> RewardFunction | None:
        row = await info.context.loaders.reward_function.load(id)
        return None if row is None else RewardFunction.of(row)

    @strawberry.field(description="The account's reward functions, newest first.")
    async def reward_functions(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        search: Search = None,
        created_after: CreatedAfter = None,
        created_before: CreatedBefore = None,
    ) -> RewardFunctionConnection:
        ctx = info.context.known
        created = Span(created_after, created_before)
        start = cursors.read_item(after, NOUN)
        page = await reward_functions.page(ctx, search=search, created=created, limit=within(first), after=start)
        return connect_page(RewardFunctionConnection, NOUN, page, RewardFunction.of, after)


@strawberry.type
class RewardFunctionMutations(RewardTestMutations):
    @strawberry.mutation(
        description="Store a reward function. It is loaded and run on samples in a jail first, and refused where that fails."
    )
    async def create_reward_function(
        self, info: Info, input: Annotated[CreateRewardFunctionInput, Input]
    ) -> RewardFunctionPayload:
        async def act(ctx: Context) -> RewardFunctionPayload:
            row = await reward_functions.create(ctx, parse(RewardFunctionInput, _given(input)))
            return RewardFunctionPayload(reward_function=RewardFunction.of(row))

        return await settle(info, input, RewardFunctionPayload, act, {"file": "source"})

    @strawberry.mutation(
        description="Delete a reward function that no job in progress uses. Jobs that have ended keep what they ran."
    )
    async def delete_reward_function(
        self, info: Info, input: Annotated[DeleteRewardFunctionInput, Input]
    ) -> DeleteRewardFunctionPayload:
        async def act(ctx: Context) -> DeleteRewardFunctionPayload:
            row = await reward_functions.delete(ctx, input.id)
            return DeleteRewardFunctionPayload(deleted_id=strawberry.ID(row.id))

        return await settle(info, input, DeleteRewardFunctionPayload, act, {"reward_function_id": "id"})


def _given(input: CreateRewardFunctionInput) -> dict[str, Any]:
    """Return the input as `resolvers.reward_functions.RewardFunctionInput` reads it."""
    given = given_source(input.source, input)
    return given | {"name": input.name, "allow_nondeterministic": input.allow_nondeterministic}

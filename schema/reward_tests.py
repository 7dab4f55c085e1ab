"""Reward functions on samples: the contract test of an upload, and a test at any time."""

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Protocol, Self

import strawberry

from burnish.kit.errors import Invalid
from resolvers import reward_tests
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.reward_functions import RewardSource
from resolvers.reward_tests import RewardTestInput, Tested
from schema.context import Info
from schema.errors import LineIssue, Payload, settle
from schema.nodes import Input
from schema.scalars import JSON


@strawberry.enum(description="How a reward function is called.")
class RewardFormat(Enum):
    TRL = strawberry.enum_value(
        "trl", description="`def reward(prompts, completions, **columns) -> list[float]`, as TRL calls it."
    )
    MILES = strawberry.enum_value("miles", description="`async def reward(args, sample) -> float`, as miles calls it.")
    VERL = strawberry.enum_value(
        "verl",
        description="`def compute_score(data_source, solution_str, ground_truth, extra_info) -> float`, as verl calls it.",
    )


@strawberry.type(description="What a named component counts in the reward.")
class RewardWeight:
    name: str = strawberry.field(description="The component.")
    weight: float = strawberry.field(description="Its factor.")


@strawberry.input(description="What a named component is to count in the reward.")
class RewardWeightInput:
    name: str = strawberry.field(description="The component.")
    weight: float = strawberry.field(description="Its factor.")


@strawberry.enum(description="What a reward function was tried on.")
class RewardSamples(Enum):
    GIVEN = strawberry.enum_value("given", description="The caller's samples.")
    BUILT_IN = strawberry.enum_value("built-in", description="Made-up ones.")


@strawberry.enum(description="What prompts and completions are.")
class PromptKind(Enum):
    TEXT = strawberry.enum_value("text", description="Texts.")
    MESSAGES = strawberry.enum_value("messages", description="Lists of messages.")


@strawberry.type(description="One named part of the reward, over all samples.")
class RewardComponentScores:
    name: str = strawberry.field(description="The name of the part: the reward function's own.")
    weight: float = strawberry.field(description="Its factor in the reward.")
    values: list[float | None] = strawberry.field(description="What it gave, a sample each; null where it gave nothing.")

    @classmethod
    def all_of(cls, components: Mapping[str, list[float | None]], weights: Mapping[str, float]) -> list[Self]:
        return [cls(name=name, weight=weights.get(name, 1.0), values=values) for name, values in components.items()]


@strawberry.type(description="What the contract test found when the function was uploaded.")
class RewardTrial:
    samples: RewardSamples = strawberry.field(description="What it was tried on.")
    prompts: PromptKind = strawberry.field(description="What prompts and completions were there.")
    rewards: list[float | None] | None = strawberry.field(
        description="The reward of each sample; null where the function needs rows of its dataset to be tried."
    )
    components: list[RewardComponentScores] = strawberry.field(description="The parts of the rewards.")
    duration_ms: float | None = strawberry.field(description="How long it took for the samples, in milliseconds.")
    warnings: list[LineIssue] = strawberry.field(description="What could not be tested, and what to look at.")

    @classmethod
    def of(cls, trial: Mapping[str, Any], weights: Mapping[str, float]) -> Self:
        return cls(
            samples=RewardSamples(trial["samples"]),
            prompts=PromptKind(trial["prompts"]),
            rewards=trial["rewards"],
            components=RewardComponentScores.all_of(trial["components"] or {}, weights),
            duration_ms=trial["duration_ms"],
            warnings=[LineIssue(line=item["line"], message=item["message"]) for item in trial["warnings"]],
        )


@strawberry.type(description="What a reward function did wrong.")
class RewardTestError:
    sample: int | None = strawberry.field(description="Which sample, from 0; null where it was all of them.")
    file: str = strawberry.field(description="The name of the file.")
    line: int | None = strawberry.field(description="The line, from 1.")
    message: str = strawberry.field(description="What was wrong there, with the traceback where there is one.")


@strawberry.type(description="The scores of samples.")
class RewardTest:
    rewards: list[float | None] = strawberry.field(
        description="The reward of each sample; null where it was skipped or went wrong."
    )
    components: list[RewardComponentScores] = strawberry.field(description="The parts of the rewards.")
    stdout: str = strawberry.field(description="What the function printed.")
    duration_ms: float = strawberry.field(description="How long it took, in milliseconds.")
    errors: list[RewardTestError] = strawberry.field(description="What it did wrong.")

    @classmethod
    def of(cls, tested: Tested) -> Self:
        return cls(
            rewards=tested.rewards,
            components=RewardComponentScores.all_of(tested.components, tested.weights),
            stdout=tested.stdout,
            duration_ms=tested.duration_ms,
            errors=[
                RewardTestError(sample=error.sample, file=error.file, line=error.line, message=error.message)
                for error in tested.errors
            ],
        )


@strawberry.input(description="A completion to score.")
class RewardSampleInput:
    prompt: JSON = strawberry.field(description="The prompt: a text, or a list of messages.")
    completion: JSON = strawberry.field(description="What the model answered: a text, or a list of messages.")
    columns: JSON | None = strawberry.field(default=None, description="The other columns of its row of the dataset, by name.")


@strawberry.input(description="A reward function to test: a stored one by its `id`, or `source` that is stored nowhere.")
class TestRewardInput:
    id: strawberry.ID | None = strawberry.field(default=None, description="The id of a stored reward function.")
    source: str | None = strawberry.field(default=None, description="Instead of an id: the text of a Python file.")
    format: RewardFormat = strawberry.field(default=RewardFormat.TRL, description="With `source`: how it is called.")
    file_name: str | None = strawberry.field(
        default=None, description="With `source`: what to call the file in tracebacks; else `reward.py`."
    )
    weights: list[RewardWeightInput] | None = strawberry.field(
        default=None, description="With `source`: what components are to count; those not named here count once."
    )
    samples: list[RewardSampleInput] | None = strawberry.field(
        default=None, description="What to score, at most 256; made-up completions where there is nothing."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Taken as everywhere, and of no effect: a test makes nothing."
    )


@strawberry.type(description="The test of a reward function.")
class TestRewardPayload(Payload):
    test: RewardTest | None = strawberry.field(default=None, description="What it gave.")


def given_samples(samples: list[RewardSampleInput] | None) -> list[dict[str, Any]] | None:
    """Return samples as `resolvers.reward_bench.SampleInput` reads them."""
    if samples is None:
        return None
    return [{"prompt": one.prompt, "completion": one.completion, "columns": one.columns or {}} for one in samples]


class _Sent(Protocol):
    """An input that has source with it."""

    format: RewardFormat
    file_name: str | None
    weights: list[RewardWeightInput] | None
    samples: list[RewardSampleInput] | None


def given_source(source: str, input: _Sent) -> dict[str, Any]:
    """Return source as `resolvers.reward_functions.RewardSource` reads it."""
    given: dict[str, Any] = {
        "source": source.encode(),
        "format": input.format.value,
        "weights": None if input.weights is None else {item.name: item.weight for item in input.weights},
        "samples": given_samples(input.samples),
    }
    return given | ({} if input.file_name is None else {"file_name": input.file_name})


@strawberry.type
class RewardTestMutations:
    @strawberry.mutation(
        description="Score samples with a reward function, in its jail. Nothing is stored. Source that does not load is no error "
        "of the request: the test's `errors` say what is wrong at which line."
    )
    async def test_reward(self, info: Info, input: Annotated[TestRewardInput, Input]) -> TestRewardPayload:
        async def act(ctx: Context) -> TestRewardPayload:
            return TestRewardPayload(test=RewardTest.of(await _tested(ctx, input)))

        return await settle(info, input, TestRewardPayload, act, {"reward_function_id": "id", "file": "source"})


async def _tested(ctx: Context, input: TestRewardInput) -> Tested:
    if input.source is not None:
        if input.id is not None:
            raise Invalid("Give either the id of a stored reward function or source.", param="source")
        return await reward_tests.test_source(ctx, parse(RewardSource, given_source(input.source, input)))
    if input.id is None:
        raise Invalid("Give the id of a stored reward function, or source.", param="id")
    if input.weights is not None or input.file_name is not None:
        raise Invalid("A stored reward function has its own weights and file name.", param="weights")
    return await reward_tests.test(ctx, input.id, parse(RewardTestInput, {"samples": given_samples(input.samples)}))

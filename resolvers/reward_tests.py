"""A reward function on a caller's samples: a stored one, or source that is nowhere kept."""

from dataclasses import dataclass
from functools import partial

from engines.rewards import sample
from engines.rewards.answers import check_weights
from engines.rewards.jail import Jail
from engines.rewards.shapes import RewardProblem
from engines.rewards.verdicts import RewardFailure
from resolvers import reward_bench, reward_functions
from resolvers.context import Context
from resolvers.inputs import Input
from resolvers.reward_bench import SampleInput, Samples
from resolvers.reward_functions import RewardSource

NOTHING = sample.Batch([], [], {})


class RewardTestInput(Input):
    """What to score; made-up completions where there is nothing."""

    samples: Samples | None = None


@dataclass(frozen=True)
class SampleError:
    """What went wrong, with the user's file and line; `sample` is None where it was the whole batch."""

    sample: int | None
    file: str
    line: int | None
    message: str


@dataclass(frozen=True)
class Tested:
    """The scores of the samples, in their order; a reward of None was skipped or went wrong."""

    samples: sample.Batch
    rewards: list[float | None]
    components: dict[str, list[float | None]]
    weights: dict[str, float]
    stdout: str
    duration_ms: float
    errors: list[SampleError]


async def test(ctx: Context, reward_function_id: str, spec: RewardTestInput) -> Tested:
    """Score samples with a stored function; what its code does wrong is in `errors`. Unavailable where it cannot be run here."""
    ctx.require("write")
    row = await reward_functions.get(ctx, reward_function_id)
    jail = reward_bench.jail(ctx.core.settings, row.source.encode(), row.format, row.file_name, row.weights)
    messages = (row.trial or {}).get("prompts") == "messages"
    return await reward_bench.on_bench(ctx, partial(_test, jail, row.file_name, spec.samples, messages=messages))


async def test_source(ctx: Context, spec: RewardSource) -> Tested:
    """Score samples with source that is sent along, as `test` does; a file that does not load is in `errors`, too.

    Nothing of it is stored. PayloadTooLarge for a file that could not be stored either.
    """
    ctx.require("write")
    reward_functions.check_size(ctx, spec.source)
    try:
        check_weights(spec.weights or {})
    except RewardProblem as problem:
        raise reward_functions.refusal("weights", (problem.message, None)) from None
    jail = reward_bench.jail(ctx.core.settings, spec.source, spec.format, spec.file_name, spec.weights)
    return await reward_bench.on_bench(ctx, partial(_test, jail, spec.file_name, spec.samples, messages=False))


def _test(jail: Jail, file: str, samples: list[SampleInput] | None, *, messages: bool) -> Tested:
    batch = reward_bench.batch_of(samples) if samples else NOTHING
    try:
        if not samples:
            batch = sample.made_up(jail.shape.columns, messages=messages, form="text")
        ids = batch.token_ids
        scores = jail.score(
            batch.prompts, batch.completions, batch.columns, strict=False, completion_ids=ids, prompt_ids=[[] for _ in ids]
        )
    except RewardFailure as failure:
        error = SampleError(None, file, failure.user_code_line, failure.message)
        return Tested(batch, [None] * len(batch.completions), {}, {}, jail.stdout, 0.0, [error])
    finally:
        jail.close()
    found = enumerate(zip(scores.errors, scores.lines, strict=True))
    errors = [
        SampleError(index, file, line or jail.shape.line, message) for index, (message, line) in found if message is not None
    ]
    return Tested(batch, scores.rewards, scores.components, scores.weights, scores.stdout, scores.duration_ms, errors)

"""A stored reward function on a caller's samples."""

from dataclasses import dataclass
from functools import partial

from burnish.kit.settings import Settings
from engines.rewards import sample
from engines.rewards.verdicts import RewardFailure
from models.reward_function import RewardFunction
from resolvers import reward_bench, reward_functions
from resolvers.context import Context
from resolvers.inputs import Input
from resolvers.reward_bench import SampleInput, Samples


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
    return await reward_bench.on_bench(ctx, partial(_test, ctx.core.settings, row, spec.samples))


def _test(settings: Settings, row: RewardFunction, samples: list[SampleInput] | None) -> Tested:
    jail = reward_bench.jail(settings, row.source.encode(), row.format, row.file_name, row.weights)
    if samples:
        batch = reward_bench.batch_of(samples)
    else:
        messages = (row.trial or {}).get("prompts") == "messages"
        batch = sample.made_up(jail.shape.columns, messages=messages, form="text")
    ids = batch.token_ids
    try:
        scores = jail.score(
            batch.prompts, batch.completions, batch.columns, strict=False, completion_ids=ids, prompt_ids=[[] for _ in ids]
        )
    except RewardFailure as failure:
        error = SampleError(None, row.file_name, failure.user_code_line, failure.message)
        return Tested(batch, [None] * len(ids), {}, {}, jail.stdout, 0.0, [error])
    finally:
        jail.close()
    found = enumerate(zip(scores.errors, scores.lines, strict=True))
    errors = [
        SampleError(index, row.file_name, line or jail.shape.line, message)
        for index, (message, line) in found
        if message is not None
    ]
    return Tested(batch, scores.rewards, scores.components, scores.weights, scores.stdout, scores.duration_ms, errors)

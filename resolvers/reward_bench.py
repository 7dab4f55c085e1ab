"""Where reward functions are tried for callers.

The jails of an API process are few and each ends by a deadline, however many callers ask and whatever their code does.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from weakref import WeakValueDictionary

from pydantic import ConfigDict, Field, field_validator, model_validator

from burnish.kit.errors import Unavailable
from burnish.kit.settings import Settings
from engines.protocol import ChildFailure
from engines.rewards import sample, trial
from engines.rewards.jail import Jail, rules_of
from engines.rewards.trial import Trial
from engines.training.grpo_spec import GrpoHyperparameters
from resolvers.inputs import Input

if TYPE_CHECKING:
    from resolvers.context import Context

T = TypeVar("T")
WAIT_S = 30.0
RETRY_S = 30
MAX_DEPTH = 64
MESSAGE = ("role", "content")


class SampleInput(Input):
    """A completion to score, with the prompt that it answers. Every further field is a column of its row, as in a dataset."""

    model_config = ConfigDict(extra="allow", str_strip_whitespace=False)

    prompt: Any = Field(description="A text, or a list of messages.")
    completion: Any = Field(description="A text, or a list of messages.")
    columns: dict[str, Any] = Field(default_factory=dict, description="Columns of its row, beside those given as fields.")

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        named = {key: value for key, value in data.items() if key not in ("prompt", "completion", "columns")}
        if _depth(data) > MAX_DEPTH:
            raise ValueError(f"is nested deeper than {MAX_DEPTH} levels")
        columns = data.get("columns", {})
        if not isinstance(columns, Mapping):
            return data
        known = {key: data[key] for key in ("prompt", "completion") if key in data}
        return {**known, "columns": {**named, **columns}}

    @field_validator("prompt", "completion")
    @classmethod
    def _text_or_messages(cls, value: Any) -> Any:
        if isinstance(value, str) or (isinstance(value, list) and value and all(map(_is_message, value))):
            return value
        raise ValueError("must be a text or a list of messages with role and content")


Samples = Annotated[list[SampleInput], Field(min_length=1, max_length=sample.MAX_SAMPLES)]


def _depth(data: Any) -> int:
    """Return how deep lists and objects lie in each other, as far as that is allowed."""
    level, depth = [data], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        inner = [item for item in level if isinstance(item, (Mapping, list))]
        level = [child for item in inner for child in (item.values() if isinstance(item, Mapping) else item)]
    return depth


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and all(key in value for key in MESSAGE)


class Bench:
    """Where reward functions are tried: `reward_tests` at once, and one an account, so that nobody takes it all."""

    def __init__(self, settings: Settings) -> None:
        self._slots = asyncio.Semaphore(settings.reward_tests)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, account_id: str, work: Callable[[], T]) -> T:
        """Do `work` in a thread; Unavailable where its turn does not come. Whoever goes away keeps it to the end."""
        turn = self._turns.setdefault(account_id, asyncio.Lock())
        try:
            async with asyncio.timeout(WAIT_S):
                await turn.acquire()
                try:
                    await self._slots.acquire()
                except BaseException:
                    turn.release()
                    raise
        except TimeoutError:
            message = "Too many reward functions are being tested here."
            raise Unavailable(message, retry_after_s=RETRY_S, code="reward_tests_busy") from None

        def free(_: object) -> None:
            turn.release()
            self._slots.release()

        task = asyncio.ensure_future(asyncio.to_thread(work))
        task.add_done_callback(free)
        return await asyncio.shield(task)


def batch_of(samples: list[SampleInput]) -> sample.Batch:
    return sample.given([{"prompt": one.prompt, "completion": one.completion, "columns": one.columns} for one in samples])


async def upload(
    ctx: "Context",
    source: bytes,
    format: str,
    *,
    name: str,
    weights: Mapping[str, float] | None,
    samples: list[SampleInput] | None,
    allow_nondeterministic: bool,
) -> Trial:
    """Run the contract test; `trial.Refused` where the function fails it, Unavailable where this host cannot try it."""

    def work() -> Trial:
        with closing(jail(ctx.core.settings, source, format, name, weights)) as opened:
            given = batch_of(samples) if samples else None
            return trial.run(opened, given, format=format, allow_nondeterministic=allow_nondeterministic)

    return await on_bench(ctx, work)


def jail(settings: Settings, source: bytes, format: str, name: str, weights: Mapping[str, float] | None) -> Jail:
    """Return the jail for a test, not started."""
    args = GrpoHyperparameters().model_dump()
    deadline_s = settings.reward_test_deadline_s
    return Jail(source, format, name=name, weights=weights, args=args, rules=rules_of(settings), deadline_s=deadline_s)


async def on_bench(ctx: "Context", work: Callable[[], T]) -> T:
    """Do `work`, which uses a jail, in its turn; Unavailable where it does not come or this host cannot jail."""
    try:
        return await ctx.platform.bench.run(ctx.account.id, work)
    except ChildFailure as failure:
        raise Unavailable(failure.message, retry_after_s=RETRY_S, code="reward_jail_unavailable") from None

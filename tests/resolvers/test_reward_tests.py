"""Trying reward functions for callers: on their samples, a few at once, and for no longer than the deadline."""

import asyncio
import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import col, func, select

from burnish.kit.errors import Forbidden, Invalid, NotFound, PayloadTooLarge, SchemaInvalid, Unavailable
from burnish.kit.settings import Settings
from models.reward_function import RewardFunction
from resolvers import reward_bench, reward_functions, reward_tests
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.reward_bench import Bench, SampleInput
from resolvers.reward_functions import RewardFunctionInput, RewardSource
from resolvers.reward_tests import RewardTestInput
from tests.resolvers import conftest
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio

SOURCE = b"""
def reward(prompts, completions, answer, **columns):
    print("scoring", len(completions))
    return [{"right": float(a == c), "length": 1 / len(c)} for a, c in zip(answer, completions)]
"""
VERL = b"def compute_score(solution_str, ground_truth, **k):\n    return {'score': 1 / len(solution_str), 'acc': 1}\n"


async def made(ctx: Context, source: bytes = SOURCE, **fields: Any) -> str:
    samples = [SampleInput.model_validate({"prompt": "p", "completion": "4", "answer": "4"})]
    spec = RewardFunctionInput(name="x", source=source, samples=samples, file_name="mine.py", **fields)
    return (await reward_functions.create(ctx, spec)).id


def given(*samples: dict[str, Any]) -> RewardTestInput:
    return parse(RewardTestInput, {"samples": list(samples)})


async def test_samples_are_scored_with_components_weights_and_prints(ctx: Context) -> None:
    reward_id = await made(ctx, weights={"length": 0.5})
    spec = given(
        {"prompt": "2+2", "completion": "4", "answer": "4"}, {"prompt": "2+2", "completion": "45", "columns": {"answer": "4"}}
    )
    tested = await reward_tests.test(ctx, reward_id, spec)
    assert tested.rewards == [1.5, 0.25]
    assert tested.components == {"right": [1.0, 0.0], "length": [1.0, 0.5]}
    assert (tested.weights, tested.stdout, tested.errors) == ({"right": 1.0, "length": 0.5}, "scoring 2\n", [])
    assert tested.duration_ms > 0


async def test_what_the_code_does_wrong_is_told_with_file_and_line(ctx: Context) -> None:
    tested = await reward_tests.test(ctx, await made(ctx), given({"prompt": "p", "completion": "", "answer": "4"}))
    assert (tested.rewards, tested.components, tested.stdout) == ([None], {}, "scoring 1\n")
    (error,) = tested.errors
    assert (error.sample, error.file, error.line) == (None, "mine.py", 4)
    assert 'File "mine.py", line 4, in reward' in error.message
    assert error.message.endswith("ZeroDivisionError: division by zero")


async def test_one_wrong_completion_leaves_the_others_scored(ctx: Context) -> None:
    spec = given(*({"prompt": "p", "completion": text} for text in ("ab", "", "a")))
    tested = await reward_tests.test(ctx, await made(ctx, VERL, format="verl"), spec)
    assert tested.rewards == [0.5, None, 1.0]
    assert [(error.sample, error.line) for error in tested.errors] == [(1, 2)]


async def test_without_samples_made_up_ones_are_scored(ctx: Context) -> None:
    tested = await reward_tests.test(ctx, await made(ctx, conftest.REWARD), RewardTestInput())
    assert tested.rewards == [1.0] * 5


async def stored(ctx: Context) -> int:
    async with ctx.db.read() as session:
        return (await session.exec(select(func.count(col(RewardFunction.id))))).one()


def sent(source: bytes, *samples: dict[str, Any], **fields: Any) -> RewardSource:
    return parse(RewardSource, {"source": source, "file_name": "draft.py", "samples": list(samples) or None, **fields})


async def test_source_that_is_nowhere_stored_is_tested_the_same_way(ctx: Context) -> None:
    spec = sent(SOURCE, {"prompt": "2+2", "completion": "45", "answer": "4"}, weights={"length": 0.5})
    tested = await reward_tests.test_source(ctx, spec)
    assert (tested.rewards, tested.components) == ([0.25], {"right": [0.0], "length": [0.5]})
    assert (tested.weights, tested.stdout, tested.errors) == ({"right": 1.0, "length": 0.5}, "scoring 1\n", [])
    assert (await reward_tests.test_source(ctx, sent(conftest.REWARD))).rewards == [1.0] * 5
    assert await stored(ctx) == 0


@pytest.mark.parametrize("samples", [[], [{"prompt": "p", "completion": "c"}]])
@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        (b"def reward(prompts, completions)\n    return []\n", 1, "expected ':'"),
        (b"x = 1\n", 1, "reward"),
        (
            b"def reward(completions, **k):\n    return [1.0] * len(completions)\n1 / 0\n",
            3,
            "ZeroDivisionError: division by zero",
        ),
        (b"\xff", 1, "UTF-8"),
    ],
)
async def test_source_that_does_not_load_is_told_by_line(
    ctx: Context, source: bytes, line: int, message: str, samples: list[dict[str, Any]]
) -> None:
    tested = await reward_tests.test_source(ctx, sent(source, *samples))
    (error,) = tested.errors
    assert (error.sample, error.file, error.line) == (None, "draft.py", line)
    assert message in error.message
    assert [reward for reward in tested.rewards if reward is not None] == []
    assert await stored(ctx) == 0


async def test_source_is_held_to_what_a_stored_file_is(ctx: Context) -> None:
    with pytest.raises(PayloadTooLarge):
        await reward_tests.test_source(ctx, sent(b"#" * (ctx.core.settings.max_reward_bytes + 1)))
    with pytest.raises(Invalid, match="is no component name") as caught:
        await reward_tests.test_source(ctx, sent(SOURCE, weights={"no name": 1.0}))
    assert caught.value.param == "weights"
    with pytest.raises(Forbidden):
        await reward_tests.test_source(replace(ctx, scopes=frozenset({"read"})), sent(SOURCE))


async def test_another_accounts_function_and_a_read_key_test_nothing(ctx: Context, tenants: Tenants) -> None:
    reward_id = await made(ctx)
    with pytest.raises(NotFound):
        await reward_tests.test(await tenants("other"), reward_id, RewardTestInput())
    with pytest.raises(Forbidden):
        await reward_tests.test(replace(ctx, scopes=frozenset({"read"})), reward_id, RewardTestInput())


@pytest.mark.parametrize(
    ("sample", "param"),
    [
        ({"completion": "c"}, "samples.0.prompt"),
        ({"prompt": "p", "completion": 3}, "samples.0.completion"),
        ({"prompt": [], "completion": "c"}, "samples.0.prompt"),
        ({"prompt": [{"role": "user"}], "completion": "c"}, "samples.0.prompt"),
        ({"prompt": "p", "completion": "c", "columns": 3}, "samples.0.columns"),
        ({"prompt": "p", "completion": "c", "deep": json.loads("[" * 900 + "]" * 900)}, "samples.0"),
    ],
)
def test_a_sample_that_is_none_is_named(sample: dict[str, Any], param: str) -> None:
    with pytest.raises(SchemaInvalid) as caught:
        given(sample)
    assert caught.value.param == param


def test_there_are_at_most_256_samples() -> None:
    with pytest.raises(SchemaInvalid):
        given(*({"prompt": "p", "completion": "c"} for _ in range(257)))
    with pytest.raises(SchemaInvalid):
        given()


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_so_many_run_at_once_and_one_an_account(settings: Settings) -> None:
    bench, go, running = Bench(settings.model_copy(update={"reward_tests": 2})), threading.Event(), list[str]()

    def work(name: str) -> None:
        running.append(name)
        assert go.wait(10)

    tasks = [asyncio.create_task(bench.run(name, lambda name=name: work(name))) for name in "aabc"]  # type: ignore[misc]
    await until(lambda: len(running) == 2)
    assert sorted(running) == ["a", "b"]
    go.set()
    await asyncio.gather(*tasks)
    assert sorted(running) == ["a", "a", "b", "c"]


async def test_who_goes_away_keeps_the_place_until_the_work_is_done(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reward_bench, "WAIT_S", 0.05)
    bench, go = Bench(settings.model_copy(update={"reward_tests": 1})), threading.Event()
    began = threading.Event()

    def work() -> bool:
        began.set()
        return go.wait(10)

    task = asyncio.create_task(bench.run("a", work))
    await until(began.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for account in ("a", "b"):
        with pytest.raises(Unavailable) as caught:
            await bench.run(account, lambda: True)
        assert caught.value.code == "reward_tests_busy"
    go.set()
    monkeypatch.setattr(reward_bench, "WAIT_S", 10.0)
    assert await bench.run("b", lambda: True)
    assert await bench.run("a", lambda: True)

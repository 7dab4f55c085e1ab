import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlmodel import select

from burnish.kit.errors import Conflict, Forbidden, Invalid, NotFound, PayloadTooLarge, Unavailable
from engines.rewards import landlock
from models.reward_function import RewardFunction
from resolvers import jobs, related, reward_functions
from resolvers.context import Context
from resolvers.reward_bench import SampleInput
from resolvers.reward_functions import RewardFunctionInput
from tests.resolvers import conftest
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio


async def kept(ctx: Context) -> int:
    async with ctx.db.read() as session:
        return len((await session.exec(select(RewardFunction))).all())


async def test_a_reward_function_is_kept_as_it_was_uploaded(ctx: Context) -> None:
    source = "# Größe\n".encode() + conftest.REWARD
    row = await reward_functions.create(ctx, RewardFunctionInput(name="exact", source=source))
    assert (await reward_functions.get(ctx, row.id)).source == source.decode()
    assert (row.format, len(row.sha256)) == ("trl", 64)


async def test_the_file_is_run_in_a_jail_only(ctx: Context) -> None:
    source = b"import os\npid = os.getpid()\ndef reward(completions, **k):\n    return [float(pid)] * len(completions)\n"
    row = await reward_functions.create(ctx, RewardFunctionInput(name="x", source=source))
    assert row.trial is not None
    assert os.getpid() not in row.trial["rewards"]


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        (b"raise SystemExit('run')\n" + conftest.REWARD, 1, "SystemExit: run"),
        (b"import nowhere\n" + conftest.REWARD, 1, "ModuleNotFoundError: reward functions may not import 'nowhere' here"),
        (b"def reward(completions, **k):\n    return [1.0]\n", 1, "reward() returned 1 rewards for 5 completions."),
        (b"def reward(completions, **k):\n    return [{}['x']] * len(completions)\n", 2, "KeyError: 'x'"),
    ],
)
async def test_a_file_that_fails_its_test_is_refused_with_its_line(ctx: Context, source: bytes, line: int, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        await reward_functions.create(ctx, RewardFunctionInput(name="x", source=source))
    assert (caught.value.code, caught.value.param) == ("invalid_reward_function", "file")
    assert caught.value.message.startswith(f"line {line}: {message}")
    assert await kept(ctx) == 0


async def test_a_function_that_needs_its_own_rows_is_kept_with_a_warning(ctx: Context) -> None:
    source = b"def reward(completions, cases):\n    return [float(case['x']) for case in cases]\n"
    row = await reward_functions.create(ctx, RewardFunctionInput(name="x", source=source))
    assert row.trial is not None
    assert [warning["line"] for warning in row.trial["warnings"]] == [2]
    samples = [SampleInput.model_validate({"prompt": "p", "completion": "c", "cases": {"y": 1}})]
    with pytest.raises(Invalid, match="line 2: KeyError: 'x'"):
        await reward_functions.create(ctx, RewardFunctionInput(name="x", source=source, samples=samples))


async def test_a_random_function_is_refused_unless_it_may_be(ctx: Context) -> None:
    source = b"import random\ndef reward(completions, **k):\n    return [random.random() for _ in completions]\n"
    with pytest.raises(Invalid, match="allow_nondeterministic"):
        await reward_functions.create(ctx, RewardFunctionInput(name="x", source=source))
    row = await reward_functions.create(ctx, RewardFunctionInput(name="x", source=source, allow_nondeterministic=True))
    assert row.trial is not None and len(row.trial["warnings"]) == 1


async def test_weights_are_kept_and_checked(ctx: Context) -> None:
    source = b"def reward(completions, **k):\n    return [{'right': 1, 'short': 2} for _ in completions]\n"
    row = await reward_functions.create(ctx, RewardFunctionInput(name="x", source=source, weights={"short": -0.25}))
    assert (row.weights, row.trial and row.trial["rewards"]) == ({"short": -0.25}, [0.5] * 5)
    with pytest.raises(Invalid) as caught:
        await reward_functions.create(ctx, RewardFunctionInput(name="x", source=source, weights={"a b": 1.0}))
    assert (caught.value.code, caught.value.param) == ("invalid_reward_function", "weights")
    assert await kept(ctx) == 1


@pytest.mark.parametrize(
    ("given", "kept_as"),
    [
        ("math.py", "math.py"),
        ("/home/me/a b.py", "a b.py"),
        ("C:\\x\\r.py", "r.py"),
        ("..", "reward.py"),
        ("a\nb.py", "reward.py"),
    ],
)
async def test_the_file_keeps_its_name_and_no_path(given: str, kept_as: str) -> None:
    assert RewardFunctionInput(name="x", source=b"", file_name=given).file_name == kept_as


async def test_a_host_that_cannot_jail_keeps_nothing(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(ctx.core.settings, "reward_require_landlock", True)
    with pytest.raises(Unavailable, match="cannot jail reward functions") as caught:
        await conftest.reward(ctx)
    assert caught.value.code == "reward_jail_unavailable"
    assert await kept(ctx) == 0


async def test_a_deleted_function_is_gone_and_deleted_once(ctx: Context, tenants: Tenants) -> None:
    row = await conftest.reward(ctx)
    with pytest.raises(NotFound):
        await reward_functions.delete(await tenants("other"), row.id)
    with pytest.raises(Forbidden):
        await reward_functions.delete(replace(ctx, scopes=frozenset({"read"})), row.id)
    assert (await reward_functions.get(ctx, row.id)).id == row.id
    await reward_functions.delete(ctx, row.id)
    for attempt in (reward_functions.get, reward_functions.delete):
        with pytest.raises(NotFound):
            await attempt(ctx, row.id)
    assert (await reward_functions.page(ctx)).items == []
    assert await related.by_id(ctx, RewardFunction, [row.id]) == {}
    assert await kept(ctx) == 1


async def test_a_function_in_use_is_not_deleted(ctx: Context, jsonl: Path) -> None:
    spec = jobs.JobInput.model_validate(
        {
            "base_model": "a/b",
            "dataset_id": (await conftest.dataset(ctx, jsonl)).id,
            "reward_function_id": (await conftest.reward(ctx)).id,
            "output_name": "sums",
            "gpu": {"type": "CPU", "count": 1},
        }
    )
    made = await jobs.create(ctx, spec)
    reward_id = str(made.reward_function_id)
    with pytest.raises(Conflict, match=made.id):
        await reward_functions.delete(ctx, reward_id)
    assert (await reward_functions.get(ctx, reward_id)).deleted_at is None
    await jobs.cancel(ctx, made.id)
    assert (await reward_functions.delete(ctx, reward_id)).deleted_at is not None
    with pytest.raises(NotFound):
        await jobs.create(ctx, spec)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"def reward(:\n", 1),
        (b"x = 1\n\ndef reward(prompts\n", 3),
        (b"x = 1\n", 1),
        (b"", 1),
        (b"ok = 1\nbad = '\x00'\n" + conftest.REWARD, 2),
        (b"ok = 1\n# \xff\n" + conftest.REWARD, 2),
        (b"# -*- coding: latin-1 -*-\n# \xe4\n" + conftest.REWARD, 2),
        (b"def reward(prompts, completions, /):\n    return []\n", 1),
        (b"return 1\n" + conftest.REWARD, 1),
        (b"x = " + b"(" * 5000 + b")" * 5000 + b"\n", 1),
    ],
)
async def test_a_file_that_can_never_work_is_refused_with_its_line(ctx: Context, source: bytes, line: int) -> None:
    with pytest.raises(Invalid) as caught:
        await reward_functions.create(ctx, RewardFunctionInput(name="x", source=source))
    assert (caught.value.code, caught.value.param) == ("invalid_reward_function", "file")
    assert caught.value.details is not None
    assert caught.value.details[0]["line"] == line
    assert caught.value.message == f"line {line}: {caught.value.details[0]['message']}"
    assert await kept(ctx) == 0


@pytest.mark.parametrize("format_", ["other", ""])
async def test_an_unknown_format_is_refused(ctx: Context, format_: str) -> None:
    with pytest.raises(Invalid) as caught:
        await reward_functions.create(ctx, RewardFunctionInput(name="x", source=conftest.REWARD, format=format_))
    assert caught.value.code == "invalid_reward_function"
    assert await kept(ctx) == 0


async def test_a_file_past_the_limit_is_refused(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctx.core.settings, "max_reward_bytes", 10)
    with pytest.raises(PayloadTooLarge):
        await conftest.reward(ctx)
    assert await kept(ctx) == 0


async def test_a_replay_makes_one(ctx: Context) -> None:
    again = replace(ctx, idempotency_key="once")
    assert (await conftest.reward(again)).id == (await conftest.reward(again)).id
    assert await kept(ctx) == 1


async def test_another_accounts_reward_is_unknown(ctx: Context, tenants: Tenants) -> None:
    theirs = await conftest.reward(await tenants("other"))
    with pytest.raises(NotFound, match=theirs.id):
        await reward_functions.get(ctx, theirs.id)
    assert (await reward_functions.page(ctx)).items == []


async def test_making_one_needs_the_scope(ctx: Context) -> None:
    with pytest.raises(Forbidden):
        await conftest.reward(replace(ctx, scopes=frozenset({"read"})))
    assert await kept(ctx) == 0

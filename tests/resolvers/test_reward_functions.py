from dataclasses import replace

import pytest
from sqlmodel import select

from burnish.kit.errors import Forbidden, Invalid, NotFound, PayloadTooLarge
from models.reward_function import RewardFunction
from resolvers import reward_functions
from resolvers.context import Context
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


async def test_the_file_is_never_run(ctx: Context) -> None:
    await reward_functions.create(ctx, RewardFunctionInput(name="x", source=b"raise SystemExit('run')\n" + conftest.REWARD))
    assert await kept(ctx) == 1


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


@pytest.mark.parametrize("format_", ["verl", "miles", "other", ""])
async def test_a_format_that_is_not_run_here_is_refused(ctx: Context, format_: str) -> None:
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

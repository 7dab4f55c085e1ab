import asyncio
from dataclasses import replace

import pytest
from sqlmodel import select

from burnish.kit import clock
from burnish.kit.errors import Conflict, Forbidden, Invalid, NotFound, SchemaInvalid
from models.api_key import ApiKey
from resolvers import api_keys, auth
from resolvers.api_keys import ApiKeyInput
from resolvers.context import Context
from resolvers.inputs import parse
from tests.resolvers.conftest import Tenants, as_caller

pytestmark = pytest.mark.anyio


async def names(ctx: Context) -> list[str]:
    return [row.name for row in (await api_keys.page(ctx, limit=100)).items]


async def test_a_new_key_works_and_carries_its_scopes(ctx: Context) -> None:
    row, key = await api_keys.create(ctx, ApiKeyInput(name="ci", scopes=["read", "inference", "read"]))
    assert key is not None
    found = await auth.authenticate(ctx.core, key)
    assert (found.key.id, found.account.id, found.key.scopes) == (row.id, ctx.account.id, ["inference", "read"])
    assert key.startswith(row.key_prefix)


async def test_without_scopes_a_key_gets_those_of_its_maker(ctx: Context) -> None:
    _, key = await api_keys.create(ctx, ApiKeyInput(name="lesser", scopes=["read", "write"]))
    lesser = await as_caller(ctx.platform, key or "")
    row, _ = await api_keys.create(lesser, ApiKeyInput(name="least"))
    assert row.scopes == ["read", "write"]


async def test_a_key_cannot_give_away_what_it_lacks(ctx: Context) -> None:
    _, key = await api_keys.create(ctx, ApiKeyInput(name="lesser", scopes=["read", "write"]))
    lesser = await as_caller(ctx.platform, key or "")
    with pytest.raises(Forbidden, match="inference"):
        await api_keys.create(lesser, ApiKeyInput(name="more", scopes=["read", "inference"]))
    assert await names(ctx) == ["lesser", "default"]


async def test_an_unknown_scope_is_refused(ctx: Context) -> None:
    with pytest.raises(Invalid, match="Unknown scope 'admin'; there are read, write, inference") as caught:
        await api_keys.create(ctx, ApiKeyInput(name="x", scopes=["admin"]))
    assert caught.value.param == "scopes"
    assert await names(ctx) == ["default"]


async def test_every_verb_asks_for_its_scope(ctx: Context) -> None:
    reader, writer = (replace(ctx, scopes=frozenset({scope})) for scope in ("read", "write"))
    with pytest.raises(Forbidden, match="write"):
        await api_keys.create(reader, ApiKeyInput(name="x"))
    with pytest.raises(Forbidden, match="write"):
        await api_keys.revoke(reader, ctx.key.id)
    with pytest.raises(Forbidden, match="read"):
        await api_keys.page(writer)
    with pytest.raises(Forbidden, match="read"):
        await api_keys.get(writer, ctx.key.id)
    assert await names(ctx) == ["default"]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": 7}, "name"),
        ({"name": "x", "expires_in_seconds": 0}, "expires_in_seconds"),
        ({"name": "x", "expires_in_seconds": 10**12}, "expires_in_seconds"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": "read"}, "scopes"),
        ({"name": "x", "account_id": "acct_other"}, "account_id"),
    ],
)
async def test_a_wrong_field_is_named(given: dict[str, object], param: str) -> None:
    with pytest.raises(SchemaInvalid) as caught:
        parse(ApiKeyInput, given)
    assert caught.value.param == param


async def test_only_keys_in_force_are_listed(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await api_keys.create(ctx, ApiKeyInput(name="short", expires_in_seconds=5))
    gone, _ = await api_keys.create(ctx, ApiKeyInput(name="gone"))
    assert await names(ctx) == ["gone", "short", "default"]
    await api_keys.revoke(ctx, gone.id)
    later = clock.now_micros() + 6_000_000
    monkeypatch.setattr(clock, "now_micros", lambda: later)
    assert await names(ctx) == ["default"]


async def test_another_accounts_key_is_as_unknown_as_one_that_never_was(ctx: Context, tenants: Tenants) -> None:
    other = await tenants("other")
    said = set()
    for key_id in (other.key.id, "key_nonsense"):
        for verb in (api_keys.get, api_keys.revoke):
            with pytest.raises(NotFound) as caught:
                await verb(ctx, key_id)
            said.add(caught.value.message.replace(key_id, "ID"))
    assert said == {"No such API key: ID"}
    assert await names(other) == ["default"]


async def test_of_many_who_revoke_a_key_one_does(on_both: Tenants) -> None:
    ctx = await on_both()
    row, _ = await api_keys.create(ctx, ApiKeyInput(name="x"))
    answers = await asyncio.gather(*(api_keys.revoke(ctx, row.id) for _ in range(20)), return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["ApiKey"] + ["NotFound"] * 19


async def test_a_replay_answers_the_same_row_without_the_key(ctx: Context) -> None:
    again = replace(ctx, idempotency_key="once")
    first, key = await api_keys.create(again, ApiKeyInput(name="x"))
    second, none = await api_keys.create(again, ApiKeyInput(name="x"))
    assert (second.id, none) == (first.id, None)
    assert key is not None
    with pytest.raises(Conflict):
        await api_keys.create(again, ApiKeyInput(name="y"))
    assert await names(ctx) == ["x", "default"]


async def test_parallel_replays_make_one_key_that_one_caller_gets(on_both: Tenants) -> None:
    ctx = await on_both(key="once")
    answers = await asyncio.gather(*(api_keys.create(ctx, ApiKeyInput(name="x")) for _ in range(20)))
    keys = [key for _, key in answers if key is not None]
    assert len({row.id for row, _ in answers}) == 1
    assert len(keys) == 1
    assert (await auth.authenticate(ctx.core, keys[0])).key.id == answers[0][0].id
    async with ctx.db.read() as session:
        assert len((await session.exec(select(ApiKey))).all()) == 2

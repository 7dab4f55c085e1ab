from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.errors import RateLimited, Unauthenticated
from models.api_key import ApiKey
from resolvers import accounts, api_keys, auth
from resolvers.context import Context, Platform
from resolvers.inference import Gateway

pytestmark = pytest.mark.anyio


async def refused(core: Core, key: str | None) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await auth.authenticate(core, key)
    assert (caught.value.status, caught.value.code, caught.value.param) == (401, None, None)
    return caught.value.message


@pytest.fixture
async def key(core: Core) -> str:
    _, made = await accounts.create(core, "tenant")
    return made


@pytest.fixture
async def ctx_of(core: Core, key: str) -> Context:
    found = await auth.authenticate(core, key)
    return Context(Platform(core, Gateway(core)), found.account, found.key, "req", None, frozenset(found.key.scopes))


async def test_a_key_and_its_other_prefix_name_the_account(core: Core, key: str) -> None:
    for presented in (key, key.replace("vk_", "lk_", 1)):
        found = await auth.authenticate(core, presented)
        assert (found.account.slug, found.key.name, found.key.scopes) == ("tenant", "default", ["read", "write", "inference"])


async def test_all_that_is_no_key_is_refused_in_the_same_words(core: Core, key: str) -> None:
    wrong = [
        None, "", "vk_", "vk_unknown", key.removeprefix("vk_"), "sk_" + key.removeprefix("vk_"), key.upper(), key + "x", key[:-1],
        f" {key}", "vk_" + "a" * 10**6, "vk_ä", "vk_\ud800", "vk_\x00", "vk_' OR '1'='1", key + "\n",
    ]  # fmt: skip
    assert {await refused(core, presented) for presented in wrong} == {"Invalid API key"}


async def test_a_revoked_key_is_refused_from_the_next_request_on(core: Core, key: str, ctx_of: Context) -> None:
    await api_keys.revoke(ctx_of, ctx_of.key.id)
    assert await refused(core, key) == "Invalid API key"


async def test_an_expired_key_is_refused(core: Core, ctx_of: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    _, made = await api_keys.create(ctx_of, api_keys.ApiKeyInput(name="short", expires_in_seconds=60))
    assert made is not None
    start = clock.now_micros()
    assert (await auth.authenticate(core, made)).key.name == "short"
    monkeypatch.setattr(clock, "now_micros", lambda: start + 60_000_000)
    assert await refused(core, made) == "Invalid API key"


async def test_the_database_holds_no_key(core: Core, key: str) -> None:
    async with core.db.read() as session:
        (row,) = (await session.exec(select(ApiKey))).all()
    secret = key.removeprefix("vk_")
    assert row.key_hash == core.secrets.hash_key(secret)
    assert secret not in repr(row)
    assert row.key_prefix == key[:11]


async def test_the_last_use_is_written_once_a_minute(core: Core, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now_micros()
    seen = []
    for second in (0, 1, 59, 61, 62, 200):
        monkeypatch.setattr(clock, "now_micros", lambda second=second: start + second * 1_000_000)
        await auth.authenticate(core, key)
        async with core.db.read() as session:
            used = (await session.exec(select(ApiKey.last_used_at))).one()
        assert used is not None
        seen.append((used - clock.from_micros(start)) // timedelta(seconds=1))
    assert seen == [0, 0, 0, 61, 61, 200]


async def test_a_caller_is_still_known_where_nothing_can_be_written(core: Core, key: str) -> None:
    async with core.db.transaction() as session:
        await (await session.connection()).exec_driver_sql(
            "CREATE TRIGGER full BEFORE UPDATE ON api_key BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    assert (await auth.authenticate(core, key)).account.slug == "tenant"
    async with core.db.read() as session:
        assert (await session.exec(select(ApiKey).where(col(ApiKey.last_used_at).is_not(None)))).all() == []


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({"authorization": "Bearer {key}"}, True),
        ({"authorization": "bearer   {key} "}, True),
        ({"xi-api-key": "{key}"}, True),
        ({"authorization": "Basic abc", "xi-api-key": "{key}"}, True),
        ({}, False),
        ({"authorization": "{key}"}, False),
        ({"authorization": "Basic {key}"}, False),
        ({"authorization": "Bearer"}, False),
        ({"authorization": "Bearer wrong", "xi-api-key": "{key}"}, False),
    ],
)
async def test_a_key_is_read_from_either_header(core: Core, key: str, headers: dict[str, str], known: bool) -> None:
    platform = Platform(core, Gateway(core))
    given = {name: value.format(key=key) for name, value in headers.items()} | {"idempotency-key": "once"}
    if not known:
        with pytest.raises(Unauthenticated):
            await auth.caller(platform, given, "req_1")
        return
    ctx = await auth.caller(platform, given, "req_1")
    assert (ctx.account.slug, ctx.request_id, ctx.idempotency_key) == ("tenant", "req_1", "once")
    assert ctx.scopes == {"read", "write", "inference"}


async def test_a_key_is_looked_up_once_a_second(core: Core, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now_micros()
    seen = []
    for micros in (0, 999_999, 1_000_000, 500_000, 2_000_000):
        monkeypatch.setattr(clock, "now_micros", lambda micros=micros: start + micros)
        seen.append(await auth.authenticate(core, key))
    # Set back to before the look-up, the clock makes it old.
    assert [second is first for first, second in pairwise(seen)] == [True, False, False, False]


async def test_a_key_that_another_process_revoked_is_refused_within_a_second(
    core: Core, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now_micros()
    await auth.authenticate(core, key)
    async with core.db.transaction() as session:
        await session.exec(update(ApiKey).values(revoked_at=clock.now()))
    monkeypatch.setattr(clock, "now_micros", lambda: start + 2_000_000)
    with pytest.raises(Unauthenticated):
        await auth.authenticate(core, key)


def known(ctx: Context, key: str) -> Context | None:
    return auth.remembered(ctx.platform, {"authorization": f"Bearer {key}"}, "req_1")


async def test_a_key_in_use_is_renewed_before_it_is_forgotten(
    core: Core, key: str, ctx_of: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now_micros()
    monkeypatch.setattr(clock, "now_micros", lambda: start)
    auth.forget(core)
    await auth.authenticate(core, key)
    memory = auth._memories[core]
    assert (found := known(ctx_of, key)) is not None
    assert (found.account.slug, found.scopes) == ("tenant", frozenset({"read", "write", "inference"}))
    assert memory._renewing == {}
    monkeypatch.setattr(clock, "now_micros", lambda: start + 700_001)
    assert [known(ctx_of, key) is not None for _ in range(3)] == [True] * 3
    # However many ask meanwhile, and nobody waits for it.
    [task] = memory._renewing.values()
    await task
    monkeypatch.setattr(clock, "now_micros", lambda: start + 1_700_000)
    assert known(ctx_of, key) is not None
    monkeypatch.setattr(clock, "now_micros", lambda: start + 1_700_002)
    assert known(ctx_of, key) is None


async def test_a_renewal_finds_that_another_process_has_revoked_the_key(
    core: Core, key: str, ctx_of: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now_micros()
    monkeypatch.setattr(clock, "now_micros", lambda: start)
    auth.forget(core)
    await auth.authenticate(core, key)
    async with core.db.transaction() as session:
        await session.exec(update(ApiKey).values(revoked_at=clock.now()))
    monkeypatch.setattr(clock, "now_micros", lambda: start + 700_001)
    assert known(ctx_of, key) is not None
    [task] = auth._memories[core]._renewing.values()
    await task
    assert known(ctx_of, key) is None


@pytest.mark.parametrize("shown", ["Bearer wrong", "Basic {key}", "Bearer", ""])
async def test_what_is_no_key_is_not_remembered(core: Core, key: str, ctx_of: Context, shown: str) -> None:
    await auth.authenticate(core, key)
    headers = {"authorization": shown.format(key=key)}
    assert auth.remembered(ctx_of.platform, headers, "req_1") is None


async def test_a_look_up_that_a_revocation_overtakes_brings_no_key_back(
    core: Core, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overtaken(core: Core, found: ApiKey) -> None:
        async with core.db.transaction() as session:
            await session.exec(update(ApiKey).values(revoked_at=clock.now()))
        auth.forget(core)

    monkeypatch.setattr(auth, "_touch", overtaken)
    await auth.authenticate(core, key)
    with pytest.raises(Unauthenticated):
        await auth.authenticate(core, key)


async def test_where_an_address_guesses_too_often_a_revocation_makes_no_strangers_of_its_good_keys(
    core: Core, key: str, ctx_of: Context
) -> None:
    core.settings.requests_per_minute = 10
    await auth.authenticate(core, key, "192.0.2.1")
    with pytest.raises(Unauthenticated):
        await auth.authenticate(core, "vk_guess0", "192.0.2.1")
    with pytest.raises(RateLimited):
        await auth.authenticate(core, "vk_guess1", "192.0.2.1")
    other, _ = await api_keys.create(ctx_of, api_keys.ApiKeyInput(name="other"))
    await api_keys.revoke(ctx_of, other.id)
    assert (await auth.authenticate(core, key, "192.0.2.1")).key.id == ctx_of.key.id


async def test_a_key_that_expires_is_refused_at_once(core: Core, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now_micros()
    async with core.db.transaction() as session:
        await session.exec(update(ApiKey).values(expires_at=clock.from_micros(now + 10_000_000)))
    monkeypatch.setattr(clock, "now_micros", lambda: now + 9_999_999)
    await auth.authenticate(core, key)
    monkeypatch.setattr(clock, "now_micros", lambda: now + 10_000_000)
    with pytest.raises(Unauthenticated):
        await auth.authenticate(core, key)

"""Sessions without a server: what is guessed, raced for, compared and kept."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import update
from sqlmodel import col, select

from burnish.kit import clock, limits
from burnish.kit.core import Core
from burnish.kit.errors import Conflict, Invalid, NotFound, RateLimited, Unauthenticated, Unavailable
from models.account_user import AccountUser, SignInLink
from models.api_key import SESSION, ApiKey
from models.audit import AuditEntry
from resolvers import account_users, accounts, api_keys, auth, hashing, passwords, rate_limits, sessions, sign_in_links
from resolvers.context import Context, Platform
from resolvers.inference import Gateway
from resolvers.passwords import PasswordInput
from resolvers.sessions import Guest, Signed, SignInInput
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes as little as Argon2 lets one: how dear they are is Argon2's own affair."""
    monkeypatch.setattr(hashing, "HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def guest(ctx: Context, address: str = "10.0.0.1") -> Guest:
    return Guest(ctx.platform, "req_test", address, "Firefox")


async def enter(ctx: Context, *, address: str = "10.0.0.1", **given: str) -> Signed:
    return await sessions.sign_in(guest(ctx, address), SignInInput(**given))


async def refused(ctx: Context, *, address: str = "10.0.0.1", **given: str) -> str:
    with pytest.raises(Invalid) as caught:
        await enter(ctx, address=address, **given)
    assert caught.value.code == "invalid_credentials"
    return caught.value.message


def as_session(signed: Signed, key: str | None = None) -> Context:
    found = signed.context
    return Context(found.platform, found.account, found.key, "req_test", key, found.scopes)


async def stored(core: Core) -> list[ApiKey]:
    async with core.db.read() as session:
        return list((await session.exec(select(ApiKey).where(ApiKey.kind == SESSION).order_by(col(ApiKey.id)))).all())


async def test_of_many_who_use_a_link_at_once_one_gets_a_session(on_both: Tenants) -> None:
    ctx = await on_both()
    token = (await sign_in_links.create(ctx.core, "tenant")).token
    found = await asyncio.gather(*(enter(ctx, link=token) for _ in range(20)), return_exceptions=True)
    signed = [each for each in found if isinstance(each, Signed)]
    assert [type(each) for each in found if not isinstance(each, Signed)] == [Invalid] * 19
    assert [row.id for row in await stored(ctx.core)] == [signed[0].context.key.id]
    assert (await auth.authenticate_session(ctx.core, signed[0].secret)).account.slug == "tenant"


async def test_a_key_that_is_revoked_meanwhile_leaves_no_session(on_both: Tenants) -> None:
    ctx = await on_both()
    made, key = await api_keys.create(ctx, api_keys.ApiKeyInput(name="ci"))
    assert key is not None
    found = await asyncio.gather(
        *(enter(ctx, api_key=key) for _ in range(8)), api_keys.revoke(ctx, made.id), return_exceptions=True
    )
    assert [type(each) for each in found if isinstance(each, Exception) and not isinstance(each, Invalid)] == []
    in_force = [row for row in await stored(ctx.core) if row.revoked_at is None]
    assert in_force == []


async def test_first_passwords_that_are_set_at_once_leave_one_user(on_both: Tenants) -> None:
    ctx = await on_both()
    given = [PasswordInput(new_password=f"{PASSWORD} {number}") for number in range(5)]
    await asyncio.gather(*(passwords.set_(ctx, spec) for spec in given), return_exceptions=True)
    async with ctx.db.read() as session:
        (user,) = (await session.exec(select(AccountUser))).all()
    assert user.account_id == ctx.account.id


async def test_emails_are_one_accounts_alone_whatever_their_case(on_both: Tenants) -> None:
    ctx = await on_both()
    await on_both("other")
    await account_users.set_email(ctx.core, "tenant", "Ada@example.org")
    with pytest.raises(Invalid):
        await account_users.set_email(ctx.core, "tenant", "no address")
    with pytest.raises(Exception, match="another account's"):
        await account_users.set_email(ctx.core, "other", "ada@EXAMPLE.org")
    await passwords.put(ctx.core, "tenant", PASSWORD)
    assert (await enter(ctx, account="ADA@example.org", password=PASSWORD)).context.account.slug == "tenant"
    user = await account_users.get(ctx)
    assert user is not None and user.email == "ada@example.org"


async def test_a_missing_account_is_compared_as_a_present_one_is(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await passwords.put(ctx.core, "tenant", PASSWORD)
    assert await refused(ctx, account="tenant", password="wrong password")
    compared: list[str] = []
    matches = hashing._matches

    def counted(stored: str, password: str) -> bool:
        compared.append(stored)
        return matches(stored, password)

    monkeypatch.setattr(hashing, "_matches", counted)
    for account in ("tenant", "nobody", "nobody@example.org"):
        compared.clear()
        assert await refused(ctx, account=account, password="wrong password") == "The account or the password is wrong."
        (one,) = compared
        # As dear as any.
        assert one.rpartition("$")[0].rpartition("$")[0] == "$argon2id$v=19$m=8,t=1,p=1"


async def test_an_account_without_a_password_is_entered_with_none(ctx: Context) -> None:
    await account_users.set_email(ctx.core, "tenant", "ada@example.org")
    nobodys = ctx.platform.hashing
    await nobodys.matches(None, "anything")
    assert await refused(ctx, account="tenant", password="anything else")
    assert await refused(ctx, account="ada@example.org", password="anything else")


async def test_hashes_are_argon2id_as_the_rfc_has_it_and_hold_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "HASHER", PasswordHasher())
    made = hashing.make(PASSWORD)
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in made
    assert hashing.make(PASSWORD) != made
    assert not hashing.is_stale(made)


async def test_a_hash_of_other_parameters_is_made_anew_at_sign_in(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await passwords.put(ctx.core, "tenant", PASSWORD)
    monkeypatch.setattr(hashing, "HASHER", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    hashes = []
    for _ in range(2):
        await enter(ctx, account="tenant", password=PASSWORD)
        user = await account_users.get(ctx)
        assert user is not None and user.password_hash is not None
        hashes.append(user.password_hash)
    assert hashes[0].startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert hashes[1] == hashes[0]


async def test_a_hash_that_is_none_lets_nobody_in(ctx: Context) -> None:
    await passwords.put(ctx.core, "tenant", PASSWORD)
    async with ctx.db.transaction() as session:
        await session.exec(update(AccountUser).values(password_hash="nonsense"))
    assert await refused(ctx, account="tenant", password=PASSWORD)


async def test_a_password_that_changes_while_it_is_compared_lets_nobody_in(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await passwords.put(ctx.core, "tenant", PASSWORD)
    matches = ctx.platform.hashing.matches

    async def overtaken(stored: str | None, password: str) -> bool:
        found = await matches(stored, password)
        await passwords.put(ctx.core, "tenant", "another password")
        return found

    monkeypatch.setattr(ctx.platform.hashing, "matches", overtaken)
    assert await refused(ctx, account="tenant", password=PASSWORD)
    assert await stored(ctx.core) == []


async def test_a_password_that_changed_meanwhile_is_not_written_over(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await passwords.put(ctx.core, "tenant", PASSWORD)
    make = ctx.platform.hashing.make

    async def overtaken(password: str) -> str:
        await passwords.put(ctx.core, "tenant", "another password")
        return await make(password)

    monkeypatch.setattr(ctx.platform.hashing, "make", overtaken)
    with pytest.raises(Conflict) as caught:
        await passwords.set_(ctx, PasswordInput(new_password="a third password", current_password=PASSWORD))
    assert caught.value.code == "password_changed"
    assert (await enter(ctx, account="tenant", password="another password")).secret


async def test_a_secret_is_taken_only_as_what_its_row_is(ctx: Context) -> None:
    _, key = await api_keys.create(ctx, api_keys.ApiKeyInput(name="ci"))
    signed = await enter(ctx, link=(await sign_in_links.create(ctx.core, "tenant")).token)
    async with ctx.db.transaction() as session:
        for was, now in (("ci", "session"), (signed.context.key.name, "key")):
            await session.exec(update(ApiKey).where(col(ApiKey.name) == was).values(kind=now))
    with pytest.raises(Unauthenticated):
        await auth.authenticate(ctx.core, key)
    with pytest.raises(Unauthenticated):
        await auth.authenticate_session(ctx.core, signed.secret)


async def test_passwords_are_compared_a_few_at_a_time_and_too_many_are_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher, running, most = hashing.Hashing(), 0, 0
    gate = asyncio.Event()

    async def to_thread(work: Callable[[], str]) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return work()

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    asked = [asyncio.create_task(hasher.make(PASSWORD)) for _ in range(hashing.MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await hasher.make(PASSWORD)
    gate.set()
    await asyncio.gather(*asked)
    assert most == hashing.AT_ONCE == 2
    assert await hasher.matches(await hasher.make(PASSWORD), PASSWORD)


async def test_an_address_and_all_together_guess_so_often_at_an_account(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "GUESSES_OF_ADDRESS", 3)
    monkeypatch.setattr(rate_limits, "GUESSES_OF_ALL", 5)
    await passwords.put(ctx.core, "tenant", PASSWORD)
    for account in ("tenant", "nobody"):
        for _ in range(3):
            await refused(ctx, account=account, password="wrong password")
        with pytest.raises(RateLimited):
            await enter(ctx, account=account.upper(), password=PASSWORD)
        for _ in range(2):
            await refused(ctx, account=account, password="wrong password", address="10.0.0.2")
        with pytest.raises(RateLimited):
            await enter(ctx, account=account, password=PASSWORD, address="10.0.0.3")
    assert await stored(ctx.core) == []


async def test_an_address_guesses_so_often_at_all_accounts_together(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "GUESSES_AT_ANY", 3)
    await passwords.put(ctx.core, "tenant", PASSWORD)
    for number in range(3):
        await refused(ctx, account=f"nobody{number}", password="wrong password")
    with pytest.raises(RateLimited):
        await enter(ctx, account="tenant", password=PASSWORD)
    assert (await enter(ctx, account="tenant", password=PASSWORD, address="10.0.0.2")).secret


async def test_names_that_are_made_up_make_nobodys_guesses_forgotten(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "GUESSES_OF_ALL", 2)
    monkeypatch.setattr(rate_limits, "GUESSES_AT_ANY", 4)
    monkeypatch.setattr(limits, "MAX_BUCKETS", 20)
    await passwords.put(ctx.core, "tenant", PASSWORD)
    for account in ("tenant", "tenant", "nobody", "nobody"):
        await refused(ctx, account=account, password="wrong password")
    for number in range(30):
        with pytest.raises(RateLimited):
            await enter(ctx, account=f"made up {number}", password="wrong password")
    with pytest.raises(RateLimited):
        await enter(ctx, account="tenant", password=PASSWORD, address="10.0.0.2")


async def test_right_passwords_count_for_nothing(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("GUESSES_OF_ADDRESS", "GUESSES_OF_ALL", "GUESSES_AT_ANY"):
        monkeypatch.setattr(rate_limits, limit, 2)
    await passwords.put(ctx.core, "tenant", PASSWORD)
    for _ in range(6):
        await enter(ctx, account="tenant", password=PASSWORD)


async def test_guesses_at_once_are_counted_before_they_are_looked_at(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "GUESSES_OF_ADDRESS", 3)
    await passwords.put(ctx.core, "tenant", PASSWORD)
    tries = (enter(ctx, account="tenant", password="wrong password") for _ in range(12))
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(each).__name__ for each in found) == ["Invalid"] * 3 + ["RateLimited"] * 9


@pytest.mark.parametrize("given", [{"link": "x"}, {"api_key": "vk_x"}, {"account": "a", "password": "x"}])
async def test_an_address_that_guesses_too_often_is_asked_to_come_back(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    monkeypatch.setitem(ctx.core.settings.__dict__, "requests_per_minute", 30)
    for number in range(3):
        await refused(ctx, **{name: f"{value}{number}" for name, value in given.items()})
    with pytest.raises(RateLimited):
        await enter(ctx, **given)
    assert await refused(ctx, address="10.0.0.2", **given)


async def test_the_current_password_may_be_guessed_as_seldom(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "GUESSES_OF_ADDRESS", 2)
    await passwords.set_(ctx, PasswordInput(new_password=PASSWORD))
    for _ in range(2):
        with pytest.raises(Invalid):
            await passwords.set_(ctx, PasswordInput(new_password="another one", current_password="wrong password"))
    with pytest.raises(RateLimited):
        await passwords.set_(ctx, PasswordInput(new_password="another one", current_password=PASSWORD))


async def test_the_operator_sets_a_password_and_every_session_ends(ctx: Context) -> None:
    signed = await enter(ctx, link=(await sign_in_links.create(ctx.core, "tenant")).token)
    await passwords.put(ctx.core, "tenant", PASSWORD)
    auth.forget(ctx.core)
    with pytest.raises(Unauthenticated):
        await auth.authenticate_session(ctx.core, signed.secret)
    with pytest.raises(NotFound):
        await passwords.put(ctx.core, "nobody", PASSWORD)
    with pytest.raises(Invalid):
        await passwords.put(ctx.core, "tenant", "too short")
    async with ctx.db.read() as session:
        noted = (await session.exec(select(AuditEntry.action).where(AuditEntry.actor == "operator"))).all()
    assert [action for action in noted if action != "accounts.create"] == ["sign_in_links.create", "passwords.set"]


async def test_sessions_and_links_that_ended_long_ago_are_deleted(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    token = (await sign_in_links.create(ctx.core, "tenant")).token
    signed = await enter(ctx, link=token)
    await sessions.sign_out(as_session(signed))
    start = clock.now_micros()
    later = int((sessions.KEPT + timedelta(minutes=1)) / timedelta(microseconds=1))
    monkeypatch.setattr(clock, "now_micros", lambda: start + later)
    token = (await sign_in_links.create(ctx.core, "tenant")).token
    second = await enter(ctx, link=token)
    assert [row.id for row in await stored(ctx.core)] == [second.context.key.id]
    monkeypatch.setattr(clock, "now_micros", lambda: start + 3 * later)
    await sign_in_links.create(ctx.core, "tenant")
    async with ctx.db.read() as session:
        assert len((await session.exec(select(SignInLink))).all()) == 1
        assert {key.kind for key in (await session.exec(select(ApiKey))).all()} == {"key", "session"}


async def test_a_session_is_signed_out_once_however_often_it_is_asked(ctx: Context) -> None:
    signed = await enter(ctx, link=(await sign_in_links.create(ctx.core, "tenant")).token)
    asking = as_session(signed, "once")
    first, second = await sessions.sign_out(asking), await sessions.sign_out(asking)
    assert (first.id, first.revoked_at) == (second.id, second.revoked_at)


async def test_only_hashes_of_secrets_are_kept(ctx: Context) -> None:
    token = (await sign_in_links.create(ctx.core, "tenant")).token
    signed = await enter(ctx, link=token)
    (row,) = await stored(ctx.core)
    assert row.key_hash == auth.session_hash(ctx.core, signed.secret) != ctx.core.secrets.hash_key(signed.secret)
    assert signed.secret not in repr(row)
    async with ctx.db.read() as session:
        (link,) = (await session.exec(select(SignInLink))).all()
    assert link.token_hash == ctx.core.secrets.hash_token("sign-in-link", token)
    assert link.used_at is not None


async def test_the_first_account_is_the_operators(core: Core) -> None:
    assert await accounts.ensure_first(core) is not None
    link = await sign_in_links.create(core, accounts.FIRST)
    assert link.url("https://burnish.example") == f"https://burnish.example/sign-in#link={link.token}"
    platform = Platform(core, Gateway(core))
    signed = await sessions.sign_in(Guest(platform, "req", ""), SignInInput(link=link.token))
    assert (signed.context.account.slug, signed.context.account.is_operator) == ("operator", True)

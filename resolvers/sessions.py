"""Sessions of browsers: begun with a password, an API key or a link, each with a secret of its own, over after 30 days at most.

A session is a row of `api_key`: rates, the audit log, open sockets and the sharing of subscriptions take it as they take a key.
It carries the scopes and the limits of the key that it was signed in with and ends with that; a password and a link carry all
scopes and no limits but the installation's. Its time is fixed: use does not lengthen it, so that a stolen cookie dies whoever
uses it.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

import structlog
from pydantic import Field
from sqlalchemy import ColumnElement, delete
from sqlmodel import col

from burnish.kit import clock, ids, paging
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, InvalidState, NotFound, Unauthenticated
from models import audit
from models.account import Account
from models.account_user import AccountUser
from models.api_key import API_KEY, LINK, PASSWORD, SCOPES, SESSION, ApiKey
from resolvers import account_users, auth, hashing, sign_in_links
from resolvers.context import Context, Platform
from resolvers.creating import once
from resolvers.inputs import Input
from resolvers.passwords import Password
from resolvers.rate_limits import Allowance, Guesses

log = structlog.get_logger(__name__)
LASTS = timedelta(days=30)
# Of what has ended: so long a retry may still ask for it, and the list of a page be read on.
KEPT = timedelta(days=7)
MAX_AGENT = 256
MAX_ACCOUNT = 320
MAX_SECRET = 256
# One answer for whatever is wrong with what was shown.
WRONG = {
    PASSWORD: "The account or the password is wrong.",
    API_KEY: "Invalid API key",
    LINK: "This link does not work: it was used, or its time is over.",
}


class SignInInput(Input):
    """`account` and `password`, or `api_key`, or `link`: one of the three. `account` is its name or its email address."""

    account: str | None = Field(None, min_length=1, max_length=MAX_ACCOUNT)
    password: Password | None = Field(None, repr=False)
    api_key: str | None = Field(None, min_length=1, max_length=MAX_SECRET, repr=False)
    link: str | None = Field(None, min_length=1, max_length=MAX_SECRET, repr=False)


class Signed(NamedTuple):
    """A session that was begun: its context, and the secret for the cookie, which is stored nowhere."""

    context: Context
    secret: str


@dataclass(frozen=True)
class Guest:
    """Who asks to be signed in. `replaced` is the session that their browser has now."""

    platform: Platform
    request_id: str
    address: str
    user_agent: str | None = None
    replaced: ApiKey | None = None


@dataclass
class _Entry:
    """What was shown and found good so far; `confirm` looks once more in the transaction that begins the session."""

    way: str
    confirm: Callable[[Session], Awaitable[Account | None]]
    scopes: list[str] = field(default_factory=lambda: list(SCOPES))
    key: ApiKey | None = None


async def sign_in(guest: Guest, spec: SignInInput) -> Signed:
    """Begin a session; Invalid (`invalid_credentials`) for what is wrong, in one answer for all that can be.

    RateLimited for an address, or for an account, with too many guesses.
    """
    way = _way(spec)
    try:
        return await _begin(guest, await ENTRIES[way](guest, spec))
    except Unauthenticated:
        log.info("sign_in_refused", way=way, address=guest.address, request_id=guest.request_id)
        raise Invalid(WRONG[way], code="invalid_credentials") from None


async def sign_out(ctx: Context) -> ApiKey:
    """End the session that asks; InvalidState for a key, which is revoked instead."""
    if ctx.key.kind != SESSION:
        raise InvalidState("This is an API key: only a session is signed out.", hint="revokeApiKey revokes it.")
    return await _end(ctx, "sessions.sign_out", ctx.key.id)


async def revoke(ctx: Context, session_id: str) -> ApiKey:
    """End a session of the account, from the next request on; NotFound where it has ended already."""
    ctx.require("write")
    return await _end(ctx, "sessions.revoke", session_id)


async def page(ctx: Context, *, limit: int = 20, after: str | None = None) -> paging.Page[ApiKey]:
    """Return the sessions in force, newest first."""
    ctx.require("read")
    scope = (ApiKey.account_id == ctx.account.id, ApiKey.kind == SESSION)
    async with ctx.db.read() as session:
        return await paging.page(session, ApiKey, *scope, where=[_in_force()], limit=limit, after=after)


async def _with_password(guest: Guest, spec: SignInInput) -> _Entry:
    name, password = spec.account or "", spec.password or ""
    core, hasher = guest.platform.core, guest.platform.hashing
    stranger, guesses = Allowance.of_address(core, guest.address), Guesses(core, name, guest.address)
    stranger.may_guess()
    guesses.take()
    async with core.db.read() as session:
        found = await account_users.named(session, name)
    user = None if found is None else found[1]
    stored = None if user is None else user.password_hash
    if not await hasher.matches(stored, password) or user is None or stored is None:
        stranger.guessed()
        raise Unauthenticated()
    guesses.give_back()
    fresh = await hasher.make(password) if hashing.is_stale(stored) else None

    async def confirm(session: Session) -> Account | None:
        row = await session.get_one(AccountUser, user.id, with_for_update=True)
        if row.password_hash != stored:
            return None
        if fresh is not None:
            row.password_hash = fresh
            session.add(row)
        return await session.get_one(Account, row.account_id)

    return _Entry(PASSWORD, confirm)


async def _with_api_key(guest: Guest, spec: SignInInput) -> _Entry:
    found = await auth.authenticate(guest.platform.core, spec.api_key, guest.address)

    async def confirm(session: Session) -> Account | None:
        row = await session.get_one(ApiKey, found.key.id, with_for_update=True)
        return None if row.revoked_at is not None else await session.get_one(Account, row.account_id)

    return _Entry(API_KEY, confirm, list(found.key.scopes), found.key)


async def _with_link(guest: Guest, spec: SignInInput) -> _Entry:
    core = guest.platform.core
    stranger = Allowance.of_address(core, guest.address)
    stranger.may_guess()
    token_hash = core.secrets.hash_token(sign_in_links.USE, spec.link or "")

    async def confirm(session: Session) -> Account | None:
        account_id = await sign_in_links.use(session, token_hash)
        if account_id is None:
            stranger.guessed()
            return None
        return await session.get_one(Account, account_id)

    return _Entry(LINK, confirm)


ENTRIES = {PASSWORD: _with_password, API_KEY: _with_api_key, LINK: _with_link}


def _way(spec: SignInInput) -> str:
    """Return which way was taken; Invalid where it is none, or more than one."""
    given = {PASSWORD: spec.account or spec.password, API_KEY: spec.api_key, LINK: spec.link}
    ways = [way for way, secret in given.items() if secret]
    if len(ways) != 1:
        raise Invalid("Sign in with account and password, or with an API key, or with a link: with one of them.", code="one_of")
    if ways[0] == PASSWORD:
        for param in ("account", "password"):
            if getattr(spec, param) is None:
                raise Invalid(f"{param}: this field is required", param=param)
    return ways[0]


async def _begin(guest: Guest, entry: _Entry) -> Signed:
    """Insert the session in the transaction that uses up what it was begun with."""
    core, secret, now = guest.platform.core, secrets.token_urlsafe(32), clock.now()
    over = now + LASTS
    async with core.db.transaction() as session:
        account = await entry.confirm(session)
        if account is None:
            raise Unauthenticated()
        row = ApiKey(
            id=ids.new("ses"),
            account_id=account.id,
            kind=SESSION,
            parent_id=None if entry.key is None else entry.key.id,
            name=_called(entry),
            key_prefix="",
            key_hash=auth.session_hash(core, secret),
            scopes=entry.scopes,
            signed_in_with=entry.way,
            user_agent=(guest.user_agent or "").replace("\0", "")[:MAX_AGENT] or None,
            inference_requests_per_minute=None if entry.key is None else entry.key.inference_requests_per_minute,
            inference_tokens_per_minute=None if entry.key is None else entry.key.inference_tokens_per_minute,
            created_at=now,
            expires_at=min(over, entry.key.expires_at) if entry.key is not None and entry.key.expires_at else over,
        )
        session.add(row)
        await _tidy(session, account.id, guest.replaced)
        audit.note(
            session,
            "sessions.sign_in",
            account_id=account.id,
            resource_id=row.id,
            actor=row.id,
            actor_name=row.name,
            request_id=guest.request_id,
            details={"name": row.name, "scopes": row.scopes},
        )
    auth.forget(core)
    return Signed(Context(guest.platform, account, row, guest.request_id, None, frozenset(row.scopes)), secret)


async def _tidy(session: Session, account_id: str, replaced: ApiKey | None) -> None:
    """End the session that a new one takes the place of, and delete those of the account that ended long ago."""
    now = clock.now()
    if replaced is not None and (row := await session.get(ApiKey, replaced.id)) is not None and row.revoked_at is None:
        row.revoked_at = now
        session.add(row)
    ended = (col(ApiKey.revoked_at) < now - KEPT) | (col(ApiKey.expires_at) < now - KEPT)
    its = (col(ApiKey.account_id) == account_id, col(ApiKey.kind) == SESSION)
    await session.exec(delete(ApiKey).where(*its, ended))


async def _end(ctx: Context, operation: str, session_id: str) -> ApiKey:
    async def make(session: Session) -> ApiKey:
        row = await session.get(ApiKey, session_id, with_for_update=True)
        if row is None or row.account_id != ctx.account.id or row.kind != SESSION or not _lasts(row):
            raise NotFound(f"No such session: {session_id}")
        row.revoked_at = clock.now()
        session.add(row)
        return row

    try:
        return await once(ctx, operation, {"session_id": session_id}, ApiKey, make)
    finally:
        auth.forget(ctx.core)


def _called(entry: _Entry) -> str:
    return f"session, by key {entry.key.name}" if entry.key is not None else f"session, by {entry.way}"


def _in_force() -> ColumnElement[bool]:
    return col(ApiKey.revoked_at).is_(None) & (col(ApiKey.expires_at) > clock.now())


def _lasts(row: ApiKey) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > clock.now())

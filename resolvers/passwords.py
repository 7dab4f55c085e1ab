"""Passwords: who may set one, what setting one ends, and how often one may be guessed."""

import asyncio
from typing import Annotated

from pydantic import Field, StringConstraints
from sqlalchemy import update
from sqlmodel import col

from burnish.kit import clock, idempotency, ids
from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Invalid
from models import audit
from models.account_user import AccountUser, SignInLink
from models.api_key import LINK, SCOPES, SESSION, ApiKey
from resolvers import account_users, accounts, auth, hashing
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import Input
from resolvers.rate_limits import Guesses

SHORTEST = 10
LONGEST = 1024
SET = "passwords.set"
# As it was typed: spaces belong to it.
Password = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=LONGEST)]
NewPassword = Annotated[str, StringConstraints(strip_whitespace=False, min_length=SHORTEST, max_length=LONGEST)]


class PasswordInput(Input):
    """`current_password` is needed where there is one, except for who signed in by a link."""

    new_password: NewPassword = Field(repr=False)
    current_password: Password | None = Field(None, repr=False)


async def set_(ctx: Context, spec: PasswordInput) -> AccountUser:
    """Set the account's password and end its other sessions; Invalid where the current one is wrong.

    A caller who lacks a scope may not: who signs in with the password has them all.
    """
    for scope in SCOPES:
        ctx.require(scope)
    request = {"password": ctx.core.secrets.hash_token("new-password", spec.new_password)}
    async with ctx.db.read() as session:
        # A retry of what was done shows a password that is no longer the current one.
        print_ = idempotency.fingerprint(request)
        done = await idempotency.find(session, ctx.account.id, ctx.idempotency_key, SET, print_) is not None
    known = await account_users.get(ctx)
    stored = None if known is None else known.password_hash
    if stored is not None and not done and not _came_by_link(ctx):
        await _check_current(ctx, stored, spec.current_password)
    made = await ctx.platform.hashing.make(spec.new_password)

    async def make(session: Session) -> AccountUser:
        user = await account_users.find(session, ctx.account.id, lock=True)
        if user is not None and user.password_hash != stored:
            raise Conflict("The password was changed meanwhile.", code="password_changed")
        return await _put(session, ctx.account.id, user, made, keep=ctx.key.id)

    try:
        return await once(ctx, SET, request, AccountUser, make)
    finally:
        auth.forget(ctx.core)


async def put(core: Core, slug: str, password: str) -> None:
    """Set an account's password and end all of its sessions; NotFound for an unknown name."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"A password has {SHORTEST} to {LONGEST} characters.", param="password")
    made = await asyncio.to_thread(hashing.make, password)
    async with core.db.transaction() as session:
        account = await accounts.find(session, slug)
        user = await account_users.find(session, account.id, lock=True)
        user = await _put(session, account.id, user, made, keep=None)
        audit.note(session, SET, account_id=account.id, resource_id=user.id, details={"slug": account.slug})


async def _check_current(ctx: Context, stored: str, given: str | None) -> None:
    if given is None:
        raise Invalid("The account has a password: give it.", param="current_password")
    guesses = Guesses(ctx.core, ctx.account.slug, ctx.key.id)
    guesses.take()
    if not await ctx.platform.hashing.matches(stored, given):
        raise Invalid("This is not the current password.", code="invalid_credentials", param="current_password")
    guesses.give_back()


async def _put(session: Session, account_id: str, user: AccountUser | None, hash_: str, *, keep: str | None) -> AccountUser:
    """Store a hash; end the account's sessions but one, and its links that were not used."""
    now = clock.now()
    if user is None:
        user = AccountUser(id=ids.new("usr"), account_id=account_id, created_at=now, updated_at=now)
    user.password_hash, user.updated_at = hash_, now
    session.add(user)
    await session.flush()
    sessions = (col(ApiKey.account_id) == account_id, col(ApiKey.kind) == SESSION, col(ApiKey.revoked_at).is_(None))
    await session.exec(update(ApiKey).where(*sessions, col(ApiKey.id) != keep).values(revoked_at=now))
    unused = (col(SignInLink.account_id) == account_id, col(SignInLink.used_at).is_(None))
    await session.exec(update(SignInLink).where(*unused).values(used_at=now))
    return user


def _came_by_link(ctx: Context) -> bool:
    return ctx.key.kind == SESSION and ctx.key.signed_in_with == LINK

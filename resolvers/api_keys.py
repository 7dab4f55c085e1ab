"""API keys: the key is shown once, at its making."""

from datetime import timedelta

from pydantic import Field
from sqlalchemy import update
from sqlmodel import col

from burnish.kit import clock, ids, paging
from burnish.kit.core import Core
from burnish.kit.crypto import new_secret
from burnish.kit.db import Session
from burnish.kit.errors import Forbidden, Invalid, NotFound
from models import events
from models.api_key import KEY, SCOPES, SESSION, ApiKey
from resolvers import auth
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import MAX_NAME, Input

SHOWN = 8
MAX_LIMIT = 1_000_000_000


class ApiKeyInput(Input):
    """`scopes` are `read`, `write` and `inference`; all of the caller's own where none are given. A limit of 0 is none."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    expires_in_seconds: int | None = Field(None, ge=1, le=10 * 366 * 86400)
    scopes: list[str] | None = Field(None, min_length=1)
    inference_requests_per_minute: int | None = Field(None, ge=0, le=MAX_LIMIT)
    inference_tokens_per_minute: int | None = Field(None, ge=0, le=MAX_LIMIT)


async def insert(
    session: Session,
    core: Core,
    account_id: str,
    *,
    name: str,
    scopes: list[str],
    expires_in_s: int | None = None,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
) -> tuple[ApiKey, str]:
    """Insert a key; return its row and the key itself, which is stored nowhere."""
    secret = new_secret()
    now = clock.now()
    row = ApiKey(
        id=ids.new("key"),
        account_id=account_id,
        name=name,
        key_prefix=f"vk_{secret[:SHOWN]}",
        key_hash=core.secrets.hash_key(secret),
        scopes=scopes,
        inference_requests_per_minute=requests_per_minute or None,
        inference_tokens_per_minute=tokens_per_minute or None,
        created_at=now,
        expires_at=None if expires_in_s is None else now + timedelta(seconds=expires_in_s),
    )
    session.add(row)
    await session.flush()
    return row, f"vk_{secret}"


async def create(ctx: Context, spec: ApiKeyInput) -> tuple[ApiKey, str | None]:
    """Make a key; the key itself is None where an idempotency key replays an earlier answer."""
    ctx.require("write")
    scopes = _scopes(ctx, spec.scopes)
    made: dict[str, str] = {}

    async def make(session: Session) -> ApiKey:
        row, key = await insert(
            session,
            ctx.core,
            ctx.account.id,
            name=spec.name,
            scopes=scopes,
            expires_in_s=spec.expires_in_seconds,
            requests_per_minute=spec.inference_requests_per_minute,
            tokens_per_minute=spec.inference_tokens_per_minute,
        )
        made[row.id] = key
        await events.note(session, ctx.account.id, row.id, "created", {"name": row.name})
        return row

    row = await once(ctx, "api_keys.create", spec.model_dump(), ApiKey, make)
    return row, made.get(row.id)


async def page(
    ctx: Context, *, search: str | None = None, active: bool = True, limit: int = 20, after: str | None = None
) -> paging.Page[ApiKey]:
    """Return the keys that are in force, or all with `active` false; `search` keeps those whose name contains it."""
    ctx.require("read")
    in_force = col(ApiKey.revoked_at).is_(None) & (col(ApiKey.expires_at).is_(None) | (col(ApiKey.expires_at) > clock.now()))
    where = ([in_force] if active else []) + ([paging.contains(ApiKey.name, search)] if search else [])
    async with ctx.db.read() as session:
        scope = (ApiKey.account_id == ctx.account.id, ApiKey.kind == KEY)
        return await paging.page(session, ApiKey, *scope, where=where, limit=limit, after=after)


async def get(ctx: Context, key_id: str) -> ApiKey:
    ctx.require("read")
    async with ctx.db.read() as session:
        row = await session.get(ApiKey, key_id)
    if row is None or row.account_id != ctx.account.id or row.kind != KEY:
        raise NotFound(f"No such API key: {key_id}")
    return row


async def revoke(ctx: Context, key_id: str) -> ApiKey:
    """Revoke a key, and the sessions that were signed in with it, from the next request on; a key that is revoked already is not
    found.
    """
    ctx.require("write")
    try:
        return await once(ctx, "api_keys.revoke", {"key_id": key_id}, ApiKey, lambda session: _revoke(session, ctx, key_id))
    finally:
        auth.forget(ctx.core)


async def _revoke(session: Session, ctx: Context, key_id: str) -> ApiKey:
    row = await session.get(ApiKey, key_id, with_for_update=True)
    if row is None or row.account_id != ctx.account.id or row.kind != KEY or row.revoked_at is not None:
        raise NotFound(f"No such API key: {key_id}")
    row.revoked_at = clock.now()
    session.add(row)
    # Whoever signs in with the key locks its row too, so that no session of it comes after this.
    its = (col(ApiKey.parent_id) == row.id, col(ApiKey.kind) == SESSION, col(ApiKey.revoked_at).is_(None))
    await session.exec(update(ApiKey).where(*its).values(revoked_at=row.revoked_at))
    await events.note(session, ctx.account.id, row.id, "revoked", {"name": row.name})
    return row


def _scopes(ctx: Context, wanted: list[str] | None) -> list[str]:
    if wanted is None:
        return sorted(ctx.scopes)
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown:
        raise Invalid(f"Unknown scope '{unknown[0]}'; there are {', '.join(SCOPES)}.", param="scopes")
    beyond = [scope for scope in wanted if scope not in ctx.scopes]
    if beyond:
        raise Forbidden(f"This API key cannot give away the scope '{beyond[0]}', which it lacks.")
    return sorted(set(wanted))

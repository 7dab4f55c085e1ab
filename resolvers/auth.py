"""From a bearer key to a caller. Looked up with each request, so that a revoked key is refused from the next one on."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.crypto import bare_secret
from burnish.kit.errors import Unauthenticated
from models.account import Account
from models.api_key import ApiKey
from resolvers.context import Context, Platform

log = structlog.get_logger(__name__)
USED_EVERY = timedelta(minutes=1)


class Principal(NamedTuple):
    account: Account
    key: ApiKey


async def authenticate(core: Core, key: str | None) -> Principal:
    """Return the account and key; Unauthenticated for a missing, unknown, revoked or expired key, which nothing tells apart."""
    secret = bare_secret(key) if key else None
    if secret is None:
        raise Unauthenticated()
    # The lookup is by keyed hash: its timing tells nothing of the secret.
    statement = select(ApiKey, Account).join(Account, col(Account.id) == col(ApiKey.account_id))
    statement = statement.where(ApiKey.key_hash == core.secrets.hash_key(secret), col(ApiKey.revoked_at).is_(None))
    async with core.db.read() as session:
        found = (await session.exec(statement)).first()
    now = clock.now()
    if found is None or (found[0].expires_at is not None and found[0].expires_at <= now):
        raise Unauthenticated()
    api_key, account = found
    if api_key.last_used_at is None or now - api_key.last_used_at > USED_EVERY:
        await _touch(core, api_key)
    return Principal(account, api_key)


async def caller(platform: Platform, headers: Mapping[str, str], request_id: str) -> Context:
    """Return the context of a request from its headers: `Authorization: Bearer` or `xi-api-key`, and `Idempotency-Key`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else headers.get("xi-api-key")
    account, api_key = await authenticate(platform.core, key)
    return Context(platform, account, api_key, request_id, headers.get("idempotency-key"), frozenset(api_key.scopes))


async def ended(core: Core, key_ids: Sequence[str]) -> list[str]:
    """Return those of the keys that are revoked or have expired."""
    over = col(ApiKey.revoked_at).is_not(None) | (col(ApiKey.expires_at) <= clock.now())
    async with core.db.read() as session:
        return list((await session.exec(select(ApiKey.id).where(col(ApiKey.id).in_(key_ids), over))).all())


async def _touch(core: Core, key: ApiKey) -> None:
    try:
        async with core.db.transaction() as session:
            await session.exec(update(ApiKey).where(col(ApiKey.id) == key.id).values(last_used_at=clock.now()))
    except DBAPIError as error:
        # Whoever may only read must not fail because nothing can be written now.
        log.warning("key_use_not_recorded", key=key.id, error=str(error.orig))

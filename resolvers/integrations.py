"""Integrations: an account's credentials at other services, sealed and given to nobody."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import Field, model_validator
from sqlmodel import select

from burnish.kit import clock, ids
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, NotFound
from models import events, integration
from models.integration import PROVIDERS, Integration
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import Input

MAX_SECRET = 1024
SHOWN = 8
SHARE_SHOWN = 4


class IntegrationInput(Input):
    """The credential, under either of the two names that services have for it."""

    api_key: str | None = Field(None, min_length=1, max_length=MAX_SECRET, pattern=r"^[\x21-\x7e]+$", repr=False)
    token: str | None = Field(None, min_length=1, max_length=MAX_SECRET, pattern=r"^[\x21-\x7e]+$", repr=False)

    @model_validator(mode="after")
    def _one(self) -> "IntegrationInput":
        if (self.api_key is None) == (self.token is None):
            raise ValueError("give the credential as either `api_key` or `token`")
        return self

    @property
    def secret(self) -> str:
        return self.api_key or self.token or ""


@dataclass(frozen=True)
class Setting:
    """How an account stands with a service; `key_prefix` and `updated_at` are None where it has no credential there."""

    provider: str
    key_prefix: str | None = None
    updated_at: datetime | None = None

    @property
    def configured(self) -> bool:
        return self.updated_at is not None


async def put(ctx: Context, provider: str, spec: IntegrationInput) -> Setting:
    """Keep a credential, in the place of the one before; NotFound for an unknown service."""
    ctx.require("write")
    _check(provider)

    async def make(session: Session) -> Integration:
        now = clock.now()
        row = await integration.find(session, ctx.account.id, provider, lock=True)
        if row is None:
            row = Integration(
                id=ids.new("int"),
                account_id=ctx.account.id,
                provider=provider,
                key_prefix="",
                sealed_secret="",
                created_at=now,
                updated_at=now,
            )
        row.sealed_secret = ctx.core.secrets.encrypt(spec.secret, row.id)
        row.key_prefix = _prefix(spec.secret)
        row.updated_at, row.deleted_at = now, None
        session.add(row)
        await session.flush()
        await events.note(session, ctx.account.id, row.id, "integration_set", {"provider": provider})
        return row

    request = {"provider": provider, "secret": ctx.core.secrets.hash_key(spec.secret)}
    try:
        row = await once(ctx, "integrations.put", request, Integration, make)
    except Conflict as error:
        if error.code != Conflict.code:
            raise
        # Somebody else set the first one just now: theirs is the one before.
        row = await once(ctx, "integrations.put", request, Integration, make)
    # Of what was sent, also where an idempotency key replays it: the credential may have been changed since.
    return Setting(provider, _prefix(spec.secret), row.updated_at)


async def get(ctx: Context, provider: str) -> Setting:
    """Return how the account stands with a service; NotFound for an unknown one."""
    ctx.require("read")
    _check(provider)
    async with ctx.db.read() as session:
        return _setting(provider, await integration.find(session, ctx.account.id, provider))


async def all_(ctx: Context) -> list[Setting]:
    """Return how the account stands with every service that there is."""
    ctx.require("read")
    async with ctx.db.read() as session:
        rows = (await session.exec(select(Integration).where(Integration.account_id == ctx.account.id))).all()
    found = {row.provider: row for row in rows}
    return [_setting(provider, found.get(provider)) for provider in PROVIDERS]


async def remove(ctx: Context, provider: str) -> Setting:
    """Forget a credential for good; NotFound for an unknown service, and where there is none."""
    ctx.require("write")
    _check(provider)

    async def make(session: Session) -> Integration:
        row = await integration.find(session, ctx.account.id, provider, lock=True)
        if row is None or row.deleted_at is not None:
            raise NotFound(f"The integration {provider} is not configured.")
        row.sealed_secret, row.key_prefix, row.deleted_at = "", "", clock.now()
        session.add(row)
        await events.note(session, ctx.account.id, row.id, "integration_removed", {"provider": provider})
        return row

    await once(ctx, "integrations.remove", {"provider": provider}, Integration, make)
    return Setting(provider)


def _setting(provider: str, row: Integration | None) -> Setting:
    if row is None or row.deleted_at is not None:
        return Setting(provider)
    return Setting(provider, row.key_prefix, row.updated_at)


def _check(provider: str) -> None:
    if provider not in PROVIDERS:
        raise NotFound(f"No such integration: {provider}. There are {', '.join(PROVIDERS)}.", param="provider")


def _prefix(secret: str) -> str:
    """Return what is shown of a credential, a quarter of it at most."""
    return secret[: min(SHOWN, len(secret) // SHARE_SHOWN)]

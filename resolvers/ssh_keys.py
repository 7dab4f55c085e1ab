"""SSH keys for machines at providers: checked as a pair, the private half sealed and given to nobody."""

import asyncio

from pydantic import Field
from sqlmodel import col

from burnish.kit import clock, ids, paging, ssh
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, NotFound
from models import events
from models.integration import COMPUTE
from models.ssh_key import SshKey
from resolvers.context import Context
from resolvers.creating import once
from resolvers.inputs import MAX_NAME, Input

MAX_PUBLIC = 8 * 1024
MAX_PRIVATE = 16 * 1024


class SshKeyInput(Input):
    """`provider` says whose machines the key is for, where it is for one provider's alone."""

    name: str = Field(min_length=1, max_length=MAX_NAME)
    public_key: str = Field(min_length=1, max_length=MAX_PUBLIC, description="The line of the `.pub` file.")
    private_key: str = Field(
        min_length=1,
        max_length=MAX_PRIVATE,
        repr=False,
        description="The private key's file, in OpenSSH's or PEM form, without a passphrase. Sealed at rest, never given out.",
    )
    provider: str | None = Field(None, description="`prime_intellect`, `lambda` or `runpod`; any where it is left out.")


async def create(ctx: Context, spec: SshKeyInput) -> SshKey:
    """Keep a pair; Invalid (`invalid_ssh_key`) where it cannot be read or is none."""
    ctx.require("write")
    if spec.provider is not None and spec.provider not in COMPUTE:
        raise Invalid(f"Unknown provider '{spec.provider}'. Known: {', '.join(COMPUTE)}.", param="provider")
    pair = await asyncio.to_thread(ssh.read_pair, spec.public_key, spec.private_key)

    async def make(session: Session) -> SshKey:
        key_id = ids.new("sk")
        row = SshKey(
            id=key_id,
            account_id=ctx.account.id,
            name=spec.name,
            provider=spec.provider,
            public_key=pair.public_key,
            public_key_fingerprint=pair.fingerprint,
            sealed_private_key=ctx.core.secrets.encrypt(pair.private_key, key_id),
            created_at=clock.now(),
        )
        session.add(row)
        await session.flush()
        await events.note(session, ctx.account.id, row.id, "created", {"name": row.name})
        return row

    # The public half says which private one it is.
    request = {"name": spec.name, "provider": spec.provider, "fingerprint": pair.fingerprint}
    return await once(ctx, "ssh_keys.create", request, SshKey, make, details={"fingerprint": pair.fingerprint})


async def get(ctx: Context, key_id: str) -> SshKey:
    ctx.require("read")
    async with ctx.db.read() as session:
        row = await session.get(SshKey, key_id)
    return _own(ctx, row, key_id)


async def page(ctx: Context, *, search: str | None = None, limit: int = 20, after: str | None = None) -> paging.Page[SshKey]:
    """Return the account's pairs; `search` keeps those whose name contains it."""
    ctx.require("read")
    where = [paging.contains(SshKey.name, search)] if search else []
    scope = (SshKey.account_id == ctx.account.id, col(SshKey.deleted_at).is_(None))
    async with ctx.db.read() as session:
        return await paging.page(session, SshKey, *scope, where=where, limit=limit, after=after)


async def delete(ctx: Context, key_id: str) -> SshKey:
    """Delete a pair, its private half for good."""
    ctx.require("write")

    async def make(session: Session) -> SshKey:
        row = _own(ctx, await session.get(SshKey, key_id, with_for_update=True), key_id)
        row.deleted_at, row.sealed_private_key = clock.now(), ""
        session.add(row)
        await events.note(session, ctx.account.id, row.id, "deleted", {"name": row.name})
        return row

    return await once(ctx, "ssh_keys.delete", {"key_id": key_id}, SshKey, make)


def _own(ctx: Context, row: SshKey | None, key_id: str) -> SshKey:
    if row is None or row.account_id != ctx.account.id or row.deleted_at is not None:
        raise NotFound(f"No such SSH key: {key_id}")
    return row

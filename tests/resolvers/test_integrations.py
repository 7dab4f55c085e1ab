import asyncio
from dataclasses import replace

import pytest
from sqlmodel import select

from models import integration
from models.audit import AuditEntry
from models.integration import Integration
from resolvers import integrations
from resolvers.integrations import IntegrationInput
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio


async def test_of_many_who_set_the_first_credential_at_once_all_succeed_and_one_is_kept(on_both: Tenants) -> None:
    ctx = await on_both()
    given = [f"{number:02}" * 20 for number in range(20)]
    await asyncio.gather(*(integrations.put(ctx, "wandb", IntegrationInput(token=secret)) for secret in given))
    async with ctx.db.read() as session:
        assert len((await session.exec(select(Integration))).all()) == 1
        assert await integration.secret(session, ctx.core.secrets, ctx.account.id, "wandb") in given
        entries = (await session.exec(select(AuditEntry.action).where(AuditEntry.action == "integrations.put"))).all()
    assert len(entries) == 20


async def test_a_replayed_credential_answers_what_it_did_whatever_has_become_of_it(on_both: Tenants) -> None:
    ctx = await on_both()
    keyed = replace(ctx, idempotency_key="once")
    first = await integrations.put(keyed, "wandb", IntegrationInput(token="first" * 8))
    assert await integrations.put(keyed, "wandb", IntegrationInput(token="first" * 8)) == first
    await integrations.put(ctx, "wandb", IntegrationInput(token="other" * 8))
    assert (await integrations.put(keyed, "wandb", IntegrationInput(token="first" * 8))).key_prefix == "firstfir"
    await integrations.remove(ctx, "wandb")
    assert (await integrations.put(keyed, "wandb", IntegrationInput(token="first" * 8))).configured
    assert not (await integrations.get(ctx, "wandb")).configured


async def test_a_credential_of_another_account_is_not_read(on_both: Tenants) -> None:
    ctx, other = await on_both(), await on_both("other")
    await integrations.put(ctx, "wandb", IntegrationInput(token="x" * 20))
    async with ctx.db.read() as session:
        assert await integration.secret(session, ctx.core.secrets, other.account.id, "wandb") is None
    assert not (await integrations.get(other, "wandb")).configured

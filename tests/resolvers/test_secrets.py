"""The change of the encryption key: everything sealed anew, whoever is killed on the way, and old keys gone when nothing needs
them.
"""

import asyncio
import base64
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import col, select

from burnish.kit import clock, ids
from burnish.kit.core import Core
from burnish.kit.errors import Conflict
from burnish.kit.settings import Settings
from engines import retention
from models import integration, sealed
from models.audit import AuditEntry
from models.ssh_key import SshKey
from resolvers import integrations, secrets, uploads
from resolvers.context import Context, Platform
from resolvers.integrations import IntegrationInput
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio
DEADLINE_S = 60.0


async def pairs(ctx: Context, count: int) -> None:
    """Insert rows with a sealed text that says whose it is."""
    async with ctx.db.transaction() as session:
        for _ in range(count):
            row_id = ids.new("sk")
            session.add(
                SshKey(
                    id=row_id,
                    account_id=ctx.account.id,
                    name="x",
                    public_key="x",
                    public_key_fingerprint="x",
                    sealed_private_key=ctx.core.secrets.encrypt(f"private {row_id}", row_id),
                    created_at=clock.now(),
                )
            )


async def opened(core: Core) -> set[str]:
    """Return the ids of the keys that have sealed the pairs, each of which can be opened."""
    async with core.db.read() as session:
        rows = (await session.exec(select(SshKey))).all()
    for row in rows:
        assert core.secrets.decrypt(row.sealed_private_key, row.id) == f"private {row.id}"
    return {row.sealed_private_key.split(":")[1] for row in rows}


async def test_every_sealed_value_gets_the_new_key_and_stays_what_it_was(on_both: Tenants) -> None:
    ctx = await on_both()
    await pairs(ctx, 250)
    await integrations.put(ctx, "wandb", IntegrationInput(api_key="w" * 40))
    old = ctx.core.secrets.keyring.current.id
    done = await secrets.rotate(ctx.core)
    assert (done.made, done.resealed, done.unopened, done.dropped) == (done.current, 251, [], [])
    assert await opened(ctx.core) == {done.current} != {old}
    async with ctx.db.read() as session:
        assert await integration.secret(session, ctx.core.secrets, ctx.account.id, "wandb") == "w" * 40
    assert [(use.key_id, use.is_current, use.sealed.total()) for use in await secrets.uses(ctx.core)] == [
        (done.current, True, 251),
        (old, False, 0),
    ]


def test_every_sealed_column_is_found_by_its_name() -> None:
    found = {f"{table.name}.{column.name}" for table, column in sealed.columns()}
    assert found >= {"integration.sealed_secret", "ssh_key.sealed_private_key"}
    assert all("id" in table.columns for table, _ in sealed.columns())


async def test_an_old_key_goes_when_the_urls_that_it_signed_are_over(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await pairs(ctx, 3)
    token = ctx.core.secrets.sign({"job": "job_1"}, ctx.core.settings.download_url_s)
    done = await secrets.rotate(ctx.core)
    start = clock.now_micros()
    life_s = max(ctx.core.settings.download_url_s, uploads.URL_S)
    monkeypatch.setattr(clock, "now_micros", lambda: start + (life_s - 5) * 1_000_000)
    await sealed.sweep(ctx.core)
    assert len(ctx.core.secrets.keyring.keys) == 2
    assert ctx.core.secrets.verify(token)["job"] == "job_1"
    monkeypatch.setattr(clock, "now_micros", lambda: start + (life_s + 5) * 1_000_000)
    await sealed.sweep(ctx.core)
    assert [key.id for key in ctx.core.secrets.keyring.keys] == [done.current]
    assert await opened(ctx.core) == {done.current}


async def test_an_old_key_that_something_needs_stays(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await pairs(ctx, 1)
    async with ctx.db.transaction() as session:
        row = (await session.exec(select(SshKey))).one()
        # Sealed for another row: no key opens it.
        row.sealed_private_key = ctx.core.secrets.encrypt("x", "another")
        session.add(row)
    done = await secrets.rotate(ctx.core)
    assert done.unopened == [("ssh_key.sealed_private_key", row.id)]
    start = clock.now_micros()
    monkeypatch.setattr(clock, "now_micros", lambda: start + 10**12)
    await sealed.sweep(ctx.core)
    assert len(ctx.core.secrets.keyring.keys) == 2


async def test_what_an_interrupted_change_left_is_found_again(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await pairs(ctx, 250)
    old, encrypt, sealings = ctx.core.secrets.keyring.current.id, ctx.core.secrets.encrypt, 0

    def dies(plain: str, row_id: str) -> str:
        nonlocal sealings
        sealings += 1
        if sealings > 150:
            raise KeyboardInterrupt
        return encrypt(plain, row_id)

    with monkeypatch.context() as patch:
        patch.setattr(ctx.core.secrets, "encrypt", dies)
        with pytest.raises(KeyboardInterrupt):
            await secrets.rotate(ctx.core)
    assert await opened(ctx.core) == {old, ctx.core.secrets.keyring.current.id}
    done = await secrets.rotate(ctx.core)
    assert (done.made, done.resealed) == (None, 150)
    assert await opened(ctx.core) == {done.current}
    assert len(ctx.core.secrets.keyring.keys) == 2


async def test_a_change_that_is_killed_goes_on_where_it_was(ctx: Context, settings: Settings, tmp_path: Path) -> None:
    await pairs(ctx, 6000)
    old = ctx.core.secrets.keyring.current.id
    environment = {**os.environ, "BURNISH_HOME": str(settings.home)}
    command = [str(Path(sys.executable).with_name("burnish")), "secrets", "rotate"]
    child = start(command, environment)
    until = monotonic() + DEADLINE_S
    new_ones = col(SshKey.sealed_private_key).not_like(f"1:{old}:%")
    while child.poll() is None:
        assert monotonic() < until
        async with ctx.db.read() as session:
            if (await session.exec(select(SshKey.id).where(new_ones).limit(1))).first():
                break
        await asyncio.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    said = child.communicate(timeout=DEADLINE_S)[0]
    assert child.returncode == -signal.SIGKILL, said
    # This process has run all the while, and opens what either key sealed.
    new = ctx.core.secrets.keyring.current.id
    assert await opened(ctx.core) == {old, new}
    again = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)
    assert again.returncode == 0, again.stderr
    assert f"current         {new}" in again.stdout
    assert await opened(ctx.core) == {new}


def start(command: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


async def test_a_value_that_is_set_meanwhile_is_kept(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    await integrations.put(ctx, "wandb", IntegrationInput(api_key="old" * 10))
    decrypt, changed = ctx.core.secrets.decrypt, []

    def slow(text: str, row_id: str) -> str:
        changed.append(row_id)
        return decrypt(text, row_id)

    monkeypatch.setattr(ctx.core.secrets, "decrypt", slow)
    await asyncio.gather(
        secrets.rotate(ctx.core), *(integrations.put(ctx, "wandb", IntegrationInput(api_key=f"{i}" * 30)) for i in range(9))
    )
    async with ctx.db.read() as session:
        found = await integration.secret(session, ctx.core.secrets, ctx.account.id, "wandb")
    assert found in {f"{i}" * 30 for i in range(9)}


async def test_two_who_change_the_key_at_once_are_told_apart(ctx: Context) -> None:
    with ctx.core.secrets.keyring.changing():
        with pytest.raises(Conflict, match="Another process"):
            await secrets.rotate(ctx.core)
    assert len(ctx.core.secrets.keyring.keys) == 1


async def test_values_of_before_keys_had_ids_get_one(ctx: Context) -> None:
    await pairs(ctx, 1)
    async with ctx.db.transaction() as session:
        row = (await session.exec(select(SshKey))).one()
        nonce = os.urandom(12)
        raw = AESGCM(ctx.core.secrets.keyring.current.value).encrypt(nonce, f"private {row.id}".encode(), row.id.encode())
        row.sealed_private_key = base64.b64encode(nonce + raw).decode()
        session.add(row)
    assert [(use.key_id, use.sealed.total()) for use in await secrets.uses(ctx.core)][1:] == [("-", 1)]
    done = await secrets.rotate(ctx.core)
    assert await opened(ctx.core) == {done.current}


async def test_keys_of_the_setting_are_changed_there(settings: Settings, core: Core, tenants: Tenants) -> None:
    old, new = "ab" * 32, "cd" * 32

    def with_keys(*keys: str) -> Core:
        return Core(Settings(home=settings.home, cpu_fallback=True, encryption_key=",".join(keys)))

    first = with_keys(old)
    ctx = await tenants()
    ctx = Context(Platform(first, ctx.platform.gateway), ctx.account, ctx.key, "req", None, ctx.scopes)
    await pairs(ctx, 5)
    both = with_keys(new, old)
    done = await secrets.rotate(both)
    assert (done.made, done.resealed) == (None, 5)
    assert [(use.is_current, use.sealed.total()) for use in await secrets.uses(both)] == [(True, 5), (False, 0)]
    alone = with_keys(new)
    assert await opened(alone) == {done.current}
    for made in (first, both, alone):
        await made.close()
    assert len(core.secrets.keyring.keys) == 1


async def test_a_change_is_in_the_audit_log_of_the_operator(ctx: Context) -> None:
    done = await secrets.rotate(ctx.core)
    async with ctx.db.read() as session:
        entry = (await session.exec(select(AuditEntry).where(AuditEntry.action == "secrets.rotate"))).one()
    assert (entry.account_id, entry.actor) == (None, "operator")
    assert entry.details == {"key": done.current, "resealed": 0, "dropped": []}


async def test_entries_past_their_time_are_deleted(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    async def count() -> int:
        async with ctx.db.read() as session:
            return len((await session.exec(select(AuditEntry))).all())

    monkeypatch.setattr(retention, "ENTRIES_AT_ONCE", 2)
    for provider in ("wandb", "lambda", "runpod", "huggingface"):
        await integrations.put(ctx, provider, IntegrationInput(api_key="x" * 20))
    async with ctx.db.transaction() as session:
        for entry in (await session.exec(select(AuditEntry).where(AuditEntry.actor != "operator"))).all():
            entry.created_at = clock.now() - timedelta(days=31)
            session.add(entry)
    assert await retention.trim_audit_log(ctx.core) == 0
    monkeypatch.setattr(ctx.core.settings, "keep_audit_days", 30)
    assert (await retention.trim_audit_log(ctx.core), await count()) == (4, 1)


def test_uploads_and_the_keys_agree_how_long_a_url_works() -> None:
    assert sealed.UPLOAD_URL_S == uploads.URL_S

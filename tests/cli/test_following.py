"""`burnish jobs logs -f` over what happens to a platform: each line once, and a way back."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from burnish.cli import patience
from burnish.kit import stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from models import events, job
from resolvers import accounts, cursors
from rest_compat import keys, sse
from tests.cli.conftest import Commands
from tests.conftest import Server, Tenant, serving
from tests.rest_compat import things
from tests.schema.conftest import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def tenant(core: Core) -> Tenant:
    return Tenant(*await accounts.create(core, "tenant", credit_micros=10**9))


@pytest.fixture
def commands(plain: Path, settings: Settings, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Commands for an API that may not run yet."""
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.01)
    environment = {"BURNISH_BASE_URL": settings.local_url, "BURNISH_API_KEY": tenant.key, "BURNISH_HOME": str(settings.home)}
    return Commands(environment, plain)


async def queued(settings: Settings, tenant: Tenant) -> str:
    async with httpx2.AsyncClient(base_url=settings.local_url, headers=tenant.headers, verify=False) as client:
        return str((await things.queued_job(client))["id"])


async def write(core: Core, job_id: str, *messages: str, end: bool = False) -> None:
    async with core.db.transaction() as session:
        await stream.append(session, job_id, "logs", [events.log_line(message) for message in messages], attempt=1)
        if end:
            await stream.end(session, job_id, job.STREAMS, job.COMPLETED)


async def followed(app: Starlette) -> None:
    await until(lambda: bool(app.state.platform.core.hub._topics))


async def test_restarts_neither_lose_nor_double_a_line(
    commands: Commands, settings: Settings, tenant: Tenant, core: Core
) -> None:
    async with serving(settings) as app:
        job_id = await queued(settings, tenant)
        following = asyncio.create_task(commands("jobs", "logs", "-f", job_id, "--json"))
        await followed(app)
        await write(core, job_id, "0", "1")
    await write(core, job_id, "2")
    async with serving(settings) as app:
        await followed(app)
        await write(core, job_id, "3", end=True)
        result = await asyncio.wait_for(following, 20)
    texts = ["Status: queued", "0", "1", "2", "3", "[Job completed]"]
    wanted = [{"cursor": cursors.position(job_id, "logs", min(seq, 5)), "line": text} for seq, text in enumerate(texts, 1)]
    assert [json.loads(line) for line in result.stdout.splitlines()] == wanted
    assert "Trying again." in result.stderr
    assert "Connected again; nothing was missed." in result.stderr


async def test_platform_that_stays_away_ends_the_command_with_the_way_back(
    commands: Commands, settings: Settings, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "OUTAGE_S", 0.05)
    async with serving(settings) as app:
        job_id = await queued(settings, tenant)
        following = asyncio.create_task(commands("jobs", "logs", "-f", job_id, code=1))
        await followed(app)
    result = await asyncio.wait_for(following, 20)
    assert result.stdout == "Status: queued\n"
    assert f"Come back with `burnish jobs logs -f {job_id} --after {cursors.position(job_id, 'logs', 1)}`." in result.stderr


async def test_platform_that_was_never_there_is_not_waited_for(commands: Commands) -> None:
    result = await commands("jobs", "logs", "-f", "job_x", code=1)
    assert "Nothing answers at" in result.stderr
    assert "Trying again" not in result.stderr


async def test_key_that_is_revoked_ends_the_command_as_a_refused_key(
    burnish: Commands, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "CHECK_S", 0.02)
    monkeypatch.setattr(keys, "LOOK_S", 0.02)
    async with server.client() as client:
        job_id = (await things.queued_job(client))["id"]
        made = (await client.post("/v1/api_keys", json={"name": "lost"})).json()
        following = asyncio.create_task(burnish("jobs", "logs", "-f", job_id, "--api-key", made["key"], code=5))
        await followed(server.app)
        await client.delete(f"/v1/api_keys/{made['id']}")
        assert "Invalid API key" in (await asyncio.wait_for(following, 20)).stderr


async def test_cursor_of_another_job_is_refused(burnish: Commands, server: Server) -> None:
    async with server.client() as client:
        job_id = (await things.queued_job(client))["id"]
    result = await burnish("jobs", "logs", job_id, "--after", cursors.position("job_other", "logs", 1), code=1)
    assert (result.stdout, "belongs to another list or stream" in result.stderr) == ("", True)

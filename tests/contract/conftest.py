"""Published clients, unmodified, pointed at a server of this process; they block, so each call runs in a thread."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest

from models import deployment as dep
from models.deployment import Deployment
from resolvers import accounts, adopting
from resolvers.adopting import AdoptInput
from tests.conftest import Server, Tenant
from tests.contract.published import ROOT, VERSIONS, Published
from tests.faults.processes import broker
from tests.rest_compat import replica, things
from tests.rest_compat.replica import Replica

DEADLINE_S = 60


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """A published version of `veri-sdk`."""
    found: str = request.param
    return found


@pytest.fixture
def veri(server: Server, version: str, tmp_path: Path) -> Iterator[Published]:
    """That version with an empty home folder; its SDK has the tenant's key, its command line is not logged in."""
    home = tmp_path / "user"
    home.mkdir()
    client = Published(version, server.url, server.tenant.key, home)
    yield client
    client.close()


@pytest.fixture
async def logged_in(veri: Published) -> Published:
    await veri.cli("login", "--token", veri.key, "--url", veri.url)
    return veri


@pytest.fixture
def rows(tmp_path: Path) -> str:
    path = tmp_path / "sums.jsonl"
    path.write_bytes(things.ROWS)
    return str(path)


@pytest.fixture
def reward(tmp_path: Path) -> str:
    path = tmp_path / "exact.py"
    path.write_bytes(things.REWARD)
    return str(path)


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.tenant.key, max_retries=0) as client:
        yield client


@pytest.fixture
async def engine() -> AsyncIterator[Replica]:
    async with replica.running() as made:
        yield made


@pytest.fixture
async def operator(server: Server, engine: Replica) -> AsyncIterator[Tenant]:
    """The operator, who has the engine as the deployment `sums`; a broker and a `burnish worker` run, too."""
    core = server.platform.core
    tenant = Tenant(*await accounts.create(core, "boss", operator=True))
    given = {"BURNISH_HOME": str(core.settings.home), "BURNISH_CPU_FALLBACK": "true", "BURNISH_LOG_LEVEL": "warning"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BURNISH_", "PYTHON"))}
    async with broker(core.settings):
        row = await adopting.adopt(await server.context(tenant), AdoptInput(url=engine.url, name="sums"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "burnish.host", cwd=ROOT, env={**kept, **given}, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await serves(server, row.id)
            # The host has asked it for a token.
            engine.seen.clear()
            engine.asked.clear()
            yield tenant
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), DEADLINE_S)


async def serves(server: Server, deployment_id: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            async with server.platform.db.read() as session:
                if (await session.get_one(Deployment, deployment_id)).status == dep.SERVING:
                    return
            await asyncio.sleep(0.05)

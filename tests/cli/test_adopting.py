"""`burnish deploy adopt`, as typed: over HTTP with an operator's key, and the server's own key from standard input only."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from engines.serving.engine import free_port
from models.account import Account
from models.deployment import Deployment
from tests.cli.conftest import Commands
from tests.conftest import Server
from tests.engines.serving.upstream import Upstream

pytestmark = pytest.mark.anyio
KEY = "sk-of-the-server"


@pytest.fixture
async def theirs() -> AsyncIterator[Upstream]:
    server = Upstream()
    await server.start(free_port())
    yield server
    await server.stop()


async def test_the_operator_adopts_a_server_and_its_key_is_never_an_argument(
    burnish: Commands, server: Server, theirs: Upstream
) -> None:
    theirs.key = KEY
    refused = await burnish("deploy", "adopt", theirs.url, "--name", "theirs", code=5)
    assert "Only the operator of this installation adopts servers." in refused.stderr
    async with server.platform.db.transaction() as session:
        await session.exec(update(Account).where(col(Account.id) == server.tenant.account.id).values(is_operator=True))
    wanted = await burnish("deploy", "adopt", theirs.url, "-n", "theirs", code=1)
    assert f"--api-key-stdin: {theirs.url}: it wants an API key (HTTP 401)." in wanted.stderr
    made = await burnish("deploy", "adopt", f"{theirs.url}/v1", "-n", "theirs", "--api-key-stdin", text=KEY + "\n")
    assert "adopted" in made.stdout and KEY not in made.stdout + made.stderr
    async with server.platform.db.read() as session:
        [row] = (await session.exec(select(Deployment))).all()
    assert (row.name, row.upstream_url, row.upstream_model) == ("theirs", theirs.url, "model")
    assert server.platform.core.secrets.decrypt(row.sealed_upstream_key or "", row.id) == KEY

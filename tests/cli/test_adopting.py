"""`burnish deploy adopt`, as typed: over HTTP with an operator's key, and the server's own key from standard input only."""

from collections.abc import AsyncIterator

import pytest
from sqlmodel import select

from engines.serving.engine import free_port
from models.audit import AuditEntry
from models.deployment import Deployment
from resolvers import accounts
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
    _, key = await accounts.create(server.platform.core, "operator", credit_micros=0, operator=True)
    as_operator = ("--api-key", key)
    wanted = await burnish("deploy", "adopt", theirs.url, "-n", "theirs", *as_operator, code=1)
    assert f"--api-key-stdin: {theirs.url}: it wants an API key (HTTP 401)." in wanted.stderr
    made = await burnish("deploy", "adopt", f"{theirs.url}/v1", "-n", "theirs", "--api-key-stdin", *as_operator, text=KEY + "\n")
    assert "adopted" in made.stdout and KEY not in made.stdout + made.stderr
    async with server.platform.db.read() as session:
        [row] = (await session.exec(select(Deployment))).all()
        logged = (await session.exec(select(AuditEntry.action).where(AuditEntry.resource_id == row.id))).all()
    assert list(logged) == ["deployments.adopt"]
    assert (row.name, row.upstream_url, row.upstream_model) == ("theirs", theirs.url, "model")
    assert server.platform.core.secrets.decrypt(row.sealed_upstream_key or "", row.id) == KEY

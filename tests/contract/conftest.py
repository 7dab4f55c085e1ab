"""Published clients, unmodified, pointed at a server of this process; they block, so each call runs in a thread."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest

from tests.conftest import Server
from tests.contract.published import VERSIONS, Published
from tests.rest_compat import replica, things
from tests.rest_compat.replica import Replica


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

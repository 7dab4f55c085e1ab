"""Published clients, unmodified, pointed at a server of this process; they block, so each call runs in a thread."""

from collections.abc import AsyncIterator, Iterator

import openai
import pytest
import veri_sdk

from tests.conftest import Server
from tests.rest_compat import replica
from tests.rest_compat.replica import Replica


@pytest.fixture
def veri(server: Server) -> Iterator[veri_sdk.Client]:
    client = veri_sdk.Client(api_key=server.tenant.key, base_url=server.url)
    yield client
    client._http.close()


@pytest.fixture
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.tenant.key, max_retries=0) as client:
        yield client


@pytest.fixture
async def engine() -> AsyncIterator[Replica]:
    async with replica.running() as made:
        yield made

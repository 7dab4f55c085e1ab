"""A client whose every answer is held against the published descriptions: ours, and DeepInfra's own where it has the route."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.conftest import Server
from tests.rest_compat import deepinfra, described


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with server.client() as made:
        made.event_hooks = {"response": [described.check, deepinfra.check]}
        yield made


@pytest.fixture
async def stranger(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of another account."""
    async with server.client(await server.new_tenant("stranger")) as made:
        made.event_hooks = {"response": [described.check, deepinfra.check]}
        yield made

"""The client on each event loop, and the proof that it leaves nothing over."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from engines.serving.http1 import Client
from tests.engines.serving.http1.wire import sockets, until


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """Each test ends with as many sockets and tasks as it began with."""
    before, tasks = sockets(), len(asyncio.all_tasks())
    yield
    await until(lambda: (sockets(), len(asyncio.all_tasks())) == (before, tasks))


@pytest.fixture
async def client(nothing_is_left: None) -> AsyncIterator[Client]:
    made = Client()
    yield made
    await made.close()

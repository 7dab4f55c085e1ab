"""`burnish worker drain`: a host is left, waited for, and taken back."""

import asyncio
import socket
from datetime import datetime

import pytest

from burnish.kit import clock
from models.host import Host
from models.replica import Replica
from tests.cli.conftest import Commands
from tests.conftest import Server
from tests.models import rows

pytestmark = pytest.mark.anyio


async def announce(server: Server, name: str) -> str:
    """Have a host of this name be alive; return its id."""
    offers = {"gpus": [], "cpu_slots": 2, "cpu_fallback": True}
    async with server.platform.db.transaction() as session:
        session.add(Host(id=f"host_{name}", name=name, offers=offers, started_at=clock.now(), seen_at=clock.now()))
    return f"host_{name}"


async def drains(server: Server, host_id: str) -> datetime | None:
    async with server.platform.db.read() as session:
        return (await session.get_one(Host, host_id)).draining_at


async def test_a_host_is_drained_by_its_name_and_waited_for(burnish: Commands, server: Server) -> None:
    here, there = await announce(server, socket.gethostname()), await announce(server, "elsewhere")
    deployment_id = await rows.deployment(server.platform.db, server.tenant.account.id)
    at_work = await rows.replica(
        server.platform.db, deployment_id, account_id=server.tenant.account.id, lease_holder=there, host_id=there
    )
    row = {"id": there, "name": "elsewhere", "draining": True, "working": 1}
    assert await burnish.json("worker", "drain", "--host", "elsewhere") == [row]
    first = await drains(server, there)
    assert first is not None and await drains(server, here) is None

    waiting = asyncio.create_task(burnish.json("worker", "drain", "--host", there, "--wait"))
    async with asyncio.timeout(60):
        while await drains(server, there) == first:
            await asyncio.sleep(0.01)
    async with server.platform.db.transaction() as session:
        ended = await session.get_one(Replica, at_work.id)
        ended.status, ended.ended_at, ended.lease_holder = "stopped", clock.now(), None
        session.add(ended)
    assert await waiting == [row | {"working": 0}]

    assert await burnish.json("worker", "drain", "--host", "elsewhere", "--undo") == [row | {"draining": False, "working": 0}]
    assert await drains(server, there) is None
    assert [each["id"] for each in await burnish.json("worker", "drain")] == [here]
    assert await drains(server, here) is not None


async def test_what_cannot_be_drained_is_said_and_changes_nothing(burnish: Commands, server: Server) -> None:
    there = await announce(server, "elsewhere")
    assert "No host named nowhere is running." in (await burnish("worker", "drain", "--host", "nowhere", code=4)).stderr
    refused = await burnish("worker", "drain", "--host", "elsewhere", "--wait", "--undo", code=2)
    assert refused.stderr == "Error: --wait: a host that takes work again is not waited for.\n"
    assert await drains(server, there) is None

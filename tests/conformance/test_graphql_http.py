"""`graphql-http`'s audit of a server passes in full: every MUST, SHOULD and MAY of it."""

import asyncio
import json

import pytest

from tests.conformance import node
from tests.conftest import Server

pytestmark = pytest.mark.anyio
DEADLINE_S = 60.0

# Named one by one, so that a version with fewer audits is noticed.
AUDITS = (
    "22EB 4655 47DE 80D8 82A3 BF61 78D5 2C94 5A70 9C48 9ABE 03D4 A5BF 423L LKJ0 LKJ1 LKJ2 LKJ3 34A2 13EE 6C00 6C01 6C02 6C03 "
    "8161 B8B3 94B0 0220 94B1 0221 94B2 0222 4760 4761 4762 4763 2EA1 28B9 D6D5 6A70 58B0 58B1 58B2 58B3 428F 1B7A B6DC BCF8 "
    "B7N8 8764 3E3A 572B FDE2 7B9B 865D 556A D586 51FE 74FF 5E5B 86EE"
)


async def audit(server: Server) -> list[dict[str, str | None]]:
    command = [str(node.NODE), str(node.installed() / "graphql_http.mjs"), f"{server.url}/graphql", server.tenant.key]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 0
    found: list[dict[str, str | None]] = json.loads(output)
    return found


async def test_every_audit_is_ok(server: Server) -> None:
    results = await audit(server)
    assert [item for item in results if item["status"] != "ok"] == []
    assert " ".join(str(item["id"]) for item in results) == AUDITS

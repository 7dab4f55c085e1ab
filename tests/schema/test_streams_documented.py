"""The programs of `docs/streams.md`, as they stand there, against a server that is restarted under them."""

import asyncio
import re
import sys
from pathlib import Path

import httpx2
import pytest

from burnish.kit import stream
from burnish.kit.core import Core
from burnish.kit.settings import Settings
from models import events, job
from resolvers import accounts
from tests.conftest import Tenant, serving
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
PAGE = Path(__file__).parents[2] / "docs" / "streams.md"
PROGRAMS = dict(zip(("websocket", "sse"), re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL), strict=True))
ENDS = {"websocket": "The job is completed.", "sse": "[Job completed]"}


async def write(core: Core, job_id: str, *messages: str, end: bool = False) -> None:
    async with core.db.transaction() as session:
        await stream.append(session, job_id, "logs", [events.log_line(message) for message in messages], attempt=1)
        if end:
            await stream.end(session, job_id, job.STREAMS, job.COMPLETED)


class Lines:
    """What a program prints; it is ended where it prints nothing for long."""

    def __init__(self, program: asyncio.subprocess.Process) -> None:
        self.program = program

    async def next(self) -> str:
        assert self.program.stdout is not None
        try:
            return (await asyncio.wait_for(self.program.stdout.readline(), 30)).decode().rstrip("\n")
        except TimeoutError:
            self.program.kill()
            raise


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_documented_program_prints_every_line_once_over_a_restart(name: str, settings: Settings, core: Core) -> None:
    tenant = Tenant(*await accounts.create(core, "tenant", credit_micros=10**9))
    async with serving(settings):
        async with httpx2.AsyncClient(base_url=settings.local_url, headers=tenant.headers, verify=False) as client:
            job_id = (await things.queued_job(client))["id"]
        environment = {"BURNISH_BASE_URL": settings.local_url, "BURNISH_API_KEY": tenant.key, "BURNISH_JOB": job_id}
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-u", "-c", PROGRAMS[name], env=environment, stdout=asyncio.subprocess.PIPE
        )
        out = Lines(program)
        assert await out.next() == "Status: queued"
        await write(core, job_id, "one")
        assert await out.next() == "one"
    await write(core, job_id, "two")
    async with serving(settings):
        assert await out.next() == "two"
        await write(core, job_id, "three", end=True)
        rest = [await out.next(), await out.next(), await out.next()]
    assert (rest, await program.wait()) == (["three", ENDS[name], ""], 0)

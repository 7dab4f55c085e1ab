"""What `burnish jobs` says of memory: before a job what it is expected to take, afterwards what it took."""

from pathlib import Path

import pytest

from models.job import Job
from tests.cli.conftest import JOB, Commands
from tests.conftest import Server

pytestmark = pytest.mark.anyio


async def test_a_dry_run_tells_the_whole_its_parts_and_what_there_is(burnish: Commands, job_file: Path) -> None:
    job_file.write_text(JOB.replace('"tiny"', '"org/small-0.5B"'))
    said = (await burnish("jobs", "create", "-f", str(job_file), "--dry-run")).stderr.splitlines()
    plan = (await burnish.json("jobs", "create", "-f", str(job_file), "--dry-run"))["plan"]
    total = plan["memory"]["total_bytes"] / 1e9
    basis = "the 0.5B parameters in its name, as typical models of that size are shaped"
    assert said[2] == f"It is expected to take {total:.3g} GB of memory, judged by {basis}."
    assert said[3].startswith("That is weights 2 GB, optimizer 4 GB, reference model 2 GB, ")
    assert said[4] == "Nothing was uploaded or created."


async def test_a_job_shows_what_was_expected_and_the_peak_in_one_line(burnish: Commands, job_file: Path, server: Server) -> None:
    job_file.write_text(JOB.replace('"tiny"', '"org/small-0.5B"'))
    made = await burnish.json("jobs", "create", "-f", str(job_file))
    total = made["memory_estimate"]["total_bytes"] / 1e9
    assert f"memory                  {total:.3g} GB expected\n" in (await burnish("jobs", "show", made["id"])).stdout
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Job, made["id"])
        row.peak_memory_bytes = 812_345_678
        row.memory_estimate = made["memory_estimate"] | {"available_bytes": 10**9}
    shown = (await burnish("jobs", "show", made["id"])).stdout
    assert f"memory                  {total:.3g} GB of 1 GB expected, 812 MB at the peak\n" in shown
    assert (await burnish.json("jobs", "show", made["id"]))["peak_memory_bytes"] == 812_345_678

"""The memory of training jobs over REST: in plans, and with each job beside what it took."""

import pytest

from models.job import Job
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio


async def test_a_job_keeps_the_estimate_of_its_plan_and_gets_its_peak(server: Server) -> None:
    async with server.client() as client:
        body = await things.job_body(client, base_model="org/small-0.5B", hyperparameters={"kl_coef": 0})
        plan = (await client.post("/v1/training_jobs/plan", json=body)).json()
        memory = plan["memory"]
        assert list(memory) == ["total_bytes", "parts", "available_bytes", "fits", "basis", "advice"]
        assert memory["total_bytes"] == sum(part["bytes"] for part in memory["parts"])
        assert memory["parts"][0] == {"name": "weights", "bytes": 2 * 10**9}
        assert plan["memory_unknown"] is None
        made = (await client.post("/v1/training_jobs", json=body)).json()
        assert (made["memory_estimate"], made["peak_memory_bytes"]) == (memory, None)
        async with server.platform.db.transaction() as session:
            row = await session.get_one(Job, made["id"])
            row.peak_memory_bytes = 5 * 10**9
        read = (await client.get(f"/v1/training_jobs/{made['id']}")).json()
        assert (read["memory_estimate"], read["peak_memory_bytes"]) == (memory, 5 * 10**9)


async def test_what_cannot_be_told_is_null_with_a_reason(server: Server) -> None:
    async with server.client() as client:
        body = await things.job_body(client, base_model="org/nameless")
        plan = (await client.post("/v1/training_jobs/plan", json=body)).json()
        assert (plan["valid"], plan["memory"]) == (True, None)
        assert plan["memory_unknown"].startswith("The memory that it takes cannot be told: its files are not on this machine")
        made = (await client.post("/v1/training_jobs", json=body)).json()
        assert (made["memory_estimate"], made["peak_memory_bytes"]) == (None, None)

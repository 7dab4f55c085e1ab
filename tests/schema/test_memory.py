"""The memory of training jobs through GraphQL: in plans, and with each job beside what it took."""

import pytest

from models.job import Job
from tests.schema.conftest import Api, NewRun
from tests.schema.test_nouns import inputs

pytestmark = pytest.mark.anyio
MEMORY = "{ totalBytes parts { name bytes } availableBytes fits basis advice }"
PLAN = f"""mutation($input: TrainingJobInput!) {{ planTrainingJob(input: $input) {{ plan {{
  memory {MEMORY} memoryUnknown }} }} }}"""
CREATE = f"""mutation($input: TrainingJobInput!) {{ createTrainingJob(input: $input) {{ job {{
  id memoryEstimate {MEMORY} peakMemoryBytes }} }} }}"""
READ = f"query($id: ID!) {{ job(id: $id) {{ memoryEstimate {MEMORY} peakMemoryBytes }} }}"


async def test_a_job_keeps_the_estimate_of_its_plan_and_gets_its_peak(api: Api, new_run: NewRun) -> None:
    wanted = await inputs(api, await new_run()) | {"baseModel": "org/small-0.5B"}
    plan = (await api.data(PLAN, input=wanted))["planTrainingJob"]["plan"]
    memory = plan["memory"]
    assert plan["memoryUnknown"] is None
    assert memory["totalBytes"] == sum(part["bytes"] for part in memory["parts"])
    assert memory["parts"][0] == {"name": "weights", "bytes": 2 * 10**9}
    assert (memory["availableBytes"], memory["fits"], memory["advice"]) == (None, None, None)
    assert memory["basis"] == "the 0.5B parameters in its name, as typical models of that size are shaped"
    made = (await api.data(CREATE, input=wanted))["createTrainingJob"]["job"]
    assert (made["memoryEstimate"], made["peakMemoryBytes"]) == (memory, None)
    async with api.server.platform.db.transaction() as session:
        row = await session.get_one(Job, made["id"])
        row.peak_memory_bytes = 5 * 10**9
    read = (await api.data(READ, id=made["id"]))["job"]
    assert read == {"memoryEstimate": memory, "peakMemoryBytes": 5 * 10**9}


async def test_what_cannot_be_told_is_null_with_a_reason(api: Api, new_run: NewRun) -> None:
    wanted = await inputs(api, await new_run()) | {"baseModel": "org/nameless"}
    plan = (await api.data(PLAN, input=wanted))["planTrainingJob"]["plan"]
    assert plan["memory"] is None
    assert plan["memoryUnknown"].startswith("The memory that it takes cannot be told: its files are not on this machine")
    made = (await api.data(CREATE, input=wanted))["createTrainingJob"]["job"]
    assert made["memoryEstimate"] is None


async def test_more_than_a_number_carries_is_not_told(api: Api, new_run: NewRun) -> None:
    wanted = await inputs(api, await new_run()) | {"baseModel": "org/small-0.5B"}
    wanted |= {"hyperparameters": {"max_prompt_length": 2**31 - 1, "max_response_length": 2**31 - 1}}
    plan = (await api.data(PLAN, input=wanted))["planTrainingJob"]["plan"]
    assert plan == {"memory": None, "memoryUnknown": "The memory that it takes cannot be told: it is more than can be told."}
    made = (await api.data(CREATE, input=wanted))["createTrainingJob"]["job"]
    assert made["memoryEstimate"] is None

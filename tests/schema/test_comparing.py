"""Jobs side by side, and what a key may do with them."""

from typing import Any

import httpx2
import pytest

from burnish.kit.errors import Invalid
from models import job
from models.base_model import BaseModel
from models.job import Job
from resolvers import comparison
from resolvers.comparison import Aligned
from resolvers.metrics import Column
from tests.schema.conftest import Api, NewRun, Run
from tests.schema.test_statements import fill

pytestmark = pytest.mark.anyio

COMPARE = """query($ids: [ID!]!, $keys: [String!], $most: Int! = 200) { compareJobs(ids: $ids, keys: $keys) {
  jobs { id outputName } differing: settings(differing: true) { name same values } settings { name same }
  metrics(maxPoints: $most) { key steps columns { jobId values final } } } }"""


async def set_(run: Run, **values: Any) -> None:
    async with run.server.platform.db.transaction() as session:
        row = await session.get_one(Job, run.id)
        for name, value in values.items():
            setattr(row, name, value)
        session.add(row)


async def test_jobs_are_put_side_by_side(api: Api, new_run: NewRun) -> None:
    one, two = await new_run(output_name="one"), await new_run(output_name="two")
    await set_(one, hyperparameters={"lr": 1e-5, "seed": 1})
    await set_(two, hyperparameters={"lr": 1e-4, "seed": 1, "extra": [1]}, reward_function_id=None)
    await one.metrics([1, 2, 3], reward=0.5)
    await two.metrics([2, 3, 4], reward=0.75, kl=0.1)
    found = (await api.data(COMPARE, ids=[two.id, one.id]))["compareJobs"]
    assert [row["outputName"] for row in found["jobs"]] == ["two", "one"]
    differing = {row["name"]: row["values"] for row in found["differing"]}
    assert sorted(differing) == ["dataset_id", "hyperparameters.extra", "hyperparameters.lr", "reward_function_id"]
    assert (differing["hyperparameters.lr"], differing["hyperparameters.extra"]) == ([1e-4, 1e-5], [[1], None])
    assert differing["reward_function_id"][0] is None
    assert {"name": "base_model", "same": True} in found["settings"]
    kl, reward = found["metrics"]
    assert (kl["key"], kl["steps"]) == ("kl", [2, 3, 4])
    assert kl["columns"] == [
        {"jobId": two.id, "values": [0.1, 0.1, 0.1], "final": 0.1},
        {"jobId": one.id, "values": [None, None, None], "final": None},
    ]
    assert (reward["key"], reward["steps"]) == ("reward", [1, 2, 3, 4])
    assert [column["values"] for column in reward["columns"]] == [[None, 0.75, 0.75, 0.75], [0.5, 0.5, 0.5, None]]
    only = (await api.data(COMPARE, ids=[one.id], keys=["kl", "reward"]))["compareJobs"]
    assert ([row["key"] for row in only["metrics"]], only["differing"]) == (["reward"], [])


async def test_what_cannot_be_compared_is_refused(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    other = Api(api.server, await api.server.new_tenant("other"))
    for ids in ([], [run.id, run.id], [f"job_{index}" for index in range(21)]):
        (error,) = (await api(COMPARE, ids=ids))["errors"]
        assert (error["extensions"]["code"], error["extensions"]["param"]) == ("INVALID", "ids")
    (error,) = (await other(COMPARE, ids=[run.id]))["errors"]
    (unknown,) = (await other(COMPARE, ids=["job_nothing"]))["errors"]
    assert error["extensions"] == unknown["extensions"]
    assert error["message"].replace(run.id, "job_nothing") == unknown["message"]
    (error,) = (await api(COMPARE, ids=[run.id], most=2))["errors"]
    assert error["extensions"]["param"] == "maxPoints"
    with pytest.raises(Invalid):
        await comparison.compare(await api.server.context(), [])


def test_columns_of_different_lengths_meet_on_the_same_steps() -> None:
    long = Column("a", list(range(100)), [float(step) for step in range(100)])
    short = Column("a", [0, 50], [0.5, 50.5])
    assert comparison.aligned("a", [long, short, None], 4) == Aligned(
        "a", [0, 33, 66, 99], [[0.0, 33.0, 66.0, 99.0], [0.5, None, 50.5, None], [None] * 4]
    )
    assert comparison.aligned("a", [short], 4) == Aligned("a", [0, 50], [[0.5, 50.5]])


async def test_a_key_is_told_what_it_may_do(api: Api, new_run: NewRun) -> None:
    await fill(api, 1)
    run = await new_run()
    query = """{ jobs { nodes { viewerCan modelUrl } }
      deployments { nodes { viewerCan job { viewerCan } } } }"""
    found = await api.data(query)
    assert [node["viewerCan"] for node in found["jobs"]["nodes"]] == [["cancel"], ["delete", "deploy", "download"]]
    assert found["jobs"]["nodes"][0]["modelUrl"] is None
    assert found["jobs"]["nodes"][1]["modelUrl"].startswith(api.server.platform.core.settings.base_url)
    assert found["deployments"]["nodes"] == [
        {"viewerCan": ["chat", "pause", "scale", "stop", "update"], "job": {"viewerCan": ["delete", "deploy", "download"]}}
    ]
    made = await api.data('mutation { createApiKey(input: {name: "reader", scopes: ["read"]}) { secret } }')
    headers = {"Authorization": f"Bearer {made['createApiKey']['secret']}"}
    short = "{ jobs { nodes { viewerCan } } deployments { nodes { viewerCan } } }"
    async with api.server.client() as client:
        found = (await client.post("/graphql", json={"query": short}, headers=headers)).json()["data"]
    assert [node["viewerCan"] for node in found["jobs"]["nodes"]] == [[], ["download"]]
    assert found["deployments"]["nodes"] == [{"viewerCan": []}]
    await run.move(job.CANCELLED)
    assert (await api.data("query($id: ID!) { job(id: $id) { viewerCan } }", id=run.id))["job"]["viewerCan"] == ["delete"]


async def test_the_files_of_a_checkpoint_have_urls(api: Api) -> None:
    await fill(api, 1)
    await api.server.platform.core.storage.put("p/config.json", b"{}")
    (found,) = (await api.data("{ checkpoints { nodes { files { path downloadUrl } } } }"))["checkpoints"]["nodes"]
    assert [file["path"] for file in found["files"]] == ["config.json"]
    async with api.server.client() as client:
        assert (await client.get(found["files"][0]["downloadUrl"])).content == b"{}"


async def test_registered_models_are_listed_without_their_paths(api: Api) -> None:
    async with api.server.platform.db.transaction() as session:
        session.add(BaseModel(name="tiny", path="/models/tiny", created_at=api.tenant.account.created_at))
    answer = await api("{ baseModels { name createdAt } }")
    assert [model["name"] for model in answer["data"]["baseModels"]] == ["tiny"]
    (error,) = (await api("{ baseModels { path } }"))["errors"]
    assert "Cannot query field 'path'" in error["message"]


async def test_environments_need_their_integration(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    made = (await api.data("query($id: ID!) { job(id: $id) { dataset { id } } }", id=run.id))["job"]
    wanted = {"baseModel": "tiny", "datasetId": made["dataset"]["id"], "outputName": "sums", "hardware": {"type": "CPU"}}
    create = "mutation($input: TrainingJobInput!) { createTrainingJob(input: $input) { errors { path reason } } }"
    (error,) = (await api.data(create, input=wanted | {"environments": {"maze": {"splits": ["train"]}}}))["createTrainingJob"][
        "errors"
    ]
    assert error == {"path": ["environments"], "reason": "integration_not_configured"}
    (error,) = (await api.data(create, input=wanted))["createTrainingJob"]["errors"]
    assert error["path"] == ["rewardFunctionId"]


async def test_a_revoked_key_is_refused_by_the_next_request(api: Api) -> None:
    made = (await api.data('mutation { createApiKey(input: {name: "k"}) { secret apiKey { id } } }'))["createApiKey"]
    headers = {"Authorization": f"Bearer {made['secret']}"}
    query = {"query": "{ viewer { account { balance { amount } } } }"}
    async with api.server.client() as client:
        for _ in range(2):
            assert (await client.post("/graphql", json=query, headers=headers)).status_code == 200
        await api.data("mutation($id: ID!) { revokeApiKey(input: {id: $id}) { apiKey { id } } }", id=made["apiKey"]["id"])
        assert (await client.post("/graphql", json=query, headers=headers)).status_code == 401


async def test_metrics_are_exported_by_a_url(api: Api, new_run: NewRun) -> None:
    run = await new_run(output_name="sums")
    await run.metrics([1, 2], reward=0.5)
    query = "query($id: ID!) { job(id: $id) { csv: metricsExportUrl(format: CSV) metricsExportUrl(format: PARQUET) } }"
    found = (await api.data(query, id=run.id))["job"]
    async with httpx2.AsyncClient(verify=False) as client:
        answer = await client.get(found["csv"])
        assert (answer.status_code, answer.text.splitlines()[0].split(",")[-1]) == (200, '"reward"')
        assert (await client.get(found["metricsExportUrl"])).content[:4] == b"PAR1"


@pytest.mark.parametrize("most", [3, 4, 10, 25, 60])
async def test_jobs_of_different_length_have_no_holes_where_they_reported(api: Api, new_run: NewRun, most: int) -> None:
    long, short = await new_run(output_name="long"), await new_run(output_name="short")
    for run, last in ((long, 60), (short, 30)):
        for step in range(1, last + 1):
            await run.metrics([step], reward=step / 100)
    (reward,) = (await api.data(COMPARE, ids=[long.id, short.id], most=most))["compareJobs"]["metrics"]
    of_long, of_short = (column["values"] for column in reward["columns"])
    assert (len(reward["steps"]), None in of_long) == (most, False)
    assert [value is None for value in of_short] == [
        step > 30 and before >= 30 for before, step in zip([0, *reward["steps"]], reward["steps"], strict=False)
    ]

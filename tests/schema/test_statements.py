"""How many statements a page takes: the same however long it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import select

from burnish.kit import clock, ids
from burnish.kit.db import Session
from models import deployment as dep
from models import events, job, rollout
from models.dataset import Dataset
from models.deployment import Deployment
from models.job import Checkpoint, Job
from models.replica import Replica
from models.reward_function import RewardFunction
from resolvers import deployments, downloads, jobs, related
from tests.conftest import Server
from tests.schema.conftest import REWARD, Api

pytestmark = pytest.mark.anyio

JOBS = """query($first: Int!) { jobs(first: $first) { nodes { id status viewerCan dataset { name } rewardFunction { name }
  latestMetrics { key value } cost { total { amount } } progress { step } checkpoints { id step } modelUrl
  error { message lastLogs { message } } deployments { name replicas { status } stats { requestCount } } } } }"""
DEPLOYMENTS = """query($first: Int!) { deployments(first: $first) { nodes { id name viewerCan replicas { status }
  stats { requestCount } checkpoint { step } job { outputName } hourlyCost { amount }
  versions { number model checkpoint { step } } } } }"""
CHECKPOINTS = """query($first: Int!) { jobs(first: $first) { nodes { id
  checkpoints { id step downloadUrl best score files { path downloadUrl } } } } }"""
DATASETS = """query($first: Int!) {
  datasets(first: $first) { nodes { name jobs(first: 3) { nodes { id rewardFunction { name } } } } }
  rewardFunctions(first: $first) { nodes { name jobs(first: 3) { nodes { id } } } } }"""


@contextmanager
def statements(server: Server) -> Iterator[list[str]]:
    """Collect the statements that the database runs."""
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            seen.append(statement)

    engine = server.platform.core.db.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def fill(api: Api, count: int) -> None:
    """Make jobs with all that hangs on them; every other one has failed."""
    for index in range(count):
        async with api.server.platform.db.transaction() as session:
            row = await add_job(session, api.tenant.account.id, index)
            await add_deployment(session, row, index)


async def add_job(session: Session, account_id: str, index: int) -> Job:
    """Add a job with a dataset and a reward function of its own, and one line in its log."""
    now = clock.now()
    made: dict[str, Any] = {"account_id": account_id, "sha256": "0", "created_at": now}
    dataset = Dataset(id=ids.new("ds"), name=f"data-{index}", columns=["prompt"], size_bytes=1, storage_key="k", **made)
    reward = RewardFunction(id=ids.new("rf"), name=f"reward-{index}", source=REWARD, **made)
    session.add_all([dataset, reward])
    await session.flush()
    failure = {"code": "c", "message": "m", "attribution": "user", "user_code_line": None}
    row = Job(
        id=ids.new("job"),
        account_id=account_id,
        status=job.FAILED if index % 2 else job.COMPLETED,
        base_model="tiny",
        dataset_id=dataset.id,
        reward_function_id=reward.id,
        output_name=f"run-{index}",
        hyperparameters={},
        hyperparameters_defaulted=[],
        gpu_requested={"type": "CPU", "count": 1},
        checkpoint_destination={"type": "veri"},
        latest_metrics={"reward": 0.5},
        error=failure if index % 2 else None,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    await events.record(session, account_id, row.id, "created", line="Status: queued")
    return row


async def add_deployment(session: Session, row: Job, index: int) -> None:
    """Add a deployment of a checkpoint of a job, with one replica."""
    now = clock.now()
    made: dict[str, Any] = {"account_id": row.account_id, "created_at": now}
    stored: dict[str, Any] = {"final": True, "storage_prefix": "p", "file_count": 1, "size_bytes": 1}
    checkpoint = Checkpoint(id=ids.new("ckpt"), job_id=row.id, attempt=1, step=index, **stored, **made)
    session.add(checkpoint)
    await session.flush()
    deployment = Deployment(
        id=ids.new("dep"),
        name=f"serve-{index}",
        status=dep.SERVING,
        model=row.id,
        source="training_job",
        checkpoint_id=checkpoint.id,
        gpu_requested={"type": "CPU", "count": 1},
        updated_at=now,
        **made,
    )
    session.add(deployment)
    await session.flush()
    url = "http://127.0.0.1:1"
    await rollout.add(session, deployment)
    on = {"host_id": "h", "gpu_requested": {"type": "CPU", "count": 1}, "rate_micros_per_hour": 100_000, **made}
    replica = Replica(id=ids.new("rep"), deployment_id=deployment.id, status="running", url=url, **on)
    session.add(replica)


async def counted(api: Api, query: str, first: int) -> tuple[Any, int]:
    """Return the data of an operation, and how many statements it took with its key known already."""
    await api.data("{ viewer { apiKey { id } } }")
    with statements(api.server) as seen:
        found = await api.data(query, first=first)
    # The key is looked up once a second.
    return found, len([statement for statement in seen if "key_hash = " not in statement])


async def test_a_page_of_jobs_takes_as_many_statements_however_long_it_is(api: Api) -> None:
    await fill(api, 50)
    short, of_5 = await counted(api, JOBS, 5)
    long, of_50 = await counted(api, JOBS, 50)
    assert (len(short["jobs"]["nodes"]), len(long["jobs"]["nodes"])) == (5, 50)
    last = long["jobs"]["nodes"][0]
    assert (last["dataset"], last["rewardFunction"]) == ({"name": "data-49"}, {"name": "reward-49"})
    assert (last["latestMetrics"], last["checkpoints"][0]["step"]) == ([{"key": "reward", "value": 0.5}], 49)
    assert last["deployments"] == [{"name": "serve-49", "replicas": [{"status": "running"}], "stats": {"requestCount": 0}}]
    assert last["error"]["lastLogs"] == [{"message": "Status: queued"}]
    # The jobs, their datasets, reward functions, checkpoints, deployments and logs; the replicas, and two for the stats.
    assert (of_5, of_50) == (9, 9)


async def test_the_checkpoints_of_a_page_of_jobs_are_signed_without_a_statement_for_each(api: Api) -> None:
    await fill(api, 10)
    account_id = api.tenant.account.id
    await api.server.platform.core.storage.put("p/model.bin", b"abc")
    async with api.server.platform.db.transaction() as session:
        newest = (await session.exec(select(Job).where(Job.output_name == "run-9"))).one()
        newest.best_step = 7
        made: dict[str, Any] = {"account_id": account_id, "job_id": newest.id, "attempt": 1, "created_at": clock.now()}
        stored: dict[str, Any] = {"final": False, "storage_prefix": "p", "file_count": 1, "size_bytes": 3}
        session.add_all(Checkpoint(id=ids.new("ckpt"), step=step, score=step / 10, **stored, **made) for step in range(20))
    short, of_2 = await counted(api, CHECKPOINTS, 2)
    long, of_10 = await counted(api, CHECKPOINTS, 10)
    assert [len(job["checkpoints"]) for job in short["jobs"]["nodes"]] == [21, 1]
    assert len(long["jobs"]["nodes"]) == 10
    seventh = long["jobs"]["nodes"][0]["checkpoints"][7]
    assert (seventh["step"], seventh["best"], seventh["score"]) == (7, True, 0.7)
    assert [one["best"] for one in long["jobs"]["nodes"][0]["checkpoints"]].count(True) == 1
    assert seventh["downloadUrl"].endswith("/run-9-step-7.tar.gz")
    token = seventh["downloadUrl"].split("/downloads/")[1].split("/")[0]
    assert downloads.claims_of(api.server.platform.core, token)["checkpoint"] == seventh["id"]
    assert [file["path"] for file in seventh["files"]] == ["model.bin"]
    # The jobs, their checkpoints, and the jobs of these.
    assert (of_2, of_10) == (3, 3)


async def test_a_page_of_deployments_takes_as_many_statements_however_long_it_is(api: Api) -> None:
    await fill(api, 50)
    short, of_5 = await counted(api, DEPLOYMENTS, 5)
    long, of_50 = await counted(api, DEPLOYMENTS, 50)
    assert (len(short["deployments"]["nodes"]), len(long["deployments"]["nodes"])) == (5, 50)
    last = long["deployments"]["nodes"][0]
    assert (last["checkpoint"], last["job"]) == ({"step": 49}, {"outputName": "run-49"})
    assert last["hourlyCost"] == {"amount": "0.1"}
    assert last["versions"] == [{"number": 1, "model": last["versions"][0]["model"], "checkpoint": {"step": 49}}]
    # The deployments, their replicas, checkpoints, jobs and versions, the versions' checkpoints, and two for the stats.
    assert (of_5, of_50) == (8, 8)


async def test_the_jobs_of_many_things_come_together(api: Api) -> None:
    await fill(api, 50)
    _, of_5 = await counted(api, DATASETS, 5)
    found, of_50 = await counted(api, DATASETS, 50)
    assert found["datasets"]["nodes"][0]["jobs"]["nodes"][0]["rewardFunction"] == {"name": "reward-49"}
    # Both lists, the jobs of each, and the reward functions of the jobs.
    assert (of_5, of_50) == (5, 5)


async def test_fragments_and_edges_are_looked_through(api: Api) -> None:
    await fill(api, 5)
    query = """query($first: Int!) { jobs(first: $first) { edges { node { ...A } } ... on JobConnection { nodes { id } } } }
      fragment A on TrainingJob { dataset { name } ... on TrainingJob { rewardFunction { name } } }"""
    found, count = await counted(api, query, 5)
    assert [edge["node"]["dataset"]["name"] for edge in found["jobs"]["edges"]] == [f"data-{n}" for n in (4, 3, 2, 1, 0)]
    assert count == 3


async def test_what_a_list_is_asked_for_is_there_without_loading(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def load(*given: Any) -> None:
        raise AssertionError("a field loaded what came with its list")

    await fill(api, 2)
    monkeypatch.setattr("schema.jobs._load", load)
    found = await api.data("{ jobs { nodes { dataset { name } rewardFunction { name } } } }")
    assert found["jobs"]["nodes"][0] == {"dataset": {"name": "data-1"}, "rewardFunction": {"name": "reward-1"}}


async def test_what_is_fetched_together_stays_within_the_account(api: Api) -> None:
    await fill(api, 1)
    mine, theirs = await api.server.context(), await api.server.context(await api.server.new_tenant("other"))
    (row,) = (await jobs.page(mine)).items
    (deployment,) = (await deployments.page(mine)).items
    for ctx, count in ((mine, 1), (theirs, 0)):
        found = (
            await related.by_id(ctx, Job, [row.id]),
            await related.checkpoints(ctx, [row.id]),
            await related.deployments(ctx, [row.id]),
            await related.jobs(ctx, Job.dataset_id, [row.dataset_id], 5),
            await related.last_lines(ctx, [row.id], 5),
            await related.replicas(ctx, [deployment.id]),
            await related.versions(ctx, [deployment.id]),
            await deployments.totals_of(ctx, [deployment.id]),
        )
        assert [len(part) for part in found] == [count] * 8

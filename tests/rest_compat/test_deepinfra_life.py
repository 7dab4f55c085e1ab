"""The life of DeepInfra's deployments and its words: listed by status, scaled, stopped, started and deleted."""

from typing import Any

import httpx2
import pytest

from burnish.kit import clock, ids
from models import deployment as dep
from models import replica, transitions
from models.deployment import Deployment
from models.ledger import Hold
from models.replica import Replica
from resolvers import deployment_changes
from resolvers.deployment_inputs import VersionInput
from tests.conftest import Server
from tests.rest_compat import things
from tests.rest_compat.deepinfra import created, shown

pytestmark = pytest.mark.anyio


async def with_replicas(server: Server, row: Deployment, *statuses: str) -> None:
    now = clock.now()
    async with server.platform.db.transaction() as session:
        for status in statuses:
            its: dict[str, Any] = {"account_id": row.account_id, "deployment_id": row.id, "gpu_requested": row.gpu_requested}
            session.add(Replica(id=ids.new("rep"), status=status, created_at=now, **its))


async def moved(server: Server, deploy_id: str, *statuses: str, **values: Any) -> Deployment:
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Deployment, deploy_id)
        for status in statuses:
            assert await transitions.move(session, row, status, **(values if status == statuses[-1] else {}))
    return row


@pytest.mark.parametrize(
    ("moves", "replicas", "status", "running", "pending"),
    [
        ((), (), "initializing", 0, 0),
        ((dep.PROVISIONING,), (replica.PENDING,), "initializing", 0, 1),
        ((dep.PROVISIONING,), (replica.PULLING, replica.PENDING), "downloading", 0, 2),
        ((dep.PROVISIONING,), (replica.LOADING, replica.PULLING), "deploying", 0, 2),
        ((dep.PROVISIONING,), (replica.WARMING,), "deploying", 0, 1),
        ((dep.PROVISIONING, dep.SERVING), (replica.RUNNING, replica.WARMING, replica.DRAINING), "running", 1, 1),
        ((dep.PROVISIONING, dep.SERVING), (), "running", 0, 0),
        ((dep.PROVISIONING, dep.SERVING, dep.UNHEALTHY), (replica.FAILED,), "deploying", 0, 0),
        ((dep.PROVISIONING, dep.SERVING, dep.UNHEALTHY), (replica.FAILED, replica.RUNNING), "running", 1, 0),
        ((dep.PROVISIONING, dep.FAILED), (replica.FAILED,), "failed", 0, 0),
        ((dep.STOPPED,), (replica.STOPPED,), "deleted", 0, 0),
    ],
)
async def test_every_standing_has_its_word(
    client: httpx2.AsyncClient,
    server: Server,
    moves: tuple[str, ...],
    replicas: tuple[str, ...],
    status: str,
    running: int,
    pending: int,
) -> None:
    made = await created(client)
    row = await moved(server, made["deploy_id"], *moves)
    await with_replicas(server, row, *replicas)
    found = await shown(client, row.id)
    assert (found["status"], found["instances"]) == (status, {"running": running, "pending": pending})
    listed = (await client.get("/deploy/list", params={"status": status})).json()
    assert listed == [found]
    words = ["initializing", "downloading", "deploying", "running", "stopped", "failed", "deleted"]
    others = ",".join(word for word in words if word != status)
    assert (await client.get("/deploy/list", params={"status": others})).json() == []


async def test_a_failure_gives_its_reason(client: httpx2.AsyncClient, server: Server) -> None:
    made = await created(client)
    await moved(server, made["deploy_id"], dep.FAILED, error="model_unavailable: no such model")
    found = await shown(client, made["deploy_id"])
    assert (found["status"], found["fail_reason"]) == ("failed", "model_unavailable: no such model")
    assert (await client.delete(f"/deploy/{made['deploy_id']}")).json() == {"deploy_id": made["deploy_id"]}
    assert await shown(client, made["deploy_id"]) == found


async def test_all_are_listed_newest_first_and_unknown_statuses_named(client: httpx2.AsyncClient, server: Server) -> None:
    rows = [await things.queued_deployment(server, f"d{index}") for index in range(3)]
    await client.delete(f"/deploy/{rows[0].id}")
    found = (await client.get("/deploy/list")).json()
    assert [one["deploy_id"] for one in found] == [row.id for row in reversed(rows)]
    some = (await client.get("/deploy/list", params={"status": "deleted, initializing"})).json()
    assert some == found
    assert (await client.get("/deploy/list", params={"status": ","})).json() == []
    wrong = await client.get("/deploy/list", params={"status": "running,up"})
    error = "Unknown status 'up'; there are initializing, downloading, deploying, running, stopped, failed, deleted."
    assert (wrong.status_code, wrong.json()) == (400, {"error": error})


async def test_a_list_longer_than_a_page_is_whole(client: httpx2.AsyncClient, server: Server, monkeypatch: Any) -> None:
    monkeypatch.setattr("rest_compat.deepinfra.deployments.PAGE", 2)
    rows = [await things.queued_deployment(server, f"d{index}") for index in range(5)]
    found = (await client.get("/deploy/list")).json()
    assert [one["deploy_id"] for one in found] == [row.id for row in reversed(rows)]


async def test_the_configuration_never_changes(client: httpx2.AsyncClient, server: Server) -> None:
    made = await created(client, hf={"repo": "Qwen/Qwen3-4B", "revision": "main"}, gpu="A100-80GB", num_gpus=2)
    ctx, deploy_id = await server.context(), made["deploy_id"]
    await deployment_changes.update(ctx, deploy_id, VersionInput(model="Qwen/Qwen3-8B", source="huggingface", revision="abc"))
    await client.put(f"/deploy/{deploy_id}", json={"settings": {"max_instances": 2}})
    await moved(server, deploy_id, dep.PROVISIONING, gpu={"type": "CPU", "count": 1})
    found = await shown(client, deploy_id)
    assert found["config"] == made["config"]
    assert (found["version"], found["settings"]) == ("abc", {"min_instances": 1, "max_instances": 2})


async def test_scaling_answers_with_the_id_and_is_seen(client: httpx2.AsyncClient) -> None:
    made = await created(client)
    answer = await client.put(f"/deploy/{made['deploy_id']}", json={"settings": {"min_instances": 0, "max_instances": 4}})
    assert (answer.status_code, answer.json()) == (200, {"deploy_id": made["deploy_id"]})
    found = await shown(client, made["deploy_id"])
    assert found["settings"] == {"min_instances": 0, "max_instances": 4}
    assert {**found, "settings": 0, "updated_at": 0} == {**made, "settings": 0, "updated_at": 0}
    await client.delete(f"/deploy/{made['deploy_id']}")
    late = await client.put(f"/deploy/{made['deploy_id']}", json={"settings": {}})
    assert (late.status_code, late.json()) == (400, {"error": "The deployment is deleted. Make a new one."})


async def test_stop_start_and_delete(client: httpx2.AsyncClient, server: Server) -> None:
    made = await created(client)
    deploy_id = {"deploy_id": made["deploy_id"]}
    path = f"/deploy/{made['deploy_id']}"

    async def holds() -> bool:
        async with server.platform.db.read() as session:
            return await session.get(Hold, made["deploy_id"]) is not None

    assert await holds()
    for _ in range(2):
        answer = await client.post(f"{path}/stop")
        assert (answer.status_code, answer.json()) == (200, deploy_id)
    assert (await shown(client, made["deploy_id"]))["status"] == "stopped"
    assert [one["status"] for one in (await client.get("/deploy/list?status=stopped")).json()] == ["stopped"]
    assert not await holds()
    for _ in range(2):
        answer = await client.post(f"{path}/start")
        assert (answer.status_code, answer.json()) == (200, deploy_id)
    assert (await shown(client, made["deploy_id"]))["status"] == "initializing"
    assert await holds()
    for _ in range(2):
        answer = await client.delete(path)
        assert (answer.status_code, answer.json()) == (200, deploy_id)
    assert (await shown(client, made["deploy_id"]))["status"] == "deleted"
    assert not await holds()
    for verb in ("stop", "start"):
        late = await client.post(f"{path}/{verb}")
        assert (late.status_code, late.json()) == (400, {"error": "The deployment is deleted. Make a new one."})

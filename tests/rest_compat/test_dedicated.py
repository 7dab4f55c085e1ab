"""Deployments as the dedicated service's clients know them: made, shown, listed and stopped, in its words."""

from typing import Any

import httpx2
import pytest

from burnish.kit import clock, ids, stream
from engines.compute.hardware import PROFILES
from models import deployment as dep
from models import replica, transitions
from models.deployment import Deployment
from models.replica import Replica
from resolvers import deployment_changes
from tests.conftest import Server, Tenant
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
BASE = "/api/v2/external/inference"
SPEC = {
    "hf_model_id": "org/Some-Model",
    "hardware_profile": "gpu.a100",
    "target_rps": 10.0,
    "target_latency_p95_ms": 5000.0,
    "stabilisation_window": 300,
}


async def created(client: httpx2.AsyncClient, **changes: Any) -> str:
    answer = await client.post(f"{BASE}/create", json={**SPEC, **changes})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found == {"deployment_id": found["deployment_id"], "status": "pending"}
    return str(found["deployment_id"])


async def shown(client: httpx2.AsyncClient, deployment_id: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"{BASE}/get", params={"deployment_id": deployment_id, **query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def with_replica(server: Server, deployment_id: str, status: str, **values: Any) -> Replica:
    """Write a replica as a host leaves it behind."""
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Deployment, deployment_id)
        given: dict[str, Any] = {"account_id": row.account_id, "gpu_requested": row.gpu_requested, "created_at": clock.now()}
        made = Replica(id=ids.new("rep"), deployment_id=row.id, status=status, **{**given, **values})
        session.add(made)
    return made


async def test_a_deployment_is_made_with_exactly_200_and_shown(client: httpx2.AsyncClient, server: Server) -> None:
    deployment_id = await created(client, min_replicas=1, max_replicas=3, hf_token="hf_secret")
    found = await shown(client, deployment_id)
    assert found.pop("created_at").endswith("+00:00")
    assert found == {
        "deployment_id": deployment_id,
        "hf_model_id": "org/Some-Model",
        "hardware_profile": "gpu.a100",
        "status": "pending",
        "current_replicas": 0,
        "desired_replicas": 1,
        "min_replicas": 1,
        "max_replicas": 3,
        "target_rps": 10.0,
        "target_latency_p95_ms": 5000.0,
        "stabilisation_window": 300,
        "replicas": [],
    }
    ours = (await client.get(f"/v1/deployments/{deployment_id}")).json()
    assert (ours["name"], ours["model"], ours["source"]) == ("Some-Model", "org/Some-Model", "huggingface")
    assert ours["gpu"] == {"type": "gpu.a100", "count": 1}
    async with server.platform.db.read() as session:
        row = await session.get_one(Deployment, deployment_id)
    assert row.sealed_hf_token is not None and "hf_secret" not in row.sealed_hf_token
    assert server.platform.core.secrets.decrypt(row.sealed_hf_token, row.id) == "hf_secret"


async def test_the_same_model_twice_is_two_deployments(client: httpx2.AsyncClient) -> None:
    first, second = await created(client), await created(client)
    names = [(await client.get(f"/v1/deployments/{one}")).json()["name"] for one in (first, second)]
    assert names[0] == "Some-Model"
    assert names[1].startswith("Some-Model-") and len(names[1]) == len("Some-Model-") + 6


async def test_an_idempotency_key_makes_one(client: httpx2.AsyncClient) -> None:
    await created(client)
    once = {"Idempotency-Key": "mine"}
    answers = [await client.post(f"{BASE}/create", json=SPEC, headers=once) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    other = await client.post(f"{BASE}/create", json={**SPEC, "max_replicas": 2}, headers=once)
    assert other.status_code == 409
    assert len((await client.get(f"{BASE}/list")).json()["deployments"]) == 2


async def test_a_trained_job_is_deployed_by_its_id(client: httpx2.AsyncClient, server: Server) -> None:
    job = await things.completed_job(server, client)
    deployment_id = await created(client, hf_model_id=job["id"])
    ours = (await client.get(f"/v1/deployments/{deployment_id}")).json()
    assert (ours["model"], ours["source"]) == (job["id"], "training_job")
    queued = await things.queued_job(client)
    answer = await client.post(f"{BASE}/create", json={**SPEC, "hf_model_id": queued["id"]})
    assert (answer.status_code, set(answer.json())) == (400, {"detail"})


@pytest.mark.parametrize(("profile", "type_"), PROFILES.items())
async def test_profiles_are_our_hardware_both_ways(client: httpx2.AsyncClient, profile: str, type_: str) -> None:
    mine = (await client.post("/v1/deployments", json=ours_of(profile, {"type": type_, "count": 2}))).json()
    assert (await shown(client, await created(client, hardware_profile=profile)))["hardware_profile"] == profile
    assert (await shown(client, mine["id"]))["hardware_profile"] == f"{profile}:2"
    assert (await shown(client, await created(client, hardware_profile=type_)))["hardware_profile"] == profile


def ours_of(name: str, gpu: dict[str, Any]) -> dict[str, Any]:
    return {"model": "org/model", "source": "huggingface", "name": name, "gpu": gpu}


async def test_hardware_without_a_profile_keeps_its_name(client: httpx2.AsyncClient) -> None:
    assert (await shown(client, await created(client, hardware_profile="l4")))["hardware_profile"] == "L4-24GB"


async def test_what_cannot_be_made_is_told_in_one_word(client: httpx2.AsyncClient, server: Server) -> None:
    poor = await server.new_tenant("poor", "0")
    before = await things.everything(server)
    wanted: list[tuple[dict[str, Any], int, str]] = [
        ({"hardware_profile": "gpu.q9000"}, 400, "Unknown hardware profile 'gpu.q9000'. Known: gpu.t4, gpu.l40s"),
        ({"hf_model_id": "../etc"}, 400, "'../etc' is neither"),
        ({"hf_model_id": "job_unknown"}, 404, "No such training job"),
        ({"hf_model_id": "job_unknown", "hf_token": "hf_x"}, 400, "An hf_token opens"),
        ({"min_replicas": 3, "max_replicas": 2}, 400, "min_replicas is more than max_replicas."),
        ({"target_rps": 0}, 422, "target_rps: "),
        ({"target_rps": None}, 422, "target_rps: "),
        ({"colour": "red"}, 422, "colour: unknown field"),
    ]
    for changes, status, told in wanted:
        answer = await client.post(f"{BASE}/create", json={**SPEC, **changes})
        assert answer.status_code == status, changes
        assert set(answer.json()) == {"detail"}
        assert answer.json()["detail"].startswith(told)
    async with server.client(poor) as other:
        answer = await other.post(f"{BASE}/create", json=SPEC)
        assert (answer.status_code, set(answer.json())) == (402, {"detail"})
    assert await things.everything(server) == before


async def test_every_status_has_its_word(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.queued_deployment(server)
    said = []
    for status in (dep.PROVISIONING, dep.SERVING, dep.UNHEALTHY):
        async with server.platform.db.transaction() as session:
            assert await transitions.move(session, await session.get_one(Deployment, row.id), status)
        said.append((await shown(client, row.id))["status"])
    assert said == ["pending", "created", "created"]
    await deployment_changes.pause(await server.context(), row.id)
    assert (await shown(client, row.id))["status"] == "paused"
    await client.request("DELETE", f"{BASE}/stop", json={"deployment_id": row.id})
    assert (await shown(client, row.id, include_terminated="true"))["status"] == "stopped"
    failed = await things.queued_deployment(server)
    async with server.platform.db.transaction() as session:
        assert await transitions.move(session, await session.get_one(Deployment, failed.id), dep.FAILED)
    assert (await shown(client, failed.id))["status"] == "failed"


async def test_replicas_have_their_own_words(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.queued_deployment(server)
    wanted = {
        replica.PENDING: ("pending", None),
        replica.PULLING: ("pulling_docker_image", None),
        replica.LOADING: ("initing_docker_container", None),
        replica.WARMING: ("initing_docker_container", None),
        replica.RUNNING: ("running", True),
        replica.DRAINING: ("running", True),
        replica.STOPPED: ("stopped", False),
    }
    made = {(await with_replica(server, row.id, status)).id: told for status, told in wanted.items()}
    found = await shown(client, row.id, include_terminated="true")
    assert {one["replica_id"]: (one["status"], one["healthy"]) for one in found["replicas"]} == made
    assert found["current_replicas"] == 2
    living = await shown(client, row.id)
    assert {one["status"] for one in living["replicas"]} == {told for told, _ in wanted.values()} - {"stopped"}


async def test_one_in_the_place_of_a_failed_one_is_restarting(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.queued_deployment(server)
    lost = await with_replica(server, row.id, replica.FAILED, fail_reason="out of memory", ended_at=clock.now())
    await with_replica(server, row.id, replica.PENDING)
    await with_replica(server, row.id, replica.PENDING, version=2)
    later, again, before = (await shown(client, row.id))["replicas"]
    assert (later["status"], again["status"]) == ("pending", "restarting")
    failed = {"replica_id": lost.id, "status": "failed", "healthy": False, "last_health_check": None}
    assert before == {**failed, "fail_reason": "out of memory"}


async def test_stopping_is_final_and_may_be_repeated(client: httpx2.AsyncClient) -> None:
    deployment_id = await created(client)
    for _ in range(2):
        answer = await client.request("DELETE", f"{BASE}/stop", json={"deployment_id": deployment_id})
        assert (answer.status_code, answer.json()) == (200, {"deployment_id": deployment_id, "status": "stopped"})
    hidden = await client.get(f"{BASE}/get", params={"deployment_id": deployment_id})
    assert (hidden.status_code, set(hidden.json())) == (404, {"detail"})
    assert (await shown(client, deployment_id, include_terminated="true"))["status"] == "stopped"
    assert (await client.get(f"{BASE}/list")).json() == {"deployments": []}
    (found,) = (await client.get(f"{BASE}/list", params={"include_terminated": "true"})).json()["deployments"]
    assert (found["deployment_id"], found["status"]) == (deployment_id, "stopped")


async def test_a_list_has_the_newest_first_with_replicas(client: httpx2.AsyncClient, server: Server) -> None:
    first, second = await created(client), await created(client, hardware_profile="cpu")
    made = await with_replica(server, first, replica.RUNNING, last_health_at=clock.now())
    found = (await client.get(f"{BASE}/list")).json()["deployments"]
    assert [one["deployment_id"] for one in found] == [second, first]
    assert [one["replica_id"] for one in found[1]["replicas"]] == [made.id]
    assert found == [await shown(client, second), await shown(client, first)]


async def test_a_replica_tells_its_last_lines_and_why_it_failed(client: httpx2.AsyncClient, server: Server) -> None:
    row = await things.queued_deployment(server)
    mine = await with_replica(server, row.id, replica.FAILED, fail_reason="the engine ended with exit code 1")
    other = await with_replica(server, row.id, replica.RUNNING)
    lines = [
        {"at": "t", "level": "info", "source": "engine", "message": text, "replica": one.id}
        for one, text in ((mine, "loading"), (other, "not mine"), (mine, "CUDA out of memory"))
    ]
    async with server.platform.db.transaction() as session:
        await stream.append(session, row.id, "logs", lines)
    answer = await client.get(f"{BASE}/replica/{mine.id}/logs")
    assert answer.json() == {"error_logs": "loading\nCUDA out of memory\nthe engine ended with exit code 1"}
    assert (await client.get(f"{BASE}/replica/{other.id}/logs")).json() == {"error_logs": "not mine"}


async def test_machine_types_have_the_price_of_what_they_run_on(client: httpx2.AsyncClient) -> None:
    found = (await client.get("/api/v2/external/machine-types")).json()["machine_types"]
    assert [one["hardware_profile"] for one in found] == list(PROFILES)
    # Everything runs on the CPU here, for the CPU's rate, and no host does.
    assert {(one["price_per_hour"], one["runs_on"], one["available"]) for one in found} == {(0.1, "CPU", False)}


async def test_another_accounts_are_404_and_stay(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    row = await things.queued_deployment(server)
    its = await with_replica(server, row.id, replica.RUNNING)
    before = await things.everything(server)
    for answer in (
        await stranger.get(f"{BASE}/get", params={"deployment_id": row.id}),
        await stranger.request("DELETE", f"{BASE}/stop", json={"deployment_id": row.id}),
        await stranger.get(f"{BASE}/replica/{its.id}/logs"),
    ):
        assert (answer.status_code, set(answer.json())) == (404, {"detail"})
    assert (await stranger.get(f"{BASE}/list", params={"include_terminated": "true"})).json() == {"deployments": []}
    assert await things.everything(server) == before


async def test_keys_work_behind_either_prefix(server: Server, client: httpx2.AsyncClient) -> None:
    spelled = f"lk_{server.tenant.key.removeprefix('vk_')}"
    async with server.client(Tenant(server.tenant.account, spelled)) as other:
        assert (await other.get(f"{BASE}/list")).status_code == 200


async def test_what_is_not_there_is_told_in_this_dialect(client: httpx2.AsyncClient) -> None:
    unknown = await client.get("/api/v2/external/vms/list")
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "No such route: GET /api/v2/external/vms/list"})
    wrong = await client.post(f"{BASE}/stop", json={})
    assert (wrong.status_code, wrong.headers["allow"], set(wrong.json())) == (405, "DELETE", {"detail"})
    unread = await client.post(f"{BASE}/create", content=b"{", headers={"content-type": "application/json"})
    assert (unread.status_code, set(unread.json())) == (422, {"detail"})

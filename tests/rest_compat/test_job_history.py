"""Events and metrics of a job over REST."""

from typing import Any

import httpx2
import pytest

from burnish.kit import stream
from models import job
from models.job import Job
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio


async def reported(server: Server, job_id: str, rows: list[dict[str, Any]], attempt: int = 1) -> None:
    """Write metrics as a host does."""
    async with server.platform.db.transaction() as session:
        row = await session.get_one(Job, job_id)
        row.metric_keys = sorted({*row.metric_keys, *(key for item in rows for key in item["values"])})
        session.add(row)
        await stream.append(session, job_id, "metrics", rows, attempt=attempt)


def steps(count: int) -> list[dict[str, Any]]:
    return [{"step": step, "values": {"reward": step / 10, "loss": 1.42}} for step in range(count)]


async def metrics(client: httpx2.AsyncClient, job_id: str, query: str = "") -> dict[str, Any]:
    answer = await client.get(f"/v1/training_jobs/{job_id}/metrics{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_events_are_listed_oldest_first(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    await things.moved(server, made["id"], job.PROVISIONING, metadata={"attempt": 1})
    await client.post(f"/v1/training_jobs/{made['id']}/cancel")
    found = (await client.get(f"/v1/training_jobs/{made['id']}/events")).json()
    assert list(found) == ["items"]
    assert [(item["event_type"], item["metadata"]) for item in found["items"]] == [
        ("created", {}),
        ("provisioning", {"attempt": 1}),
        ("cancelled", {}),
    ]
    assert all(set(item) == {"event_type", "timestamp", "metadata"} for item in found["items"])
    assert all(item["timestamp"].endswith("Z") for item in found["items"])
    assert (await client.get(f"/v1/training_jobs/{made['id']}/events?limit=1")).json() == {"items": found["items"][:1]}


async def test_a_job_without_metrics_has_no_latest_step(client: httpx2.AsyncClient) -> None:
    made = await things.queued_job(client)
    assert await metrics(client, made["id"]) == {"metrics": [], "available_keys": [], "latest_step": None}


async def test_metrics_are_the_documented_object(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    await reported(server, made["id"], steps(3))
    assert await metrics(client, made["id"]) == {
        "metrics": [
            {"step": 0, "values": {"loss": 1.42, "reward": 0.0}},
            {"step": 1, "values": {"loss": 1.42, "reward": 0.1}},
            {"step": 2, "values": {"loss": 1.42, "reward": 0.2}},
        ],
        "available_keys": ["loss", "reward"],
        "latest_step": 2,
    }


async def test_filters_and_thinning_leave_the_keys_and_the_latest_step_alone(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    await reported(server, made["id"], steps(100))
    between = await metrics(client, made["id"], "?keys=reward,%20kl&from_step=10&to_step=12")
    assert between == {
        "metrics": [{"step": step, "values": {"reward": step / 10}} for step in (10, 11, 12)],
        "available_keys": ["loss", "reward"],
        "latest_step": 99,
    }
    thinned = await metrics(client, made["id"], "?max_points=4")
    assert [point["step"] for point in thinned["metrics"]] == [0, 33, 66, 99]
    assert (thinned["available_keys"], thinned["latest_step"]) == (["loss", "reward"], 99)
    assert await metrics(client, made["id"], "?from_step=100") == {
        "metrics": [],
        "available_keys": ["loss", "reward"],
        "latest_step": 99,
    }


async def test_values_that_are_no_numbers_are_left_out(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    await reported(server, made["id"], [{"step": 1, "values": {"reward": 1.0, "kl": float("nan")}}])
    assert (await metrics(client, made["id"]))["metrics"] == [{"step": 1, "values": {"reward": 1.0}}]


async def test_bad_numbers_are_422(client: httpx2.AsyncClient) -> None:
    made = await things.queued_job(client)
    for query in ("max_points=0", "max_points=x", "from_step=-1", "to_step=1.5", "from_step=99999999999999999999"):
        answer = await client.get(f"/v1/training_jobs/{made['id']}/metrics?{query}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, query.partition("=")[0])


async def test_metrics_are_exported_as_csv_and_parquet(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    await reported(server, made["id"], steps(2))
    found = await client.get(f"/v1/training_jobs/{made['id']}/metrics/export?format=csv")
    assert (found.status_code, found.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert found.headers["content-disposition"] == f"attachment; filename*=utf-8''{made['output_name']}-metrics.csv"
    assert found.text == '"step","attempt","loss","reward"\n0,1,1.42,0\n1,1,1.42,0.1\n'
    whole = await client.get(f"/v1/training_jobs/{made['id']}/metrics/export")
    assert (whole.headers["content-type"], whole.content[:4]) == ("application/vnd.apache.parquet", b"PAR1")
    refused = await client.get(f"/v1/training_jobs/{made['id']}/metrics/export?format=xml")
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "format")


async def test_metrics_of_an_unknown_job_are_not_exported(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/v1/training_jobs/job_none/metrics/export")).status_code == 404

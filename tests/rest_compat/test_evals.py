"""Evals over REST, as `veri-sdk` calls them and beyond: shapes, pages, comparison, errors, idempotency and scopes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models import eval as evaluation
from models.eval import EvalRun
from resolvers.context import Context
from tests.conftest import Server, Tenant
from tests.rest_compat import evaluated, things
from tests.rest_compat.evaluated import EXACT

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ctx(server: Server) -> Context:
    return await server.context()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx2.AsyncClient]:
    async with server.client() as found:
        yield found


async def a_run(ctx: Context, tmp_path: Path) -> EvalRun:
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    return await evaluated.started(ctx, row, "answers")


async def test_an_eval_and_its_run_have_their_shapes(client: httpx2.AsyncClient, ctx: Context, tmp_path: Path) -> None:
    dataset = await evaluated.dataset(ctx, tmp_path)
    deployment_id = await evaluated.deployment(ctx)
    body = {"name": "sums", "dataset_id": dataset.id, "scorers": [EXACT], "generation_params": {"max_tokens": 8}}
    answer = await client.post("/v1/evals", json=body)
    made = answer.json()
    assert (answer.status_code, made) == (
        201,
        {"id": made["id"], "object": "eval", **body, "created_at": made["created_at"]},
    )
    assert made["created_at"].endswith("Z")
    assert (await client.get(f"/v1/evals/{made['id']}")).json() == made
    path = f"/v1/evals/{made['id']}/runs"
    answer = await client.post(path, json={"model": "answers", "num_samples": 2, "generation_params": {"n": 2}})
    run = answer.json()
    assert (answer.status_code, run) == (
        201,
        {
            "id": run["id"],
            "object": "eval_run",
            "eval_id": made["id"],
            "model": "answers",
            "status": "queued",
            "deployment_id": deployment_id,
            "num_samples": 2,
            "generation_params": {"max_tokens": 8, "n": 2},
            "processed_items": 0,
            "total_items": 4,
            "results": None,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "cost_usd": 0.0,
            "error_message": None,
            "created_at": run["created_at"],
            "started_at": None,
            "completed_at": None,
        },
    )
    assert (await client.get(path)).json() == {"object": "list", "data": [run], "has_more": False}
    cancelled = (await client.post(f"{path}/{run['id']}/cancel")).json()
    assert (cancelled["status"], cancelled["completed_at"] is not None) == ("cancelled", True)
    assert (await client.get(path, params={"status": "queued"})).json()["data"] == []
    assert (await client.delete(f"/v1/evals/{made['id']}")).json() == {"id": made["id"], "object": "eval", "deleted": True}
    assert (await client.get(f"{path}/{run['id']}")).status_code == 404


async def test_answers_come_in_pages_and_two_runs_side_by_side(client: httpx2.AsyncClient, ctx: Context, tmp_path: Path) -> None:
    row = await evaluated.made(ctx, tmp_path)
    await evaluated.deployment(ctx)
    items = [evaluated.item(0, 1.0), evaluated.item(1, 0.0), evaluated.item(2, None, output=None, error="No answer.")]
    first = await evaluated.completed(ctx, row, items, model="answers")
    second = await evaluated.completed(ctx, row, [evaluated.item(0, 1.0), evaluated.item(1, 1.0)], model="answers")
    path = f"/v1/evals/{row.id}/runs/{first.id}"
    assert (await client.get(path)).json()["results"] == evaluated.results()
    page = (await client.get(f"{path}/items", params={"limit": 2})).json()
    assert ([one["item_index"] for one in page["data"]], page["has_more"]) == ([0, 1], True)
    assert page["data"][0] == {
        "id": f"{first.id}-0-0",
        "object": "eval_run_item",
        "run_id": first.id,
        "item_index": 0,
        "sample": 0,
        "input": "1 + 1?",
        "output": "4",
        "label": "2",
        "score": 1.0,
        "scores": {"exact-match": 1.0},
        "score_errors": {},
        "latency_ms": 12.5,
        "prompt_tokens": 3,
        "completion_tokens": 1,
        "finish_reason": "stop",
        "error_message": None,
    }
    rest = (await client.get(f"{path}/items", params={"after": page["data"][1]["id"]})).json()["data"]
    assert [(one["id"], one["output"], one["error_message"]) for one in rest] == [(f"{first.id}-2-0", "", "No answer.")]
    failed = (await client.get(f"{path}/items", params={"filter": "failed"})).json()["data"]
    assert [one["item_index"] for one in failed] == [1, 2]
    for after in (f"{second.id}-0-0", f"{first.id}-0", "0", f"{first.id}-0-x", f"{first.id}-" + "9" * 12 + "-0"):
        answer = await client.get(f"{path}/items", params={"after": after})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "after")
    found = (await client.get(f"{path}/compare", params={"other": second.id, "changed": "true"})).json()
    figures = found["figures"]
    assert figures.pop("ci_low") < 0.5 < figures.pop("ci_high")
    assert figures == {"rows": 2, "better": 1, "worse": 0, "same": 1, "difference": 0.5}
    (row_of,) = found["data"]
    assert (row_of["id"], row_of["item_index"], row_of["score"], row_of["other_score"]) == ("1", 1, 0.0, 1.0)
    assert [one["run_id"] for one in (*row_of["items"], *row_of["other_items"])] == [first.id, second.id]
    every = (await client.get(f"{path}/compare", params={"other": second.id, "after": 1})).json()
    assert [one["item_index"] for one in every["data"]] == [0]


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"scorers": []}, 422, "scorers"),
        ({"scorers": [{"type": "magic"}]}, 400, "scorers.0.type"),
        ({"scorers": ["exact-match"]}, 422, "scorers.0"),
        ({"generation_params": {"temperature": -1}}, 422, "generation_params.temperature"),
        ({"generation_params": {"stream": True}}, 422, "generation_params.stream"),
        ({"dataset_id": "ds_nobody"}, 404, "dataset_id"),
        ({"name": ""}, 422, "name"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
async def test_an_eval_that_cannot_be_is_refused_by_its_field(
    client: httpx2.AsyncClient, server: Server, ctx: Context, tmp_path: Path, change: dict[str, Any], status: int, param: str
) -> None:
    body = {"name": "sums", "dataset_id": (await evaluated.dataset(ctx, tmp_path)).id, "scorers": [EXACT]}
    before = await things.everything(server)
    answer = await client.post("/v1/evals", json={**body, **change})
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert await things.everything(server) == before


async def test_a_run_belongs_to_its_eval(client: httpx2.AsyncClient, ctx: Context, tmp_path: Path) -> None:
    run = await a_run(ctx, tmp_path)
    other = await evaluated.made(ctx, tmp_path)
    for method, path in (("GET", ""), ("GET", "/items"), ("GET", f"/compare?other={run.id}"), ("POST", "/cancel")):
        answer = await client.request(method, f"/v1/evals/{other.id}/runs/{run.id}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_not_found")
    assert (await client.get(f"/v1/evals/{run.eval_id}/runs/{run.id}")).json()["status"] == evaluation.QUEUED


async def test_a_replay_starts_nothing_twice_and_another_body_is_a_conflict(
    client: httpx2.AsyncClient, ctx: Context, tmp_path: Path
) -> None:
    row = await evaluated.made(ctx, tmp_path)
    path, headers = f"/v1/evals/{row.id}/runs", {"Idempotency-Key": "once"}
    first, second = [await client.post(path, json={"model": "Qwen/Qwen3-8B"}, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code, first.json()) == (201, 201, second.json())
    assert (await client.post(path, json={"model": "Qwen/Qwen3-14B"}, headers=headers)).status_code == 409
    assert len((await client.get(path)).json()["data"]) == len((await client.get("/v1/deployments")).json()["data"]) == 1


async def test_a_key_that_reads_starts_nothing(client: httpx2.AsyncClient, server: Server, ctx: Context, tmp_path: Path) -> None:
    run = await a_run(ctx, tmp_path)
    key = (await client.post("/v1/api_keys", json={"name": "reader", "scopes": ["read"]})).json()["key"]
    path = f"/v1/evals/{run.eval_id}"
    before = await things.everything(server)
    async with server.client(Tenant(server.tenant.account, key)) as reader:
        assert (await reader.get(f"{path}/runs/{run.id}")).status_code == 200
        for method, of in (("POST", "/runs"), ("POST", f"/runs/{run.id}/cancel"), ("DELETE", "")):
            answer = await reader.request(method, path + of, json={"model": "answers"} if of == "/runs" else None)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "insufficient_scope")
    assert await things.everything(server) == before

"""Batches over REST: their object, lists, refusals, and the two files of them at any time."""

import json
from typing import Any

import httpx2
import pytest
from openai.types import Batch as Published

from models import batch
from models.file import File
from rest_compat.openai import batches as wire
from tests.conftest import Server
from tests.rest_compat import bulk, things

pytestmark = pytest.mark.anyio
PREFIXES = wire.PREFIXES


async def a_file(server: Server, count: int = 3) -> str:
    return (await bulk.stored_file(await server.context(), bulk.lines(count))).id


def asked(file_id: str, **changes: Any) -> dict[str, Any]:
    return {"input_file_id": file_id, "endpoint": bulk.CHAT, "completion_window": "24h", **changes}


def test_the_object_has_just_the_fields_that_openais_package_knows() -> None:
    assert set(wire.BatchObject.model_fields) == set(Published.model_fields)


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_batch_is_made_shown_and_listed(prefix: str, client: httpx2.AsyncClient, server: Server) -> None:
    file_id = await a_file(server)
    answer = await client.post(f"{prefix}/batches", json=asked(file_id, metadata={"run": "nightly"}))
    assert answer.status_code == 200, answer.text
    made = answer.json()
    created = made["created_at"]
    assert made == {
        "id": made["id"],
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "model": None,
        "errors": None,
        "input_file_id": file_id,
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": created,
        "in_progress_at": None,
        "expires_at": created + 86_400,
        **{f"{name}_at": None for name in ("finalizing", "completed", "failed", "expired", "cancelling", "cancelled")},
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "usage": {
            "input_tokens": 0,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        },
        "metadata": {"run": "nightly"},
    }
    assert "openai-processing-ms" in answer.headers
    assert (await client.get(f"{prefix}/batches/{made['id']}")).json() == made
    page = (await client.get(f"{prefix}/batches")).json()
    assert page == {"object": "list", "data": [made], "first_id": made["id"], "last_id": made["id"], "has_more": False}


async def test_lists_go_on_after_the_last_id(client: httpx2.AsyncClient, server: Server) -> None:
    assert (await client.get("/v1/batches")).json() == {
        "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False,
    }  # fmt: skip
    ctx = await server.context()
    made = [(await bulk.made(ctx)).id for _ in range(3)][::-1]
    first = (await client.get("/v1/batches", params={"limit": 2})).json()
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (made[:2], True)
    assert (first["first_id"], first["last_id"]) == (made[0], made[1])
    rest = (await client.get("/v1/batches", params={"limit": 2, "after": first["last_id"]})).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (made[2:], False)
    assert (await client.get("/v1/batches", params={"after": "batch_unknown"})).status_code == 400
    assert (await client.get("/v1/batches", params={"limit": 101})).json()["error"]["param"] == "limit"


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, 400, "endpoint"),
        ({"completion_window": "24 hours"}, 400, "completion_window"),
        ({"metadata": {"a": "v" * 513}}, 400, "metadata.a"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, 400, "output_expires_after.seconds"),
        ({"input_file_id": "file-unknown"}, 404, "input_file_id"),
        ({"input_file_id": 7}, 400, "input_file_id"),
        ({"model": "x"}, 400, "model"),
    ],
)
async def test_what_is_wrong_is_named_and_makes_nothing(
    changes: dict[str, Any], status: int, param: str, client: httpx2.AsyncClient, server: Server
) -> None:
    body = {**asked(await a_file(server)), **changes}
    before = await things.everything(server)
    answer = await client.post("/v1/batches", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert await things.everything(server) == before


async def test_problems_of_the_file_are_told_by_line(client: httpx2.AsyncClient, server: Server) -> None:
    ctx = await server.context()
    row = await bulk.made(ctx)
    problems = [
        {"line": 2, "code": "duplicate_custom_id", "message": "q-1 is on line 1 too.", "param": "custom_id"},
        {"line": 3, "code": "invalid_json", "message": "No JSON."},
    ]
    listed = await bulk.stored_file(ctx, b'{"line": 2}\n', purpose="batch_output")
    await bulk.moved(ctx, row.id, batch.FAILED, errors=problems, problem_count=2, error_file_id=listed.id)
    found = (await client.get(f"/v1/batches/{row.id}")).json()
    assert found["errors"] == {"object": "list", "data": [problems[0], {**problems[1], "param": None}]}
    assert (found["status"], found["failed_at"] >= found["created_at"], found["error_file_id"]) == ("failed", True, listed.id)
    assert (await client.get(f"/v1/batches/{row.id}/errors")).content == b'{"line": 2}\n'
    assert (await client.get(f"/v1/batches/{row.id}/output")).content == b""


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_both_files_are_there_while_it_runs_and_afterwards(prefix: str, client: httpx2.AsyncClient, server: Server) -> None:
    ctx = await server.context()
    row = await bulk.made(ctx)
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=3, model="sums")
    good = await bulk.settled(ctx, row.id, [bulk.good(3)])
    bad = await bulk.settled(ctx, row.id, [bulk.bad(1)])
    path = f"{prefix}/batches/{row.id}"
    running = await client.get(f"{path}/output")
    assert (running.content, running.headers["content-type"]) == (good, "application/jsonl")
    assert running.headers["content-disposition"] == f"attachment; filename*=utf-8''{row.id}_output.jsonl"
    assert (await client.get(f"{path}/errors")).content == bad
    second = bulk.good(2)
    whole = (second.payload or b"") + good
    await bulk.finished(ctx, row.id, [second])
    ended = await client.get(f"{path}/output")
    assert (ended.content, ended.headers["content-length"]) == (whole, str(len(whole)))
    found = (await client.get(path)).json()
    assert found["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"], found["usage"]["total_tokens"]) == (6, 4, 10)
    assert (found["status"], found["model"]) == ("completed", "sums")
    assert found["created_at"] <= found["in_progress_at"] <= found["finalizing_at"] <= found["completed_at"]


async def test_cancelling_and_trying_again(client: httpx2.AsyncClient, server: Server) -> None:
    ctx = await server.context()
    row = await bulk.made(ctx)
    path = f"/v1/batches/{row.id}"
    await bulk.moved(ctx, row.id, batch.IN_PROGRESS, total=3)
    assert (await client.post(f"{path}/retry")).json()["error"]["code"] == "invalid_state"
    for _ in range(2):
        found = await client.post(f"{path}/cancel")
        assert (found.status_code, found.json()["status"]) == (200, "cancelling")
    await bulk.finished(ctx, row.id, [bulk.good(1), bulk.bad(2, batch.CANCELLED_LINE, None), bulk.bad(3)])
    refused = await client.post(f"{path}/cancel")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_state")
    again = (await client.post(f"{path}/retry")).json()
    assert (again["status"], again["endpoint"]) == ("validating", bulk.CHAT)
    async with ctx.db.read() as session:
        source = await session.get_one(File, again["input_file_id"])
    lines = (await ctx.core.storage.read(source.storage_key)).splitlines()
    assert [json.loads(line)["custom_id"] for line in lines] == ["q-2", "q-3"]


async def test_nothing_of_it_is_anothers(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server) -> None:
    file_id = await a_file(server)
    made = (await client.post("/v1/batches", json=asked(file_id))).json()
    before = await things.everything(server)
    path = f"/v1/batches/{made['id']}"
    for method, url in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/output"), ("GET", "/errors")):
        theirs = await stranger.request(method, path + url)
        unknown = await stranger.request(method, f"/v1/batches/batch_unknown{url}")
        assert theirs.status_code == unknown.status_code == 404
        assert theirs.json()["error"] == {
            **unknown.json()["error"], "message": unknown.json()["error"]["message"].replace("batch_unknown", made["id"])
        }  # fmt: skip
    assert (await stranger.post("/v1/batches", json=asked(file_id))).status_code == 404
    assert (await stranger.get("/v1/batches")).json()["data"] == []
    assert await things.everything(server) == before

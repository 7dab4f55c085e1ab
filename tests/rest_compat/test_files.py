"""Files over REST: uploaded in a stream, listed, fetched whole and in parts, deleted; errors in OpenAI's words."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import openai
import pytest
from sqlmodel import select

from burnish.kit import clock
from engines import files as stored
from models import batch
from models.file import File
from tests.conftest import Server
from tests.rest_compat import bulk

pytestmark = pytest.mark.anyio
PREFIXES = ("/v1", "/v1/openai", "/api/v2/external")
LINES = bulk.lines(3)
SHORT: Any = {"expires_after[seconds]": "3600"}


async def upload(client: httpx2.AsyncClient, content: bytes = LINES, name: str = "sums.jsonl", **fields: str) -> Any:
    answer = await client.post("/v1/files", data={"purpose": "batch", **fields}, files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def keys(server: Server) -> list[str]:
    return [key for key, _ in await server.platform.core.storage.list(f"{server.tenant.account.id}/files")]


async def rows(server: Server) -> list[File]:
    async with server.platform.db.read() as session:
        return list((await session.exec(select(File))).all())


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_file_from_its_upload_to_its_end(prefix: str, client: httpx2.AsyncClient, server: Server) -> None:
    form = {"purpose": "batch", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    made = (await client.post(f"{prefix}/files", data=form, files={"file": ("sums.jsonl", LINES)})).json()
    created = made["created_at"]
    assert made == {
        "id": made["id"],
        "object": "file",
        "bytes": len(LINES),
        "created_at": created,
        "expires_at": created + 3600,
        "filename": "sums.jsonl",
        "purpose": "batch",
        "status": "processed",
        "status_details": None,
    }
    assert made["id"].startswith("file-")
    assert (await client.get(f"{prefix}/files/{made['id']}")).json() == made
    answer = await client.get(f"{prefix}/files/{made['id']}/content")
    assert (answer.content, answer.headers["content-type"]) == (LINES, "application/octet-stream")
    assert answer.headers["content-length"] == str(len(LINES))
    gone = (await client.delete(f"{prefix}/files/{made['id']}")).json()
    assert gone == {"id": made["id"], "object": "file", "deleted": True}
    for path in ("", "/content"):
        missing = await client.get(f"{prefix}/files/{made['id']}{path}")
        assert (missing.status_code, missing.json()["error"]["param"]) == (404, "file_id")
    assert (await client.delete(f"{prefix}/files/{made['id']}")).status_code == 404
    assert await keys(server) == []


async def test_parts_of_a_file(client: httpx2.AsyncClient) -> None:
    content = bytes(range(256)) * 40
    made = await upload(client, content)
    path = f"/v1/files/{made['id']}/content"
    for given, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=10000-", 10_000, 10_240),
        ("bytes=-240", 10_000, 10_240),
        ("bytes=10000-99999", 10_000, 10_240),
        ("bytes=-99999", 0, 10_240),
    ):
        answer = await client.get(path, headers={"Range": given})
        assert (answer.status_code, answer.content) == (206, content[start:end]), given
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/10240"
    tag = answer.headers["etag"]
    for headers in (
        {"Range": "bytes=0-1,5-6"},
        {"Range": "bytes=9-3"},
        {"Range": "bytes=-"},
        {"Range": "lines=0-1"},
        {"Range": "bytes=0-1", "If-Range": '"other"'},
    ):
        answer = await client.get(path, headers=headers)
        assert (answer.status_code, answer.content) == (200, content), headers
    assert (await client.get(path, headers={"Range": "bytes=0-1", "If-Range": tag})).status_code == 206
    for given in ("bytes=10240-", "bytes=-0"):
        refused = await client.get(path, headers={"Range": given})
        assert (refused.status_code, refused.headers["content-range"]) == (416, "bytes */10240")
        assert refused.json()["error"]["code"] == "range_not_satisfiable"


async def test_files_are_listed_in_pages_either_way_and_by_purpose(client: httpx2.AsyncClient) -> None:
    ids = [(await upload(client, purpose=purpose))["id"] for purpose in ("batch", "user_data", "batch", "fine-tune")]
    newest = (await client.get("/v1/files")).json()
    assert [row["id"] for row in newest["data"]] == ids[::-1]
    assert (newest["object"], newest["first_id"], newest["last_id"], newest["has_more"]) == ("list", ids[3], ids[0], False)
    first = (await client.get("/v1/files", params={"order": "asc", "limit": 3})).json()
    assert ([row["id"] for row in first["data"]], first["has_more"]) == (ids[:3], True)
    rest = (await client.get("/v1/files", params={"order": "asc", "limit": 3, "after": first["last_id"]})).json()
    assert ([row["id"] for row in rest["data"]], rest["has_more"]) == (ids[3:], False)
    batches = (await client.get("/v1/files", params={"purpose": "batch"})).json()
    assert [row["id"] for row in batches["data"]] == [ids[2], ids[0]]
    empty = (await client.get("/v1/files", params={"purpose": "evals"})).json()
    assert (empty["data"], empty["first_id"], empty["last_id"], empty["has_more"]) == ([], None, None, False)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "purpose"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"purpose": "assistants"}, "purpose"),
        ({"purpose": "batch", "expires_after[seconds]": "10"}, "expires_after.seconds"),
        ({"purpose": "batch", "expires_after[seconds]": "soon"}, "expires_after.seconds"),
        ({"purpose": "batch", "expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        ({"purpose": "batch", "expires_after[anchor]": "now", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"purpose": "batch", "colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_kept(
    fields: dict[str, str], param: str, client: httpx2.AsyncClient, server: Server
) -> None:
    answer = await client.post("/v1/files", data=fields, files={"file": ("sums.jsonl", LINES)})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert (await rows(server), await keys(server)) == ([], [])


async def test_no_file_an_empty_one_and_too_large_a_one(client: httpx2.AsyncClient, server: Server) -> None:
    server.platform.core.settings.max_file_bytes = 100
    for given, status in (
        ({"files": {"other": ("a", b"a")}}, 400),
        ({"files": {"file": ("a.jsonl", b"")}}, 400),
        ({"files": {"file": ("a.jsonl", b"a" * 101)}}, 413),
    ):
        answer = await client.post("/v1/files", data={"purpose": "batch"}, **given)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, "file")
    assert (await rows(server), await keys(server)) == ([], [])
    assert (await upload(client, b"a" * 100))["bytes"] == 100


async def test_a_name_is_the_last_part_of_a_path(client: httpx2.AsyncClient) -> None:
    long, cut = "x" * 300 + ".jsonl", "x" * 249 + ".jsonl"
    for sent, kept in (
        ("C:\\data\\a.jsonl", "a.jsonl"),
        ("../../etc/passwd", "passwd"),
        (long, cut),
    ):
        assert (await upload(client, name=sent))["filename"] == kept


async def test_a_retry_makes_nothing_twice(client: httpx2.AsyncClient, server: Server) -> None:
    async def again(content: bytes) -> httpx2.Response:
        form: dict[str, Any] = {"data": {"purpose": "batch"}, "files": {"file": ("a.jsonl", content)}}
        return await client.post("/v1/files", headers={"Idempotency-Key": "one"}, **form)

    first = await again(LINES)
    assert (await again(LINES)).json() == first.json()
    assert (await again(LINES + b"\n")).status_code == 409
    assert len(await keys(server)) == len(await rows(server)) == 1


async def test_files_of_another_account_are_not_there(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    made = await upload(client)
    path = f"/v1/files/{made['id']}"
    assert [(await stranger.get(path)).status_code, (await stranger.get(f"{path}/content")).status_code] == [404, 404]
    assert (await stranger.delete(path)).status_code == 404
    assert (await stranger.get("/v1/files")).json()["data"] == []
    assert (await stranger.get("/v1/files", params={"after": made["id"]})).status_code == 400
    assert (await client.get(path)).json() == made


async def test_a_file_that_an_unfinished_batch_needs_stays(client: httpx2.AsyncClient, server: Server) -> None:
    made = await upload(client, LINES, **SHORT)
    body = {"input_file_id": made["id"], "endpoint": bulk.CHAT, "completion_window": "24h"}
    started = (await client.post("/v1/batches", json=body)).json()
    refused = await client.delete(f"/v1/files/{made['id']}")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (409, "resource_in_use", "file_id")
    assert started["id"] in error["message"]
    assert (await client.get(f"/v1/files/{made['id']}/content")).content == LINES
    await bulk.moved(await server.context(), started["id"], batch.FAILED)
    assert (await client.delete(f"/v1/files/{made['id']}")).status_code == 200


async def test_files_past_their_time_are_swept_once_no_batch_needs_them(
    client: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = server.platform.core
    kept, needed = await upload(client), await upload(client, LINES, **SHORT)
    over = await upload(client, LINES, **SHORT)
    body = {"input_file_id": needed["id"], "endpoint": bulk.CHAT, "completion_window": "24h"}
    started = (await client.post("/v1/batches", json=body)).json()
    assert await stored.sweep(core) == 0
    later = clock.to_micros(clock.now() + timedelta(seconds=3601))
    monkeypatch.setattr(clock, "now_micros", lambda: later)
    assert [await stored.sweep(core), await stored.sweep(core)] == [1, 0]
    assert (await client.get(f"/v1/files/{over['id']}")).status_code == 404
    assert [row["id"] for row in (await client.get("/v1/files")).json()["data"]] == [needed["id"], kept["id"]]
    assert len(await keys(server)) == 2
    await bulk.moved(await server.context(), started["id"], batch.FAILED)
    assert await stored.sweep(core) == 1
    assert [row["id"] for row in (await client.get("/v1/files")).json()["data"]] == [kept["id"]]


async def test_what_a_deletion_left_behind_is_swept(client: httpx2.AsyncClient, server: Server) -> None:
    made = await upload(client)
    async with server.platform.db.transaction() as session:
        row = await session.get_one(File, made["id"])
        stored.mark(row, clock.now())
        session.add(row)
    assert len(await keys(server)) == 1
    assert await stored.sweep(server.platform.core) == 1
    assert await keys(server) == []


async def test_a_file_of_the_host_is_there_and_an_internal_one_is_hidden(client: httpx2.AsyncClient, server: Server) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one\n"
        yield b"two\n"

    core, account = server.platform.core, server.tenant.account.id
    shown = await stored.put_file(core, account, "batch_output", "out.jsonl", chunks())
    hidden = await stored.put_file(core, account, "evals", "rows.jsonl", chunks(), internal=True)
    found = (await client.get("/v1/files")).json()["data"]
    assert [(row["id"], row["bytes"], row["purpose"]) for row in found] == [(shown.id, 8, "batch_output")]
    assert (await client.get(f"/v1/files/{shown.id}/content")).content == b"one\ntwo\n"
    assert (await client.get(f"/v1/files/{hidden.id}")).status_code == 404
    assert (await client.delete(f"/v1/files/{hidden.id}")).status_code == 404


async def test_the_official_client(server: Server) -> None:
    def use() -> None:
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.tenant.key, max_retries=0) as sdk:
            expiry: Any = {"anchor": "created_at", "seconds": 7200}
            made = sdk.files.create(file=("sums.jsonl", LINES), purpose="batch", expires_after=expiry)
            assert (made.bytes, made.purpose, made.expires_at) == (len(LINES), "batch", made.created_at + 7200)
            others = [sdk.files.create(file=b"x", purpose="user_data") for _ in range(2)]
            assert [row.id for row in sdk.files.list(limit=1, order="asc")] == [made.id, *(row.id for row in others)]
            assert [row.id for row in sdk.files.list(purpose="batch")] == [made.id]
            assert sdk.files.retrieve(made.id) == made
            assert sdk.files.content(made.id).content == LINES
            assert sdk.files.delete(made.id).deleted is True
            with pytest.raises(openai.NotFoundError):
                sdk.files.retrieve(made.id)
            with pytest.raises(openai.BadRequestError) as refused:
                sdk.files.create(file=b"x", purpose="vision")
            assert refused.value.param == "purpose"

    await asyncio.to_thread(use)

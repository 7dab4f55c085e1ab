"""Datasets over REST: whole answers, bad files and bad forms."""

import hashlib
from typing import Any

import httpx2
import pytest
from sqlmodel import select

from models.dataset import Dataset
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
WRONG_FORMS: list[tuple[dict[str, Any], str, str]] = [
    ({"data": {"name": "a"}}, "file", "Send the fields and the file as multipart/form-data."),
    ({"json": {"name": "a"}}, "file", "Send the fields and the file as multipart/form-data."),
    ({"files": {"name": (None, "a")}}, "file", "file: this field is required"),
    (
        {"files": {"name": (None, "a"), "file": (None, "{}")}},
        "file",
        "file: this field is a file, sent with a filename; in curl, write -F file=@PATH",
    ),
    ({"files": {"file": ("a.jsonl", things.ROWS)}}, "name", "name: this field is required"),
    ({"data": {"name": ""}, "files": {"file": ("a", things.ROWS)}}, "name", "name: String should have at least 1 character"),
    ({"data": {"name": "a", "kind": "b"}, "files": {"file": ("a", things.ROWS)}}, "kind", "kind: unknown field"),
    (
        {"data": {"name": "a\x00"}, "files": {"file": ("a", things.ROWS)}},
        "name",
        "name: holds a NUL character",
    ),
    (
        {"content": b"--x\r\n\r\n", "headers": {"content-type": "multipart/form-data"}},
        "file",
        "The form cannot be read: Missing boundary in multipart.",
    ),
    (
        {"data": {"name": "a"}, "files": [("file", ("a", b"1")), ("file", ("b", b"2"))]},
        "file",
        "The form cannot be read: Too many files. Maximum number of files is 1.",
    ),
]


async def datasets_in(server: Server) -> list[Dataset]:
    async with server.platform.db.read() as session:
        return list((await session.exec(select(Dataset))).all())


def error(answer: httpx2.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


async def test_an_upload_answers_with_the_dataset(client: httpx2.AsyncClient) -> None:
    made = await things.dataset(client, "gsm8k")
    assert made == {
        "id": made["id"],
        "object": "dataset",
        "name": "gsm8k",
        "source_type": "upload",
        "source_uri": None,
        "huggingface_dataset": None,
        "num_rows": 2,
        "sha256": hashlib.sha256(things.ROWS).hexdigest(),
        "created_at": made["created_at"],
    }
    assert made["id"].startswith("ds_")
    assert made["created_at"].endswith("Z")
    assert (await client.get(f"/v1/datasets/{made['id']}")).json() == made


async def test_the_file_is_stored_as_it_was_sent(client: httpx2.AsyncClient, server: Server) -> None:
    await things.dataset(client)
    (row,) = await datasets_in(server)
    assert row.storage_key is not None
    assert await server.platform.core.storage.read(row.storage_key) == things.ROWS


async def test_an_upload_leaves_no_temporary_file(client: httpx2.AsyncClient, server: Server) -> None:
    home = server.platform.core.settings.home
    before = sorted(path.name for path in home.iterdir())
    await things.dataset(client)
    assert sorted(path.name for path in home.iterdir() if path.name != "storage") == [n for n in before if n != "storage"]
    assert list((home / "uploads").iterdir()) == []


async def test_a_large_file_goes_through_whole(client: httpx2.AsyncClient) -> None:
    rows = b'{"prompt":"' + b"x" * 1000 + b'"}\n'
    made = await things.dataset(client, rows=rows * 5000)
    assert made["num_rows"] == 5000
    assert made["sha256"] == hashlib.sha256(rows * 5000).hexdigest()


async def test_a_bad_file_is_refused_with_every_problem_and_its_line(client: httpx2.AsyncClient, server: Server) -> None:
    rows = b'{"prompt":"fine"}\nnot json\n{"answer":"4"}\n'
    answer = await client.post("/v1/datasets", data={"name": "sums"}, files={"file": ("sums.jsonl", rows)})
    assert answer.status_code == 400
    assert error(answer) == {
        "type": "invalid_request_error",
        "code": "invalid_dataset",
        "message": "line 2: not JSON: Expecting value at column 1",
        "param": "file",
        "details": [
            {"line": 2, "message": "not JSON: Expecting value at column 1"},
            {"line": 3, "message": "no 'prompt', 'messages' or 'text'"},
        ],
    }
    assert await datasets_in(server) == []


async def test_a_form_of_the_wrong_shape_is_422_naming_the_field(client: httpx2.AsyncClient, server: Server) -> None:
    for form, param, message in WRONG_FORMS:
        answer = await client.post("/v1/datasets", **form)
        found = (answer.status_code, error(answer)["code"], error(answer)["param"], error(answer)["message"])
        assert found == (422, "schema_validation", param, message)
    assert await datasets_in(server) == []


@pytest.mark.parametrize("declared", [True, False])
async def test_a_file_past_the_limit_is_refused_while_it_comes(
    client: httpx2.AsyncClient, server: Server, declared: bool
) -> None:
    server.platform.core.settings.max_dataset_bytes = 100
    form: dict[str, Any] = {"data": {"name": "a"}, "files": {"file": ("a", things.ROWS * 100_000)}}
    request = client.build_request("POST", "/v1/datasets", **form)
    if not declared:
        del request.headers["content-length"]
        request.headers["transfer-encoding"] = "chunked"
    answer = await client.send(request)
    assert (answer.status_code, error(answer)["code"]) == (413, "payload_too_large")
    assert error(answer)["message"].startswith("The upload has at most ")
    assert await datasets_in(server) == []


async def test_a_file_just_past_the_limit_is_413_naming_the_file(client: httpx2.AsyncClient, server: Server) -> None:
    server.platform.core.settings.max_dataset_bytes = len(things.ROWS) - 1
    answer = await client.post("/v1/datasets", data={"name": "a"}, files={"file": ("a", things.ROWS)})
    assert answer.status_code == 413
    assert error(answer)["param"] == "file"
    assert await datasets_in(server) == []


async def test_lists_are_pages_newest_first(client: httpx2.AsyncClient) -> None:
    made = [await things.dataset(client, f"d{index}") for index in range(3)]
    first = (await client.get("/v1/datasets?limit=2")).json()
    assert first == {"object": "list", "data": [made[2], made[1]], "has_more": True}
    second = (await client.get(f"/v1/datasets?limit=2&after={made[1]['id']}")).json()
    assert second == {"object": "list", "data": [made[0]], "has_more": False}


async def test_twenty_are_listed_by_default(client: httpx2.AsyncClient) -> None:
    for index in range(21):
        await things.dataset(client, f"d{index}")
    page = (await client.get("/v1/datasets")).json()
    assert (len(page["data"]), page["has_more"]) == (20, True)


async def test_a_limit_out_of_range_is_422(client: httpx2.AsyncClient) -> None:
    for limit in ("0", "101", "-1", "two", ""):
        answer = await client.get(f"/v1/datasets?limit={limit}")
        assert (answer.status_code, error(answer)["code"], error(answer)["param"]) == (422, "schema_validation", "limit")


async def test_an_unknown_parameter_is_422(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/datasets?limits=3")
    assert answer.status_code == 422
    assert error(answer)["message"] == "limits: unknown field"


async def test_an_unknown_cursor_is_refused(client: httpx2.AsyncClient) -> None:
    for after, status in (("ds_unknown", 400), ("", 400), ("%00", 422)):
        answer = await client.get(f"/v1/datasets?after={after}")
        assert (answer.status_code, error(answer)["param"]) == (status, "after")


async def test_an_unknown_dataset_is_404(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/datasets/ds_unknown")
    assert answer.status_code == 404
    assert (error(answer)["type"], error(answer)["code"]) == ("not_found_error", "resource_not_found")
    assert (await client.get("/v1/datasets/%00")).status_code == 404

"""Files over GraphQL: made of an upload once, listed, opened by a signed URL, deleted."""

from typing import Any

import httpx2
import pytest

from tests.schema.conftest import LINES, Api

pytestmark = pytest.mark.anyio
FIELDS = "id filename purpose sizeBytes createdAt expiresAt contentUrl"
ERRORS = "errors { __typename code reason message path hint }"
CREATE = f"mutation($input: CreateFileInput!) {{ createFile(input: $input) {{ file {{ {FIELDS} }} {ERRORS} }} }}"
DELETE = f"mutation($input: DeleteFileInput!) {{ deleteFile(input: $input) {{ deletedId {ERRORS} }} }}"
FILES = """query($purpose: [FilePurpose!], $search: String, $first: Int! = 20, $after: Cursor) {
  files(purpose: $purpose, search: $search, first: $first, after: $after) {
    nodes { id } pageInfo { hasNextPage endCursor } } }"""


async def create(api: Api, upload_id: str, **more: Any) -> Any:
    return (await api.data(CREATE, input={"filename": "sums.jsonl", "uploadId": upload_id, **more}))["createFile"]


async def listed(api: Api, **variables: Any) -> list[str]:
    return [node["id"] for node in (await api.data(FILES, **variables))["files"]["nodes"]]


async def test_an_upload_becomes_a_file_with_a_url(api: Api) -> None:
    made = await create(api, await api.upload(), expiresAfterSeconds=3600)
    assert made["errors"] == []
    file = made["file"]
    assert (file["filename"], file["purpose"], file["sizeBytes"]) == ("sums.jsonl", "BATCH", len(LINES))
    query = "query($id: ID!) { file(id: $id) { id expiresAt } node(id: $id) { id ... on File { filename } } }"
    assert await api.data(query, id=file["id"]) == {
        "file": {"id": file["id"], "expiresAt": file["expiresAt"]},
        "node": {"id": file["id"], "filename": "sums.jsonl"},
    }
    async with httpx2.AsyncClient(verify=False) as client:
        whole = await client.get(file["contentUrl"])
        part = await client.get(file["contentUrl"], headers={"Range": "bytes=2-5"})
        assert (whole.status_code, whole.content, part.status_code, part.content) == (200, LINES, 206, LINES[2:6])
        assert (await api.data(DELETE, input={"id": file["id"]}))["deleteFile"] == {"deletedId": file["id"], "errors": []}
        assert (await client.get(file["contentUrl"])).status_code == 404
    assert await api.data(query, id=file["id"]) == {"file": None, "node": None}


async def test_an_upload_is_used_once_and_a_retry_finds_what_it_made(api: Api) -> None:
    upload_id = await api.upload()
    first = await create(api, upload_id, idempotencyKey="one")
    again = await create(api, upload_id, idempotencyKey="one")
    assert (again["errors"], again["file"]["id"]) == ([], first["file"]["id"])
    (error,) = (await create(api, upload_id))["errors"]
    assert (error["__typename"], error["message"]) == (
        "InvalidStateError",
        f"This upload was used for {first['file']['id']} already.",
    )
    (other,) = (await create(api, upload_id, idempotencyKey="one", purpose="USER_DATA"))["errors"]
    assert other["reason"] == "idempotency_conflict"
    assert await listed(api) == [first["file"]["id"]]


async def test_what_cannot_be_a_file_is_refused_and_the_upload_left(api: Api) -> None:
    upload_id = await api.upload()
    for given, path in (
        ({"purpose": "BATCH_OUTPUT"}, ["purpose"]),
        ({"expiresAfterSeconds": 5}, ["expiresAfterSeconds", "seconds"]),
    ):
        (error,) = (await create(api, upload_id, **given))["errors"]
        assert (error["__typename"], error["path"]) == ("FieldError", path)
    api.server.platform.core.settings.max_file_bytes = 5
    (error,) = (await create(api, upload_id))["errors"]
    assert (error["__typename"], error["path"]) == ("FieldError", ["uploadId"])
    assert await listed(api) == []
    api.server.platform.core.settings.max_file_bytes = 10_000
    assert (await create(api, upload_id))["errors"] == []


async def test_files_are_listed_by_purpose_and_name_in_pages(api: Api) -> None:
    one = (await create(api, await api.upload()))["file"]["id"]
    two = (await create(api, await api.upload(), purpose="USER_DATA", filename="notes.txt"))["file"]["id"]
    assert await listed(api) == [two, one]
    assert await listed(api, purpose=["BATCH"]) == [one]
    assert await listed(api, search="OTES") == [two]
    assert await listed(api, search=one) == [one]
    first = (await api.data(FILES, first=1))["files"]
    assert ([node["id"] for node in first["nodes"]], first["pageInfo"]["hasNextPage"]) == ([two], True)
    assert await listed(api, first=1, after=first["pageInfo"]["endCursor"]) == [one]


async def test_the_file_of_an_unfinished_batch_cannot_be_deleted(api: Api) -> None:
    made = (await create(api, await api.upload()))["file"]["id"]
    begin = "mutation($id: ID!) { createBatch(input: {inputFileId: $id}) { batch { id } errors { message } } }"
    started = (await api.data(begin, id=made))["createBatch"]["batch"]["id"]
    found = (await api.data(DELETE, input={"id": made}))["deleteFile"]
    (error,) = found["errors"]
    assert (found["deletedId"], error["__typename"], error["reason"]) == (None, "ConflictError", "resource_in_use")
    assert (error["path"], error["message"]) == (["id"], f"The batch {started} needs this file.")
    assert await listed(api) == [made]

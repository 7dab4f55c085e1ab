"""Uploads and the datasets made of them: whole, once, in time, within the limit, or nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from burnish.kit import clock, ids
from tests.schema.conftest import LINES, Api

pytestmark = pytest.mark.anyio

UPLOAD = "mutation { createUpload(input: {}) { upload { id url expiresAt maxBytes } errors { message } } }"
DATASET = """mutation($input: CreateDatasetInput!) { createDataset(input: $input) {
  dataset { id name rowCount columns sizeBytes sha256 sourceType }
  errors { __typename code reason message path ... on DatasetRejected { issues { line message } } } } }"""


async def create(api: Api, upload_id: str, name: str = "sums", **more: Any) -> Any:
    return (await api.data(DATASET, input={"name": name, "uploadId": upload_id, **more}))["createDataset"]


async def stored(api: Api) -> list[str]:
    return [key for key, _ in await api.server.platform.core.storage.list(api.tenant.account.id)]


async def put(url: str, content: bytes | AsyncIterator[bytes], **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=False) as client:
        return await client.put(url, content=content, headers=headers)


async def test_a_file_becomes_a_dataset(api: Api) -> None:
    made = (await api.data(UPLOAD))["createUpload"]["upload"]
    assert made["maxBytes"] == api.server.platform.core.settings.max_dataset_bytes
    answer = await put(made["url"], LINES)
    assert (answer.status_code, answer.json()) == (201, {"uploadId": made["id"], "sizeBytes": len(LINES)})
    found = await create(api, made["id"])
    assert found["errors"] == []
    dataset = found["dataset"]
    assert (dataset["rowCount"], dataset["columns"], dataset["sizeBytes"]) == (2, ["prompt", "answer"], len(LINES))
    # Of the upload only its receipt is left; the dataset has the bytes.
    assert await stored(api) == sorted(
        [f"{api.tenant.account.id}/{dataset['id']}/data.jsonl", f"{api.tenant.account.id}/uploads/{made['id']}.used.json"]
    )
    listed = await api.data('{ datasets(search: "UM") { nodes { id } } none: datasets(search: "nothing") { nodes { id } } }')
    assert listed == {"datasets": {"nodes": [{"id": dataset["id"]}]}, "none": {"nodes": []}}


async def test_a_bad_file_is_rejected_by_line_and_leaves_nothing(api: Api) -> None:
    upload_id = await api.upload(b'{"prompt": "fine"}\n{"question": "no prompt"}\nnot json\n')
    found = await create(api, upload_id)
    assert found["dataset"] is None
    (error,) = found["errors"]
    assert (error["__typename"], error["code"], error["reason"]) == ("DatasetRejected", "INVALID", "invalid_dataset")
    assert error["path"] == ["uploadId"]
    assert error["issues"][0] == {"line": 2, "message": "no 'prompt', 'messages' or 'text'"}
    assert error["issues"][1]["line"] == 3
    assert await stored(api) == []
    assert (await api.data("{ datasets { nodes { id } } }"))["datasets"]["nodes"] == []


async def test_a_bad_name_leaves_the_upload_for_another_try(api: Api) -> None:
    upload_id = await api.upload()
    (error,) = (await create(api, upload_id, name=""))["errors"]
    assert (error["__typename"], error["path"]) == ("FieldError", ["name"])
    assert (await create(api, upload_id))["errors"] == []


async def test_an_upload_is_used_once(api: Api) -> None:
    upload_id = await api.upload()
    first = await create(api, upload_id)
    (error,) = (await create(api, upload_id, name="again"))["errors"]
    assert (error["__typename"], error["message"]) == (
        "InvalidStateError",
        f"This upload was used for {first['dataset']['id']} already.",
    )


async def test_calls_at_the_same_time_make_one_dataset_of_an_upload(api: Api) -> None:
    upload_id = await api.upload()
    answers = await asyncio.gather(*(create(api, upload_id) for _ in range(4)))
    made = {answer["dataset"]["id"] for answer in answers if answer["dataset"]}
    assert {error["__typename"] for answer in answers for error in answer["errors"]} <= {"InvalidStateError", "NotFoundError"}
    assert [node["id"] for node in (await api.data("{ datasets { nodes { id } } }"))["datasets"]["nodes"]] == list(made)
    assert len([key for key in await stored(api) if key.endswith("data.jsonl")]) == 1


async def test_a_retry_under_the_same_idempotency_key_finds_the_dataset(api: Api) -> None:
    upload_id = await api.upload()
    first = await create(api, upload_id, idempotencyKey="k1")
    assert await create(api, upload_id, idempotencyKey="k1") == first
    (error,) = (await create(api, upload_id, name="else", idempotencyKey="k1"))["errors"]
    assert (error["__typename"], error["reason"], error["path"]) == ("ConflictError", "idempotency_conflict", ["idempotencyKey"])
    assert len((await api.data("{ datasets { nodes { id } } }"))["datasets"]["nodes"]) == 1


async def test_anothers_upload_is_not_there(api: Api) -> None:
    upload_id = await api.upload()
    other = Api(api.server, await api.server.new_tenant("other"))
    for wanted in (upload_id, "up_nothing", "../secrets", "ds_x"):
        (error,) = (await create(other, wanted))["errors"]
        assert (error["__typename"], error["path"]) == ("NotFoundError", ["uploadId"])
    assert (await create(api, upload_id))["errors"] == []


async def test_an_upload_past_the_limit_leaves_nothing(api: Api) -> None:
    settings = api.server.platform.core.settings
    settings.max_dataset_bytes = 100
    url = (await api.data(UPLOAD))["createUpload"]["upload"]["url"]

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * 50

    assert (await put(url, b"x" * 101)).status_code == 413
    assert (await put(url, pieces())).status_code == 413
    refused = await put(url, b"")
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (400, "The file is empty.")
    assert await stored(api) == []
    assert list((settings.home / "uploads").iterdir()) == []


async def test_a_url_that_was_not_signed_for_this_or_is_over_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    core = api.server.platform.core
    url = (await api.data(UPLOAD))["createUpload"]["upload"]["url"]
    other_use = core.secrets.sign({"use": "download", "account": "x", "upload": "y"}, 60)
    for wrong in (url[:-4] + "AAAA", f"{api.server.url}/uploads/nothing", f"{api.server.url}/uploads/{other_use}"):
        assert (await put(wrong, LINES)).status_code == 403
    later = clock.now_micros() + 3_601_000_000
    monkeypatch.setattr(clock, "now_micros", lambda: later)
    refused = await put(url, LINES)
    assert refused.status_code == 403
    assert refused.json()["errors"][0]["message"] == "This upload URL does not work: the token has expired."
    assert await stored(api) == []


async def test_a_used_url_takes_no_more(api: Api) -> None:
    made = (await api.data(UPLOAD))["createUpload"]["upload"]
    assert (await put(made["url"], b"too early")).status_code == 201
    assert (await put(made["url"], LINES)).status_code == 201
    assert (await create(api, made["id"]))["dataset"]["rowCount"] == 2
    assert (await put(made["url"], LINES)).status_code == 400


async def test_what_nobody_used_is_deleted_after_a_day(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ids never go back in time: one that another test made in its own future must not date ours.
    monkeypatch.setattr(ids, "_last", 0)
    await api.upload()
    assert len(await stored(api)) == 1
    tomorrow = clock.now_micros() + timedelta(hours=25) // timedelta(microseconds=1)
    monkeypatch.setattr(clock, "now_micros", lambda: tomorrow)
    await api.data(UPLOAD)
    assert await stored(api) == []


async def test_a_key_without_write_uploads_nothing(api: Api) -> None:
    made = await api.data('mutation { createApiKey(input: {name: "reader", scopes: ["read"]}) { secret } }')
    async with api.server.client() as client:
        headers = {"Authorization": f"Bearer {made['createApiKey']['secret']}"}
        answer = await client.post("/graphql", json={"query": UPLOAD.replace("message", "__typename code")}, headers=headers)
    assert json.loads(answer.text)["data"]["createUpload"] == {
        "upload": None,
        "errors": [{"__typename": "ForbiddenError", "code": "FORBIDDEN"}],
    }

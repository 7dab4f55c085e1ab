"""Connected datasets over REST: the shapes of the contract, and what other accounts cannot do."""

import gzip
import hashlib
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import zstandard

from burnish.kit.settings import Settings
from tests.conftest import Server
from tests.engines.data.files import Files, serving
from tests.engines.data.test_urls import FILES, ROWS
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
NOT_SFT = "no 'messages', no 'completion' and no 'text' to learn from"
NO_CLIP = "no clip: a row has one of video, video_path, file_name"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.open_networks = "127.0.0.0/8"
    return settings


@pytest.fixture
def served() -> Iterator[Files]:
    rows = b'{"question": "1+1", "answer": "2"}\n{"question": "2+2", "answer": "4"}\n'
    with serving({"/a.jsonl": rows, **FILES}) as made:
        yield made


def error(answer: httpx2.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


async def test_a_look_answers_in_the_shape_of_the_contract(client: httpx2.AsyncClient, served: Files) -> None:
    body = {
        "source_type": "url",
        "source_uri": f"{served.url}/a.jsonl",
        "column_mapping": {"question": "prompt", "answer": "label"},
    }
    answer = await client.post("/v1/datasets/connect/validate", json=body)
    assert answer.status_code == 200
    assert answer.json() == {
        "object": "dataset_validation",
        "valid": True,
        "num_rows": 2,
        "columns": ["question", "answer"],
        "mapped_columns": ["prompt", "label"],
        "sample": [{"prompt": "1+1", "label": "2"}, {"prompt": "2+2", "label": "4"}],
        "looked_at": 2,
        "methods": [
            {"name": "grpo", "num_rows": 2, "problems": []},
            {"name": "sft", "num_rows": 0, "problems": [{"line": 1, "message": NOT_SFT}]},
            {"name": "dpo", "num_rows": 0, "problems": [{"line": 1, "message": "no 'chosen'"}]},
            {"name": "sft_video_gen", "num_rows": 0, "problems": [{"line": 1, "message": NO_CLIP}]},
        ],
        "errors": [],
    }
    assert (await client.get("/v1/datasets")).json()["data"] == []


async def test_a_source_that_cannot_be_reached_is_an_answer_and_no_error(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        "/v1/datasets/connect/validate", json={"source_type": "url", "source_uri": "http://127.0.0.1:1/a.jsonl"}
    )
    found = answer.json()
    assert (answer.status_code, found["valid"], found["num_rows"], found["sample"]) == (200, False, None, [])
    message = "127.0.0.1:1 cannot be reached: ConnectionRefusedError."
    assert found["errors"] == [{"code": "source_unreachable", "message": message, "line": None}]


async def test_a_connected_dataset_has_its_place_and_no_rows_yet(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, served: Files
) -> None:
    body = {"name": "rows", "source_type": "url", "source_uri": f"{served.url}/rows.jsonl#part"}
    answer = await client.post("/v1/datasets/connect", json=body)
    made = answer.json()
    assert answer.status_code == 201
    assert made == {
        "id": made["id"],
        "object": "dataset",
        "name": "rows",
        "source_type": "url",
        "source_uri": f"{served.url}/rows.jsonl",
        "huggingface_dataset": None,
        "num_rows": None,
        "sha256": None,
        "created_at": made["created_at"],
    }
    assert (await client.get(f"/v1/datasets/{made['id']}")).json() == made
    assert (await client.get("/v1/datasets")).json()["data"] == [made]
    for path in ("", "/statistics"):
        assert (await stranger.get(f"/v1/datasets/{made['id']}{path}")).status_code == 404
    assert (await stranger.delete(f"/v1/datasets/{made['id']}")).status_code == 404
    assert (await client.get(f"/v1/datasets/{made['id']}")).json() == made


async def test_a_dataset_of_the_hub_is_connected_as_the_sdk_does_it(client: httpx2.AsyncClient) -> None:
    config = {"split": "train", "config_name": "main", "column_mapping": {"question": "prompt", "answer": "label"}}
    body = {"name": "gsm8k", "source_type": "hf", "huggingface_dataset": "openai/gsm8k", "huggingface_config": config}
    made = (await client.post("/v1/datasets/connect", json=body)).json()
    assert (made["source_type"], made["huggingface_dataset"], made["source_uri"]) == ("hf", "openai/gsm8k", None)


async def test_with_credentials_the_answer_has_the_rows_already(client: httpx2.AsyncClient, served: Files) -> None:
    served.authorization = "Bearer sesame-open-1"
    body = {"name": "rows", "source_type": "url", "source_uri": f"{served.url}/rows.jsonl"}
    made = (await client.post("/v1/datasets/connect", json={**body, "credentials": {"token": "sesame-open-1"}})).json()
    assert (made["num_rows"], made["sha256"]) == (300, hashlib.sha256(FILES["/rows.jsonl"]).hexdigest())
    refused = await client.post("/v1/datasets/connect", json={**body, "credentials": {"token": "another-word"}})
    assert (refused.status_code, error(refused)["code"], error(refused)["param"]) == (400, "source_denied", "source_uri")
    assert "another-word" not in refused.text


@pytest.mark.parametrize("path", ["/v1/datasets/connect", "/v1/datasets/connect/validate"])
async def test_a_type_that_is_not_fetched_here_is_refused_at_once(client: httpx2.AsyncClient, server: Server, path: str) -> None:
    before = await things.everything(server)
    # As version 0.2.9 of the SDK sends it.
    answer = await client.post(path, json={"name": "a", "source_type": "volume", "volume": "v", "volume_path": "/a.jsonl"})
    assert (answer.status_code, error(answer)["code"], error(answer)["param"]) == (400, "source_type_unavailable", "source_type")
    for body in (b"[]", b"{}"):
        answer = await client.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422
    assert await things.everything(server) == before


async def test_a_key_makes_one_connected_dataset(client: httpx2.AsyncClient, served: Files) -> None:
    body = {"name": "rows", "source_type": "url", "source_uri": f"{served.url}/rows.jsonl"}
    first, again = [await client.post("/v1/datasets/connect", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.json() == again.json()
    other = await client.post("/v1/datasets/connect", json={**body, "name": "b"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 409
    assert len((await client.get("/v1/datasets")).json()["data"]) == 1


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
async def test_an_upload_may_be_packed(client: httpx2.AsyncClient, pack: Any) -> None:
    made = await things.dataset(client, rows=pack(things.ROWS))
    assert (made["num_rows"], made["sha256"]) == (2, hashlib.sha256(things.ROWS).hexdigest())


async def test_statistics_tell_columns_and_repetitions(client: httpx2.AsyncClient) -> None:
    made = await things.dataset(client, rows=things.ROWS + b'{"prompt":"1+1"}\n')
    assert (await client.get(f"/v1/datasets/{made['id']}/statistics")).json() == {
        "object": "dataset_statistics",
        "dataset_id": made["id"],
        "num_rows": 3,
        "size_bytes": len(things.ROWS) + 17,
        "columns": [
            {"name": "prompt", "types": {"string": 3}, "missing": 0},
            {"name": "answer", "types": {"string": 2}, "missing": 1},
        ],
        "duplicate_prompts": 1,
        "video_rows": 0,
        "methods": [
            {"name": "grpo", "num_rows": 3, "problems": []},
            {"name": "sft", "num_rows": 0, "problems": [{"line": 1, "message": NOT_SFT}]},
            {"name": "dpo", "num_rows": 0, "problems": [{"line": 1, "message": "no 'chosen'"}]},
            {"name": "sft_video_gen", "num_rows": 0, "problems": [{"line": 1, "message": NO_CLIP}]},
        ],
        "clips": None,
        "tokens": None,
    }
    wrong = await client.get(f"/v1/datasets/{made['id']}/statistics?max_prompt_length=0&base_model=tiny")
    assert (wrong.status_code, error(wrong)["param"]) == (422, "max_prompt_length")
    path = await client.get(f"/v1/datasets/{made['id']}/statistics?base_model=../x")
    assert (path.status_code, error(path)["param"]) == (400, "base_model")


async def test_a_dataset_is_deleted_once_no_job_needs_it(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.queued_job(client)
    dataset_id = made["dataset_id"]
    refused = await client.delete(f"/v1/datasets/{dataset_id}")
    assert (refused.status_code, error(refused)["type"], error(refused)["code"]) == (409, "conflict_error", "resource_in_use")
    assert (await client.get(f"/v1/datasets/{dataset_id}")).status_code == 200
    await client.post(f"/v1/training_jobs/{made['id']}/cancel")
    gone = await client.delete(f"/v1/datasets/{dataset_id}")
    assert (gone.status_code, gone.json()) == (200, {"id": dataset_id, "object": "dataset", "deleted": True})
    assert (await client.get(f"/v1/datasets/{dataset_id}")).status_code == 404
    assert (await client.delete(f"/v1/datasets/{dataset_id}")).status_code == 404
    assert (await client.get("/v1/datasets")).json()["data"] == []
    assert await server.platform.core.storage.list(server.tenant.account.id) == []
    assert (await client.get(f"/v1/training_jobs/{made['id']}")).json()["dataset_id"] == dataset_id


async def test_the_rows_of_the_sample_are_the_real_ones(client: httpx2.AsyncClient, served: Files) -> None:
    body = {"source_type": "url", "source_uri": f"{served.url}/rows.parquet"}
    found = (await client.post("/v1/datasets/connect/validate", json=body)).json()
    assert (found["num_rows"], found["sample"]) == (300, ROWS[:5])

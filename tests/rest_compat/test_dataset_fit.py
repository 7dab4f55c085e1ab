"""Rows of every method over REST: uploaded, looked at in a source, counted, and refused by line where a job cannot use them."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from burnish.kit.settings import Settings
from tests.conftest import Server
from tests.engines.data import videos
from tests.engines.data.files import Files, serving
from tests.engines.data.test_intake import zipped
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
TALK = [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]
ROWS = {
    "sft": [{"messages": TALK}, {"messages": TALK[:1]}, {"messages": TALK}],
    "dpo": [{"prompt": "a", "chosen": "b", "rejected": "c"}, {"prompt": "a", "chosen": "b"}],
}
PROBLEMS = {
    "sft": [{"line": 2, "message": "'messages' has no message of the assistant to learn from"}],
    "dpo": [{"line": 2, "message": "no 'rejected'"}],
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.open_networks = "127.0.0.0/8"
    return settings


@pytest.fixture
def served() -> Iterator[Files]:
    with serving({}) as made:
        yield made


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


async def body(client: httpx2.AsyncClient, dataset: dict[str, Any], method: str) -> dict[str, Any]:
    changes = {"dataset_id": dataset["id"], "method": method, "reward_function_id": None}
    return await things.job_body(client, **changes)


async def test_a_row_of_no_method_refuses_the_file(client: httpx2.AsyncClient) -> None:
    files = {"file": ("a.jsonl", lines(ROWS["sft"]))}
    refused = await client.post("/v1/datasets", data={"name": "a"}, files=files)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["details"]) == (400, "invalid_dataset", PROBLEMS["sft"])
    assert (await client.get("/v1/datasets")).json()["data"] == []


async def test_a_job_is_refused_with_the_lines_that_it_cannot_learn_from(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.dataset(client, rows=lines(ROWS["dpo"]))
    wanted = await body(client, made, "dpo")
    before = await things.everything(server)
    planned = (await client.post("/v1/training_jobs/plan", json=wanted)).json()
    message = "1 of the 2 rows does not serve dpo. Line 2: no 'rejected'."
    hint = "A row of a dpo job has a 'prompt', a 'chosen' and a 'rejected' answer."
    assert (planned["valid"], planned["errors"]) == (
        False,
        [
            {
                "type": "invalid_request_error",
                "code": "invalid_dataset",
                "message": f"{message} {hint}",
                "param": "dataset_id",
                "details": PROBLEMS["dpo"],
            }
        ],
    )
    refused = await client.post("/v1/training_jobs", json=wanted)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["param"]) == (400, "invalid_dataset", "dataset_id")
    assert error["details"] == PROBLEMS["dpo"] and error["message"].startswith(message)
    assert await things.everything(server) == before
    wanted["dataset_id"] = (await things.dataset(client, rows=lines(ROWS["dpo"][:1])))["id"]
    started = await client.post("/v1/training_jobs", json=wanted)
    assert (started.status_code, started.json()["method"]) == (201, "dpo")


async def test_clips_are_decoded_when_they_are_uploaded(client: httpx2.AsyncClient) -> None:
    made = await things.dataset(client, rows=zipped({"metadata.jsonl": videos.ROWS, **videos.clips()}))
    found = (await client.get(f"/v1/datasets/{made['id']}/statistics")).json()
    assert found["clips"] == {
        "num_rows": 2,
        "total_frames": 26,
        "min_frames": 9,
        "max_frames": 17,
        "shapes": [
            {"width": 64, "height": 48, "fps": 8.0, "num_rows": 1},
            {"width": 48, "height": 64, "fps": 8.0, "num_rows": 1},
        ],
    }
    wanted = await body(client, made, "sft_video_gen") | {"hyperparameters": {"num_frames": 13}}
    refused = (await client.post("/v1/training_jobs", json=wanted)).json()["error"]
    assert refused["details"] == [{"line": 2, "message": "its clip is too short: it has 9 frames, and num_frames is 13"}]
    broken = zipped({"metadata.jsonl": videos.ROWS, **videos.clips(), "dog.mp4": b"dog"})
    answer = await client.post("/v1/datasets", data={"name": "a"}, files={"file": ("a.zip", broken)})
    assert (answer.status_code, answer.json()["error"]["details"]) == (
        400,
        [{"line": 2, "message": "'./dog.mp4' cannot be read: Invalid data found when processing input"}],
    )


async def test_a_look_into_a_source_tells_which_methods_its_rows_serve(client: httpx2.AsyncClient, served: Files) -> None:
    served.files["/a.jsonl"] = lines([{"question": "a", "answer": "b"}] * 3)
    source = {"source_type": "url", "source_uri": f"{served.url}/a.jsonl"}
    mapped = source | {"column_mapping": {"question": "prompt", "answer": "completion"}}
    found = (await client.post("/v1/datasets/connect/validate", json=mapped)).json()
    assert (found["valid"], found["looked_at"]) == (True, 3)
    assert {fit["name"]: fit["num_rows"] for fit in found["methods"]} == {"grpo": 3, "sft": 3, "dpo": 0, "sft_video_gen": 0}
    found = (await client.post("/v1/datasets/connect/validate", json=source)).json()
    assert (found["valid"], found["looked_at"], found["errors"][0]["message"]) == (
        False,
        0,
        "no 'prompt', 'messages' or 'text'",
    )
    assert [fit["num_rows"] for fit in found["methods"]] == [0, 0, 0, 0]

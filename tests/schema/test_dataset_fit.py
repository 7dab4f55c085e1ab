"""Rows of every method through GraphQL: counted, and a job refused with the lines that it cannot learn from."""

import json
from typing import Any

import pytest

from tests.engines.data import videos
from tests.engines.data.test_intake import zipped
from tests.schema.conftest import Api
from tests.schema.test_uploads import create

pytestmark = pytest.mark.anyio
ERRORS = "errors { __typename code reason path ... on DatasetRejected { issues { line message } } }"
PLAN = f"mutation($input: TrainingJobInput!) {{ planTrainingJob(input: $input) {{ {ERRORS} }} }}"
CREATE = f"mutation($input: TrainingJobInput!) {{ createTrainingJob(input: $input) {{ job {{ id }} {ERRORS} }} }}"
STATISTICS = """query($id: ID!) { dataset(id: $id) { statistics {
  methods { method rowCount issues { line message } }
  clips { rowCount totalFrames minFrames maxFrames shapes { width height fps rowCount } } } } }"""


async def uploaded(api: Api, content: bytes) -> str:
    made = await create(api, await api.upload(content))
    assert made["errors"] == []
    found: str = made["dataset"]["id"]
    return found


def job(dataset_id: str, method: str, **changes: Any) -> dict[str, Any]:
    hardware = {"type": "h100", "count": 1}
    return {"baseModel": "tiny", "datasetId": dataset_id, "method": method, "outputName": "x", "hardware": hardware, **changes}


async def test_a_job_is_refused_with_the_lines_that_it_cannot_learn_from(api: Api) -> None:
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "a"}, {"prompt": "a", "completion": ""}]
    dataset_id = await uploaded(api, "".join(json.dumps(row) + "\n" for row in rows).encode())
    issues = [
        {"line": 2, "message": "no 'messages', no 'completion' and no 'text' to learn from"},
        {"line": 3, "message": "'completion' is empty"},
    ]
    refusal = {
        "__typename": "DatasetRejected",
        "code": "INVALID",
        "reason": "invalid_dataset",
        "path": ["datasetId"],
        "issues": issues,
    }
    assert (await api.data(PLAN, input=job(dataset_id, "SFT")))["planTrainingJob"]["errors"] == [refusal]
    assert (await api.data(CREATE, input=job(dataset_id, "SFT")))["createTrainingJob"] == {"job": None, "errors": [refusal]}
    assert (await api.data("{ jobs { nodes { id } } }"))["jobs"]["nodes"] == []
    found = (await api.data(STATISTICS, id=dataset_id))["dataset"]["statistics"]
    assert (found["clips"], found["methods"][:2]) == (
        None,
        [{"method": "GRPO", "rowCount": 3, "issues": []}, {"method": "SFT", "rowCount": 1, "issues": issues}],
    )


async def test_clips_of_an_archive_are_told_and_fit_the_job(api: Api) -> None:
    dataset_id = await uploaded(api, zipped({"metadata.jsonl": videos.ROWS, **videos.clips()}))
    found = (await api.data(STATISTICS, id=dataset_id))["dataset"]["statistics"]
    assert found["clips"] == {
        "rowCount": 2,
        "totalFrames": 26,
        "minFrames": 9,
        "maxFrames": 17,
        "shapes": [
            {"width": 64, "height": 48, "fps": 8.0, "rowCount": 1},
            {"width": 48, "height": 64, "fps": 8.0, "rowCount": 1},
        ],
    }
    wanted = job(dataset_id, "SFT_VIDEO_GEN", hyperparameters={"num_frames": 17})
    (error,) = (await api.data(PLAN, input=wanted))["planTrainingJob"]["errors"]
    assert error["issues"] == [{"line": 2, "message": "its clip is too short: it has 9 frames, and num_frames is 17"}]
    wanted = job(dataset_id, "SFT_VIDEO_GEN", hyperparameters={"num_frames": 9})
    assert (await api.data(PLAN, input=wanted))["planTrainingJob"]["errors"] == []


async def test_a_method_that_the_rows_do_not_serve_reads_none_of_them(api: Api) -> None:
    dataset_id = await uploaded(api, b'{"prompt": "a"}\n')
    query = 'query($id: ID!) { dataset(id: $id) { rendered(baseModel: "tiny", method: DPO) { rejected { text learned } } } }'
    (error,) = (await api(query, id=dataset_id))["errors"]
    assert error["extensions"] == {
        "code": "INVALID",
        "reason": "invalid_dataset",
        "param": "datasetId",
        "hint": "A row of a dpo job has a 'prompt', a 'chosen' and a 'rejected' answer.",
    }
    query = 'query($id: ID!) { dataset(id: $id) { statistics(baseModel: "tiny", method: SFT) { tokens { method } } } }'
    (error,) = (await api(query, id=dataset_id))["errors"]
    assert error["message"].startswith("None of the rows serves sft. Line 1: no 'messages'")

"""Checkpoints over GraphQL: their scores, their files with checksums, and the weights that somebody wants of them."""

import hashlib
from typing import Any

import httpx2
import pytest

from models import job
from tests.conftest import Server
from tests.rest_compat import things
from tests.schema.conftest import Api, NewRun

pytestmark = pytest.mark.anyio
CHECKPOINTS = "query($id: ID!) { job(id: $id) { bestStep checkpoints { step score best } } }"
FILES = """query($id: ID!, $weights: CheckpointWeights) { job(id: $id) { checkpoints { final
  downloadUrl(weights: $weights) files(weights: $weights) { path sha256 sizeBytes } } } }"""
FINAL = """query($job: ID!, $weights: CheckpointWeights) { checkpoints(filter: { jobId: $job, final: true }) { nodes {
  downloadUrl(weights: $weights) files(weights: $weights) { path sha256 sizeBytes } } } }"""
MAKE = """mutation($input: TrainingJobInput!) { createTrainingJob(input: $input) {
  job { checkpointDestination { type weights archive } } errors { __typename path message } } }"""


@pytest.fixture
async def trained(api: Api, server: Server) -> dict[str, Any]:
    async with server.client() as client:
        return await things.trained_adapter(server, client)


async def test_the_best_checkpoint_is_marked(api: Api, trained: dict[str, Any]) -> None:
    found = (await api.data(CHECKPOINTS, id=trained["id"]))["job"]
    assert found == {
        "bestStep": 5,
        "checkpoints": [{"step": 5, "score": 0.75, "best": True}, {"step": 10, "score": 0.5, "best": False}],
    }


async def test_a_job_that_holds_nothing_out_has_no_best(api: Api, new_run: NewRun, server: Server) -> None:
    run = await new_run()
    await run.move(job.PROVISIONING, job.RUNNING)
    await things.checkpoint(server, run.id, 5)
    found = (await api.data(CHECKPOINTS, id=run.id))["job"]
    assert found == {"bestStep": None, "checkpoints": [{"step": 5, "score": None, "best": False}]}


@pytest.mark.parametrize(
    ("weights", "files"),
    [("MERGED", things.MERGED), ("ADAPTER", things.ADAPTER), ("BOTH", things.ADAPTED), (None, things.ADAPTED)],
)
async def test_files_come_with_checksums_in_the_form_that_is_wanted(
    api: Api, trained: dict[str, Any], weights: str | None, files: dict[str, bytes]
) -> None:
    (found,) = (await api.data(FINAL, job=trained["id"], weights=weights))["checkpoints"]["nodes"]
    assert {file["path"]: (file["sha256"], file["sizeBytes"]) for file in found["files"]} == {
        path: (hashlib.sha256(content).hexdigest(), len(content)) for path, content in files.items()
    }
    async with httpx2.AsyncClient() as anybody:
        archive = things.unpacked((await anybody.get(found["downloadUrl"])).content)
    assert archive.keys() == {*files, "SHA256SUMS"}


async def test_a_state_on_the_way_has_no_weights_to_choose(api: Api, trained: dict[str, Any]) -> None:
    answer = await api(FILES, id=trained["id"], weights="MERGED")
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"INVALID"}
    assert "is the trainer's state after a step, which comes whole." in answer["errors"][0]["message"]


async def test_a_destination_says_which_weights_and_whether_as_an_archive(api: Api, new_run: NewRun, server: Server) -> None:
    run = await new_run()
    async with server.platform.db.read() as session:
        row = await session.get_one(job.Job, run.id)
    server.platform.core.settings.delivery_buckets = "models/{account}"
    wanted = {
        "baseModel": "Qwen/Qwen3-4B", "datasetId": row.dataset_id, "rewardFunctionId": row.reward_function_id,
        "outputName": "sums", "hardware": {"type": "CPU"}, "hyperparameters": {"lora_rank": 4},
        "checkpointDestination": {"type": "S3", "uri": "s3://models/tenant/x", "weights": "ADAPTER", "archive": True},
    }  # fmt: skip
    made = (await api.data(MAKE, input=wanted))["createTrainingJob"]
    assert made == {"job": {"checkpointDestination": {"type": "S3", "weights": "ADAPTER", "archive": True}}, "errors": []}
    refused = (await api.data(MAKE, input=wanted | {"hyperparameters": {}}))["createTrainingJob"]
    assert refused["job"] is None
    assert [(error["__typename"], error["path"]) for error in refused["errors"]] == [
        ("FieldError", ["checkpointDestination", "weights"])
    ]

"""What of a trained adapter is downloaded, in which parts, and how what arrives is told from anything else."""

import hashlib
from typing import Any

import httpx2
import pytest

from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
WANTED = [("merged", things.MERGED), ("adapter", things.ADAPTER), ("both", things.ADAPTED), (None, things.ADAPTED)]


def summed(files: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


async def listed(client: httpx2.AsyncClient, job: dict[str, Any], weights: str | None = None) -> dict[str, Any]:
    answer = await client.get(f"/v1/training_jobs/{job['id']}/model", params={} if weights is None else {"weights": weights})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(("weights", "files"), WANTED)
async def test_an_adapter_comes_merged_alone_or_both(
    client: httpx2.AsyncClient, server: Server, weights: str | None, files: dict[str, bytes]
) -> None:
    made = await things.trained_adapter(server, client)
    found = await listed(client, made, weights)
    assert {file["path"]: (file["size_bytes"], file["sha256"]) for file in found["files"]} == {
        path: (len(content), summed(files)[path]) for path, content in files.items()
    }
    for file in found["files"]:
        assert (await things.fetched(file["url"])).content == files[file["path"]]
    archive = things.unpacked((await things.fetched(found["download_url"])).content)
    sums = [line.split("  ") for line in archive.pop("SHA256SUMS").decode().splitlines()]
    assert archive == files
    assert {path: sha256 for sha256, path in sums} == summed(files)


async def test_what_the_job_wants_is_what_downloads_hold(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.trained_adapter(server, client, checkpoint_destination={"type": "veri", "weights": "adapter"})
    assert made["checkpoint_destination"] == {"type": "veri", "weights": "adapter"}
    for url in (made["download_url"], (await listed(client, made))["download_url"]):
        archive = things.unpacked((await things.fetched(url)).content)
        assert archive.keys() == {*things.ADAPTER, "SHA256SUMS"}
    assert [file["path"] for file in (await listed(client, made))["files"]] == sorted(things.ADAPTER)
    # What was asked for goes over it.
    both = things.unpacked((await things.fetched((await listed(client, made, "both"))["download_url"])).content)
    assert both.keys() == {*things.ADAPTED, "SHA256SUMS"}


async def test_weights_that_there_are_not_are_refused_by_name(client: httpx2.AsyncClient, server: Server) -> None:
    whole, adapted = await things.completed_job(server, client), await things.trained_adapter(server, client)
    state = (await client.get(f"/v1/training_jobs/{adapted['id']}/checkpoints")).json()["data"][-1]
    cases = [
        (f"{whole['id']}/model?weights=adapter", 400, "weights", "This model has no 'adapter' weights: there is only 'merged'."),
        (f"{adapted['id']}/checkpoints/{state['id']}/download?weights=merged", 400, "weights", "is the trainer's state"),
        (f"{adapted['id']}/model?weights=all", 422, "weights", "weights: "),
    ]
    for path, status, param, message in cases:
        answer = await client.get(f"/v1/training_jobs/{path}")
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (status, param)
        assert message in error["message"]


async def test_the_best_checkpoint_is_marked_with_its_score(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.trained_adapter(server, client)
    assert made["best_step"] == 5
    found = (await client.get(f"/v1/training_jobs/{made['id']}/checkpoints")).json()["data"]
    assert [(row["step"], row["score"], row["best"]) for row in found] == [(10, 0.5, False), (5, 0.75, True)]


async def test_with_keep_best_the_trained_model_is_the_best_too(client: httpx2.AsyncClient, server: Server) -> None:
    kept = {"hyperparameters": {"lora_rank": 4, "eval_fraction": 0.25, "keep_best": True}}
    made = await things.trained_adapter(server, client, **kept)
    found = (await client.get(f"/v1/training_jobs/{made['id']}/checkpoints")).json()["data"]
    assert [row["best"] for row in found] == [True, True]


async def test_a_file_is_gone_on_with_where_it_broke_off(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.trained_adapter(server, client)
    (file,) = [file for file in (await listed(client, made))["files"] if file["path"] == "model.safetensors"]
    content, tag = things.ADAPTED["model.safetensors"], f'"{file["sha256"]}"'
    async with httpx2.AsyncClient() as anybody:
        whole = await anybody.get(file["url"])
        rest = await anybody.get(file["url"], headers={"Range": "bytes=1000000-", "If-Range": tag})
        other = await anybody.get(file["url"], headers={"Range": "bytes=1000000-", "If-Range": '"another"'})
        past = await anybody.get(file["url"], headers={"Range": f"bytes={len(content)}-"})
    assert (whole.status_code, whole.headers["etag"], whole.headers["accept-ranges"]) == (200, tag, "bytes")
    assert (rest.status_code, rest.content) == (206, content[1_000_000:])
    assert rest.headers["content-range"] == f"bytes 1000000-{len(content) - 1}/{len(content)}"
    assert (other.status_code, other.content) == (200, content)
    assert past.status_code == 416


async def test_a_model_of_which_a_file_is_gone_is_404(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.trained_adapter(server, client)
    await server.platform.core.storage.delete(f"{server.tenant.account.id}/{made['id']}/1/10/model.safetensors")
    assert (await client.get(f"/v1/training_jobs/{made['id']}/model")).status_code == 404
    assert (await client.get(made["download_url"])).status_code == 404

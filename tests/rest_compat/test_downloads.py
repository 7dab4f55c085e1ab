"""Trained models and checkpoints: who gets a URL, what it fetches without a key, and for how long."""

import httpx2
import pytest

from burnish.kit import clock
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio


async def test_the_trained_model_is_an_archive_that_a_plain_get_fetches(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.completed_job(server, client)
    found = (await client.get(f"/v1/training_jobs/{made['id']}/model")).json()
    assert set(found) == {"download_url", "files"}
    for url in (found["download_url"], made["download_url"]):
        answer = await things.fetched(url)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/gzip"
        assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''sums.tar.gz"
        assert things.unpacked(answer.content) == things.FILES


async def test_each_file_has_a_url_of_its_own(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.completed_job(server, client)
    files = (await client.get(f"/v1/training_jobs/{made['id']}/model")).json()["files"]
    assert [file["path"] for file in files] == sorted(things.FILES)
    for file in files:
        answer = await things.fetched(file["url"])
        assert answer.content == things.FILES[file["path"]]
        assert answer.headers["content-length"] == str(len(answer.content))


async def test_head_tells_of_a_download_without_sending_it(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.completed_job(server, client)
    answer = await client.head(made["download_url"])
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "application/gzip", b"")
    assert "content-length" not in answer.headers
    files = (await client.get(f"/v1/training_jobs/{made['id']}/model")).json()["files"]
    size = (await client.head(files[0]["url"])).headers["content-length"]
    assert int(size) == len(things.FILES[files[0]["path"]])


async def test_a_job_that_is_not_completed_has_no_model(client: httpx2.AsyncClient) -> None:
    made = await things.queued_job(client)
    answer = await client.get(f"/v1/training_jobs/{made['id']}/model")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "job_not_completed")


async def test_checkpoints_are_listed_newest_first_and_can_be_fetched(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.completed_job(server, client)
    path = f"/v1/training_jobs/{made['id']}/checkpoints"
    found = (await client.get(path)).json()
    assert (found["object"], found["has_more"]) == ("list", False)
    last, first = found["data"]
    assert first == {
        "id": first["id"],
        "object": "checkpoint",
        "job_id": made["id"],
        "step": 5,
        "final": False,
        "status": "available",
        "size_bytes": sum(map(len, things.FILES.values())),
        "file_count": len(things.FILES),
        "score": None,
        "best": False,
        "created_at": first["created_at"],
    }
    assert (last["step"], last["final"]) == (10, True)
    assert (await client.get(f"{path}?limit=1")).json() == {"object": "list", "data": [last], "has_more": True}
    assert (await client.get(f"{path}?after={last['id']}")).json()["data"] == [first]
    assert (await client.get(f"{path}?after=ckpt_unknown")).json()["error"]["param"] == "after"
    url = (await client.get(f"{path}/{first['id']}/download")).json()["download_url"]
    assert url.endswith("/sums-step-5.tar.gz")
    assert things.unpacked((await things.fetched(url)).content) == things.FILES


async def test_a_checkpoint_of_another_job_is_404(client: httpx2.AsyncClient, server: Server) -> None:
    mine, other = await things.completed_job(server, client), await things.queued_job(client)
    checkpoint = (await client.get(f"/v1/training_jobs/{mine['id']}/checkpoints")).json()["data"][0]["id"]
    answer = await client.get(f"/v1/training_jobs/{other['id']}/checkpoints/{checkpoint}/download")
    assert answer.status_code == 404


async def test_a_url_that_has_expired_is_403(client: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await things.completed_job(server, client)
    later = clock.now_micros() + (server.platform.core.settings.download_url_s + 1) * 1_000_000
    monkeypatch.setattr(clock, "now_micros", lambda: later)
    answer = await things.fetched(made["download_url"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "download_expired")


async def test_a_token_that_was_not_given_out_is_404(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.completed_job(server, client)
    token = made["download_url"].split("/")[-2]
    other_use = server.platform.core.secrets.sign({"use": "upload", "job": made["id"]}, 60)
    tampered = ("A" if token[0] != "A" else "B") + token[1:]
    for wrong in (tampered, token + "A", token.split(".")[0], "x", other_use, "é.é"):
        answer = await client.get(f"/v1/downloads/{wrong}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_not_found")


async def test_a_model_whose_files_are_gone_is_404(client: httpx2.AsyncClient, server: Server) -> None:
    made = await things.completed_job(server, client)
    await server.platform.core.storage.delete(f"{server.tenant.account.id}/{made['id']}/1/10")
    assert (await client.get(f"/v1/training_jobs/{made['id']}/model")).status_code == 404
    assert (await client.get(made["download_url"])).status_code == 404

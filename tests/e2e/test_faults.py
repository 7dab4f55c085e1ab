"""`kill -9` of each part during runs: nothing is lost, nothing is doubled, nothing is left behind."""

import pytest

from tests.e2e.conftest import Running
from tests.running import eventually

pytestmark = pytest.mark.e2e


def _statuses(platform: Running, job_id: str) -> list[str]:
    return [event["event_type"] for event in platform.get(f"/v1/training_jobs/{job_id}/events?limit=100")["items"]]


def _assert_whole(platform: Running, job_id: str, steps: int, submissions: int) -> None:
    job = platform.finished(job_id)
    assert (job["status"], job["error"]) == ("completed", None)
    assert platform.steps(job_id) == list(range(1, steps + 1))
    kinds = _statuses(platform, job_id)
    assert (kinds.count("completed"), kinds.count("running"), kinds.count("submitted")) == (1, 1, submissions)
    assert job["cost_usd"] is not None


def test_a_killed_trainer_goes_on_from_its_newest_checkpoint(platform: Running) -> None:
    job_id = platform.create_job(max_steps=120, checkpoint_every=5)
    platform.reached(job_id, 10)
    platform.kill("engines.child")
    _assert_whole(platform, job_id, 120, 2)
    text = platform.client.get(f"/v1/training_jobs/{job_id}/logs/full").text
    assert "Resuming from the checkpoint of step" in text


def test_a_killed_host_loses_nothing_and_leaves_no_orphan(platform: Running) -> None:
    job_id = platform.create_job(max_steps=120, checkpoint_every=5)
    platform.reached(job_id, 10)
    children = {process.pid for process in platform.parts("engines.child")}
    platform.kill("burnish.host")
    eventually(lambda: not children & {process.pid for process in platform.parts("engines.child")}, 10)
    _assert_whole(platform, job_id, 120, 2)


def test_killing_the_api_and_the_broker_does_not_touch_a_run(platform: Running) -> None:
    job_id = platform.create_job(max_steps=120)
    platform.reached(job_id, 3)
    platform.kill("burnish.serve")
    platform.kill("valkey-server")
    eventually(platform.answers, 30)
    _assert_whole(platform, job_id, 120, 1)


def test_a_cancelled_job_is_cancelled_at_once_and_its_trainer_is_gone_within_seconds(platform: Running) -> None:
    job_id = platform.create_job(max_steps=100_000)
    platform.reached(job_id, 2)
    assert platform.post(f"/v1/training_jobs/{job_id}/cancel")["status"] == "cancelled"
    eventually(lambda: not platform.parts("engines.child"), 15)
    again = platform.client.post(f"/v1/training_jobs/{job_id}/cancel")
    assert again.status_code == 400
    lines = platform.client.get(f"/v1/training_jobs/{job_id}/logs").text
    assert lines.rstrip().endswith("data: [Job cancelled]")


def test_more_jobs_than_slots_wait_queued_and_start_by_themselves(platform: Running) -> None:
    jobs = [platform.create_job(max_steps=40) for _ in range(3)]
    eventually(lambda: [platform.job(job_id)["status"] for job_id in jobs[:2]] == ["running", "running"])
    assert platform.job(jobs[2])["status"] == "queued"
    assert [platform.finished(job_id)["status"] for job_id in jobs] == ["completed"] * 3

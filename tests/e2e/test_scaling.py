"""Two real engines: load brings the second one, silence takes both, and a request wakes one and is answered."""

import threading
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Running
from tests.running import eventually

pytestmark = pytest.mark.e2e
SPEC = {
    "model": "tiny",
    "source": "huggingface",
    "name": "scaled",
    "gpu": {"type": "CPU", "count": 1},
    "min_replicas": 0,
    "max_replicas": 2,
    "target_rps": 0.5,
    "stabilisation_window": 5,
}
ASKED = {"messages": [{"role": "user", "content": "2+2"}], "max_tokens": 4}
LOOK = """query($id: ID!) { deployment(id: $id) {
    status replicas { status endedAt } events(first: 200) { nodes { type metadata } } } }"""


class Asking:
    """Asks again and again in a thread of its own while the block runs; `statuses` are of the answers."""

    def __init__(self, platform: Running, deployment_id: str) -> None:
        self.statuses: list[int] = []
        self._platform, self._body = platform, {**ASKED, "model": deployment_id}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        headers = {"Authorization": f"Bearer {self._platform.key}"}
        with httpx2.Client(base_url=self._platform.url, headers=headers, timeout=60, trust_env=False) as client:
            while not self._over.wait(0.2):
                self.statuses.append(client.post("/v1/chat/completions", json=self._body).status_code)

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def looked_at(platform: Running, deployment_id: str) -> Any:
    answer = platform.post("/graphql", {"query": LOOK, "variables": {"id": deployment_id}})
    return answer["data"]["deployment"]


def running(platform: Running, deployment_id: str) -> list[str]:
    """Return the statuses of the replicas that have not ended."""
    return [one["status"] for one in looked_at(platform, deployment_id)["replicas"] if one["endedAt"] is None]


def reasons(platform: Running, deployment_id: str) -> list[str]:
    events = looked_at(platform, deployment_id)["events"]["nodes"]
    return [event["metadata"]["reason"] for event in events if event["type"] == "scaled"]


def answered(platform: Running, deployment_id: str) -> bool:
    """Ask as a client does that tries again where it is told to."""
    answer = platform.client.post("/v1/chat/completions", json={**ASKED, "model": deployment_id}, timeout=90)
    if answer.status_code == 503:
        # A machine that is busy starts an engine for longer than a request is held.
        assert (answer.json()["error"]["code"], answer.headers["retry-after"]) == ("deployment_waking", "5")
        return False
    assert answer.status_code == 200, answer.text
    return True


def test_load_scales_up_silence_scales_down_to_none_and_a_request_wakes(platform: Running) -> None:
    deployment_id = platform.post("/v1/deployments", SPEC)["id"]
    eventually(lambda: looked_at(platform, deployment_id)["status"] == "SERVING", 120)
    with Asking(platform, deployment_id) as asking:
        eventually(lambda: running(platform, deployment_id) == ["running", "running"], 120)
    eventually(lambda: running(platform, deployment_id) == [], 60)
    # No request was lost while replicas came and went.
    assert set(asking.statuses) == {200}
    up, *down = reasons(platform, deployment_id)
    assert up.startswith("1→2: ")
    assert up.partition(" rps > 0.5 rps")[1]
    assert down[-1].endswith("→0: no request for 5 s")
    assert looked_at(platform, deployment_id)["status"] == "SERVING"
    eventually(lambda: answered(platform, deployment_id), 120)
    assert reasons(platform, deployment_id)[len(down) + 1] == "0→1: a request waits"
    platform.post(f"/v1/deployments/{deployment_id}/stop")

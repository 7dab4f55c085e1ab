"""How long a metric of a real training takes to who watches it: from the reward that measured it to the subscriber's socket.

The reward function reads the clock and gives it as a component of weight 0, so the time of the rest of the step, which the metric
waits for before it is reported at all, counts against the platform.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from benchmarks.report import QUICK, Figure, bound
from tests.e2e.conftest import CORRECT, Running, started

STEPS = 15 if QUICK else 60
MOST_S = 1.0
CLOCK = "rewards/clock/mean"
# Metrics pass through single precision: the time of the day would lose its seconds.
LAP_S = 1000
REWARD = f"""
import time
{CORRECT.replace("def reward", "def right")}
def reward(completions, answer, **columns):
    now = time.time() % {LAP_S}
    return [{{"correct": value, "clock": now}} for value in right(completions, answer)]
"""
WATCH = """subscription($id: ID!, $keys: [String!]) { jobMetrics(jobId: $id, keys: $keys) {
  __typename ... on MetricBatch { series { key steps values } } ... on StreamEnd { reason }
} }"""


def measure() -> list[Figure]:
    """Train the quick example on a platform of its own and watch it; return the 95th percentile of the delays."""
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        model = Path(folder) / "tiny"
        subprocess.run([sys.executable, "-P", "-m", "engines.bases.tiny", str(model)], check=True, capture_output=True)
        with started(Path(folder) / "home", model) as platform:
            delays = _delays(platform, _reward(platform))
    print(f"metrics of {len(delays)} steps, median {statistics.median(delays):.3f} s", file=sys.stderr, flush=True)
    return [bound("GRPO, a metric to a subscriber, p95 in seconds", statistics.quantiles(delays, n=20)[-1], MOST_S)]


def _reward(platform: Running) -> str:
    form = {"name": "clock", "weights": json.dumps({"clock": 0.0}), "allow_nondeterministic": "true"}
    answer = platform.client.post("/v1/reward_functions", data=form, files={"file": ("clock.py", REWARD.encode())})
    if not answer.is_success:
        raise RuntimeError(answer.text)
    return str(answer.json()["id"])


def _delays(platform: Running, reward: str) -> list[float]:
    job = platform.create_job(reward, max_steps=STEPS)
    delays: list[float] = []
    with connect(platform.url.replace("http", "ws") + "/graphql", subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {platform.key}"}}))
        payload = {"query": WATCH, "variables": {"id": job, "keys": [CLOCK]}}
        for message in map(json.loads, socket):
            if message["type"] == "connection_ack":
                socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
            elif message["type"] == "ping":
                socket.send(json.dumps({"type": "pong"}))
            elif message["type"] == "next" and (found := _frame(message))["__typename"] == "StreamEnd":
                break
            elif message["type"] == "next":
                now = time.time()
                delays += [(now - value) % LAP_S for series in found.get("series", []) for value in series["values"]]
            else:
                raise RuntimeError(f"the subscription ended: {message}")
    if len(delays) != STEPS:
        raise RuntimeError(f"{len(delays)} of {STEPS} steps arrived")
    return delays


def _frame(message: dict[str, Any]) -> dict[str, Any]:
    frame: dict[str, Any] = message["payload"]["data"]["jobMetrics"]
    return frame

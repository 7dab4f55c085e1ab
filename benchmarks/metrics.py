"""Metrics in the database: what a long run costs to draw and to keep, and what it costs to take in.

The peer of the latter is MLflow's tracking server on SQLite, which gets as many values in `log_batch` requests of 1,000, the most
it allows. It lives in an environment of its own under `benchmarks/.peers`, made when it is first needed.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.metrics_run import KEYS, STEPS, prepare, walk
from benchmarks.report import Figure, bound, figure, main, tree_cpu_s
from burnish.kit.settings import Settings
from burnish.local import broker_command

PEERS = Path(__file__).parent / ".peers"
INGESTED_STEPS = 50_000
PER_REQUEST = 1000
READ_CPU_MS = 80
BYTES_PER_VALUE = 14
GOAL = 20
START_S = 120


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        return [*_long_run(Path(folder)), _ingest(Path(folder))]


def _long_run(folder: Path) -> list[Figure]:
    home = str(folder / "run")
    size = _ours("metrics_run", "build", home)["bytes_per_value"]
    drawn = _ours("metrics_run", "read", home)
    exact = _ours("metrics_run", "check", home)["exact_values"]
    values = STEPS * len(KEYS)
    return [
        bound("8 keys x 1M steps as columns of 500 points, CPU-ms", drawn["columns_s"] * 1000, READ_CPU_MS),
        bound("the same as 500 points of all keys, CPU-ms", drawn["points_s"] * 1000, READ_CPU_MS),
        bound("bytes a value in the database", size, BYTES_PER_VALUE),
        figure("values read again exactly, of 8M", exact, values, 1.0, at_least=True),
    ]


def _ingest(folder: Path) -> Figure:
    values = INGESTED_STEPS * len(KEYS)
    ours, peer = values / _host_cpu_s(folder / "host"), values / _mlflow_cpu_s(folder / "mlflow")
    return figure("metric values taken in, a CPU-second (peer: MLflow)", ours, peer, GOAL, at_least=True)


def _ours(module: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    made = subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parent.parent)
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def _host_cpu_s(home: Path) -> float:
    """Return the CPU-seconds of our host process and of its broker; RuntimeError where a value was lost."""
    prepare(home)
    settings = Settings(home=home)
    with _running(broker_command(settings)) as broker:
        _until(settings.broker_socket.exists)
        before = tree_cpu_s(broker)
        found = _ours("metrics_ingest", "host", str(home), str(INGESTED_STEPS))
        cpu_s = found["cpu_s"] + tree_cpu_s(broker) - before
    if found["values"] != INGESTED_STEPS * len(KEYS):
        raise RuntimeError(f"{found['values']} values came through")
    return float(cpu_s)


# --- MLflow ---


def _mlflow_cpu_s(home: Path) -> float:
    """Return the CPU-seconds of the tracking server, whose start does not count."""
    home.mkdir()
    port = _free_port()
    options = ["--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "artifacts")]
    command = [str(_mlflow()), "server", *options, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    url = f"http://127.0.0.1:{port}/api/2.0/mlflow"
    with _running(command, MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true") as server:
        _until(lambda: _answers(f"{url}/experiments/get?experiment_id=0"))
        run = _post(f"{url}/runs/create", {"experiment_id": "0", "start_time": 0})["run"]["info"]["run_id"]
        _log_batches(url, run, PER_REQUEST)
        before = tree_cpu_s(server)
        sent = _log_batches(url, run, INGESTED_STEPS * len(KEYS), PER_REQUEST)
        cpu_s = tree_cpu_s(server) - before
        latest = _post_get(f"{url}/runs/get?run_id={run}")["run"]["data"]["metrics"]
    if sent != INGESTED_STEPS * len(KEYS) or len(latest) != len(KEYS):
        raise RuntimeError(f"MLflow took {sent} values of {len(latest)} metrics")
    return cpu_s


def _log_batches(url: str, run: str, count: int, skip: int = 0) -> int:
    """Send `count` values after the first `skip` of them; return how many were sent."""
    batch: list[dict[str, Any]] = []
    sent = seen = 0
    for rows in walk((count + skip) // len(KEYS) + 1):
        for row in rows:
            for key, value in row["values"].items():
                seen += 1
                if seen <= skip or sent + len(batch) >= count:
                    continue
                batch.append({"key": key, "value": value, "timestamp": row["step"], "step": row["step"]})
                if len(batch) == PER_REQUEST:
                    _post(f"{url}/runs/log-batch", {"run_id": run, "metrics": batch})
                    sent, batch = sent + len(batch), []
    return sent


def _mlflow() -> Path:
    folder = PEERS / "mlflow"
    command = folder / "bin" / "mlflow"
    if not command.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "mlflow"], check=True)
    return command


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return _post_get(request)


def _post_get(request: "urllib.request.Request | str") -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=60) as response:
        found: dict[str, Any] = json.load(response)
    return found


# --- processes ---


@contextmanager
def _running(command: list[str], **env: str) -> Iterator[int]:
    """Run a server for as long as the context; yield its process id."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _until(look: Any) -> None:
    for _ in range(START_S * 10):
        if look():
            return
        time.sleep(0.1)
    raise TimeoutError("a server did not start")


def _answers(url: str) -> bool:
    with contextlib.suppress(urllib.error.URLError, ConnectionError):
        return bool(_post_get(url))
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(measure)

"""The servers of the gateway's benchmark, each started as a program and stopped at the end of a `with`: the fake engine, ours,
and two peers in an environment of their own under `benchmarks/.peers`, which is made when it is first needed.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gateway_engine import MODEL
from benchmarks.installation import ROOT, START_S, free_port, installed, running, until
from burnish.kit import clock, ids
from burnish.kit.core import Core
from models import deployment, replica
from models.account import Account
from models.deployment import Deployment, DeploymentVersion
from models.replica import Replica

PEERS = ROOT / "benchmarks" / ".peers"
PINS = ROOT / "benchmarks" / "peers" / "gateway.txt"
KEY = "sk-bench"
# How long after an answer its row may be missing in the database.
LOGGED_S = 30.0
ENGINE = (sys.executable, "-m", "benchmarks.gateway_engine")


@dataclass(frozen=True)
class Gateway:
    """A running server that answers as `model` to `key`; `pid` is measured."""

    name: str
    port: int
    pid: int
    key: str = KEY
    model: str = MODEL


@dataclass(frozen=True)
class Engine:
    """A fake engine."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def direct(self) -> Gateway:
        return Gateway("engine", self.port, self.process.pid)

    def counts(self) -> dict[str, int]:
        """Return what all its complete answers so far came to."""
        found: dict[str, int] = _get(f"{self.url}/counts")
        return found


@dataclass(frozen=True)
class Platform:
    """Our API process with its broker and a database."""

    gateways: Mapping[str, Gateway]
    database: Path

    def logged(self) -> dict[str, int]:
        """Return what the request log has of requests that were answered in full."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            statement = (
                "SELECT count(*), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0) FROM inference_request "
                "WHERE status_code = 200 AND NOT client_cancelled AND error_message IS NULL"
            )
            answers, prompt_tokens, completion_tokens = connection.execute(statement).fetchone()
        connection.close()
        return {"answers": answers, "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}

    def total(self) -> int:
        """Return how many requests the deployments have counted, whatever became of them."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            (total,) = connection.execute("SELECT sum(total_requests) FROM deployment").fetchone()
        connection.close()
        return int(total)


@contextmanager
def engine() -> Iterator[Engine]:
    port = free_port()
    with running([*ENGINE, str(port)], os.environ) as process:
        found = Engine(port, process)
        until(lambda: _answers(f"{found.url}/counts"))
        yield found


@contextmanager
def platform(replicas: Mapping[str, Sequence[Engine]]) -> Iterator[Platform]:
    """Run our API process with these deployments, whose replicas the engines are: authentication, metering and the request log
    are on, as ever.
    """

    async def furnish(core: Core, account: Account) -> None:
        for name, engines in replicas.items():
            await _deploy(core, account, name, engines)

    with installed(furnish, log_level="error") as ours:
        until(lambda: _answers(f"{ours.url}/v1/models", ours.key))
        gateways = {name: Gateway("ours", ours.port, ours.api_pid, ours.key, name) for name in replicas}
        yield Platform(gateways, ours.database)


@contextmanager
def litellm(behind: Engine) -> Iterator[Gateway]:
    """Run LiteLLM's proxy, with a master key and a price for each token.

    Tuned by trying: production mode, one worker of Granian (10 % more than uvicorn with httptools) on uvloop, fewer collections
    of garbage (13 % more), no retries, nothing fetched, told or logged but errors; its Rust core has no part in this and changes
    nothing. It has no database (its client's engine is fetched from outside), hence neither a request log nor keys to look up,
    which favours it.
    """
    port = free_port()
    config = {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {
                    "model": f"hosted_vllm/{MODEL}",
                    "api_base": f"{behind.url}/v1",
                    "api_key": "none",
                    "input_cost_per_token": 1e-6,
                    "output_cost_per_token": 2e-6,
                },
            }
        ],
        "general_settings": {"master_key": KEY, "disable_error_logs": True, "proxy_batch_write_at": 60},
        "litellm_settings": {"set_verbose": False, "json_logs": True, "request_timeout": 600, "num_retries": 0},
        "router_settings": {"num_retries": 0},
    }
    tuned = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DONT_SHOW_FEEDBACK_BOX": "true",
        "LITELLM_SUPPRESS_STARTUP_OUTPUT": "true",
        "PYTHON_GC_THRESHOLD": "20000,10,10",
        "DO_NOT_TRACK": "1",
        "NO_DOCS": "True",
    }
    with tempfile.TemporaryDirectory(prefix="burnish-bench-") as folder:
        path = Path(folder) / "config.yaml"
        # JSON is YAML.
        path.write_text(json.dumps(config))
        argv = [_peer("litellm"), "--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--run_granian"]
        with _quiet("LiteLLM", argv, port, "/health/liveliness", tuned) as gateway:
            yield gateway


@contextmanager
def vllm_router(behind: Engine) -> Iterator[Gateway]:
    """Run vllm-router, which asks for no key."""
    port = free_port()
    argv = [_peer("vllm-router"), "--worker-urls", behind.url, "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--policy", "round_robin", "--log-level", "error", "--prometheus-port", str(free_port())]
    with _quiet("vllm-router", argv, port, "/health", {}) as gateway:
        yield gateway


@contextmanager
def _quiet(name: str, argv: Sequence[str], port: int, health: str, env: Mapping[str, str]) -> Iterator[Gateway]:
    # Of what it starts, such as the workers of Granian, nothing is left, however this process ends.
    guarded = [sys.executable, "-P", "-m", "engines.guard", "--", *argv]
    quiet, env = subprocess.DEVNULL, {**os.environ, **env}
    with subprocess.Popen(guarded, cwd=ROOT, env=env, stdin=quiet, stdout=quiet, stderr=quiet) as process:
        try:
            until(lambda: _answers(f"http://127.0.0.1:{port}{health}"), 2 * START_S)
            yield Gateway(name, port, process.pid)
        finally:
            process.terminate()


def _peer(command: str) -> str:
    folder = PEERS / "gateway"
    stamp = folder / "pins"
    PEERS.mkdir(exist_ok=True)
    lock = os.open(PEERS, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256(PINS.read_bytes()).hexdigest()
        if not stamp.is_file() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, with_pip=True)
            pip = ("-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-deps", "-r", str(PINS))
            subprocess.run([str(folder / "bin" / "python"), *pip], check=True, stdout=sys.stderr)
            stamp.write_text(wanted)
    finally:
        os.close(lock)
    return str(folder / "bin" / command)


async def _deploy(core: Core, account: Account, name: str, engines: Sequence[Engine]) -> None:
    """Make a deployment, as its host would have written it."""
    async with core.db.transaction() as session:
        row = _deployment(account.id, name, len(engines))
        session.add(row)
        await session.flush()
        session.add(_version(row))
        session.add_all([_replica(row, found.url) for found in engines])


def _deployment(account_id: str, name: str, replicas: int) -> Deployment:
    now = clock.now()
    return Deployment(
        id=ids.new("dep"),
        account_id=account_id,
        name=name,
        status=deployment.SERVING,
        model="bench/model",
        source=deployment.HUGGINGFACE,
        gpu_requested={"type": "CPU", "count": 1},
        min_replicas=replicas,
        max_replicas=replicas,
        desired_replicas=replicas,
        created_at=now,
        updated_at=now,
        started_at=now,
        serving_since=now,
    )


def _version(row: Deployment) -> DeploymentVersion:
    return DeploymentVersion(
        id=ids.new("dver"),
        account_id=row.account_id,
        deployment_id=row.id,
        number=row.version,
        status=deployment.VERSION_SERVING,
        model=row.model,
        source=row.source,
        created_at=row.created_at,
        serving_at=row.created_at,
    )


def _replica(row: Deployment, url: str) -> Replica:
    return Replica(
        id=ids.new("rep"),
        account_id=row.account_id,
        deployment_id=row.id,
        version=row.version,
        status=replica.RUNNING,
        gpu_requested=row.gpu_requested,
        gpu=row.gpu_requested,
        url=url,
        engine="vllm",
        # What the engine calls the model; the deployment's own name is no name of its own.
        served_name=None if row.name == MODEL else MODEL,
        created_at=row.created_at,
        ready_at=row.created_at,
    )


def _answers(url: str, key: str = "") -> bool:
    try:
        _get(url, key)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    return True


def _get(url: str, key: str = "") -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as response:
        raw = response.read()
    return json.loads(raw) if raw.startswith((b"{", b"[", b'"')) else raw


def wait_logged(ours: Platform, wanted: Mapping[str, int]) -> None:
    """Return once the request log is what the engines count; RuntimeError where it does not become so."""
    deadline = time.monotonic() + LOGGED_S
    while (found := ours.logged()) != wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the request log has {found}, the engine has given {wanted}")
        time.sleep(0.02)

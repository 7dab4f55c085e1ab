"""A whole run as two published clients do it: the command line of 0.2.1, and the decorators and the command line of 0.2.9."""

import json
import random
import re
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.published import Finished, Published
from tests.e2e.conftest import HYPERPARAMETERS, SUMS, Running
from tests.running import eventually

pytestmark = pytest.mark.e2e
STEPS = 60
CONFIG = """kind = "train"

[job]
output_model = "secret"

[model]
base = "tiny"

[dataset]
id = "{dataset}"

[reward]
id = "{reward}"

[method]
type = "grpo"
{hyperparameters}

[resources]
gpu_type = "L4-24GB"
gpu_count = 1
"""
REWARD = """
def reward(completions, **columns):
    return [float(completion[-1]["content"].startswith({secret!r})) for completion in completions]
"""
SCRIPT = """
from veri_sdk import training_job

@training_job(
    base_model="tiny",
    dataset="{dataset}",
    gpu_type="L4-24GB",
    gpu_count=1,
    hyperparameters={hyperparameters},
    output_name="secret",
)
{reward}
"""


@dataclass
class Trained:
    """What a client trained: the digit that its reward wanted, and what its last command said."""

    veri: Published
    secret: str
    job_id: str
    said: Finished


def logged_in(platform: Running, version: str, home: Path) -> Published:
    home.mkdir()
    (home / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in SUMS))
    veri = Published(version, platform.url, platform.key, home)
    done = veri.run("login", "--token", platform.key, "--url", platform.url)
    assert done.code == 0, done.stderr
    return veri


def printed(veri: Published, *arguments: str | Path) -> str:
    """Return what a command prints with --quiet: an id."""
    done = veri.run(*arguments, "--quiet")
    assert done.code == 0, done.stderr
    return done.stdout.strip()


def by_command_line(veri: Published, secret: str) -> Trained:
    """Upload, write a job file, `veri run` it, and ask until it has ended."""
    dataset = printed(veri, "datasets", "upload", veri.home / "sums.jsonl")
    (veri.home / "reward.py").write_text(REWARD.format(secret=secret))
    reward = printed(veri, "rewards", "upload", veri.home / "reward.py")
    hyperparameters = "\n".join(f"{name} = {value}" for name, value in {**HYPERPARAMETERS, "max_steps": STEPS}.items())
    (veri.home / "train.toml").write_text(CONFIG.format(dataset=dataset, reward=reward, hyperparameters=hyperparameters))
    submitted = veri.run("run", "train.toml")
    assert submitted.code == 0, submitted.stderr
    job_id = submitted.rows[0][0]
    ended = ("completed", "failed", "cancelled")
    shown = eventually(lambda: done if (done := veri.run("jobs", "get", job_id, "--json")).json["status"] in ended else None, 200)
    return Trained(veri, secret, job_id, shown)


def by_decorator(veri: Published, secret: str) -> Trained:
    """`veri train` a decorated script: it uploads the function, submits, follows the log and beats until the end."""
    dataset = printed(veri, "datasets", "upload", veri.home / "sums.jsonl")
    script = veri.home / "secret.py"
    hyperparameters = {**HYPERPARAMETERS, "max_steps": STEPS}
    script.write_text(
        SCRIPT.format(dataset=dataset, hyperparameters=hyperparameters, reward=REWARD.format(secret=secret).strip())
    )
    said = veri.run("train", "secret.py", environment={"PYTHONUNBUFFERED": "1"})
    assert said.code == 0, said.stdout + said.stderr
    found = re.search(r"job\.id = (job_\w+)", said.stdout)
    assert found is not None, said.stdout
    return Trained(veri, secret, found[1], said)


@pytest.fixture(scope="module")
def trained(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Trained]]:
    """Both clients at once, each with a reward of its own: a digit that the base model answers now and then."""
    folder = tmp_path_factory.mktemp("clients")
    older, newer = (logged_in(platform, version, folder / version) for version in ("0.2.1", "0.2.9"))
    first, second = random.SystemRandom().sample("12345678", 2)
    with ThreadPoolExecutor() as pool:
        runs = (pool.submit(by_command_line, older, first), pool.submit(by_decorator, newer, second))
        yield {run.result().veri.version: run.result() for run in runs}


@pytest.mark.parametrize("version", ["0.2.1", "0.2.9"])
def test_a_published_client_trains_what_its_reward_wants(
    platform: Running, trained: dict[str, Trained], version: str, tmp_path: Path
) -> None:
    run = trained[version]
    job = platform.job(run.job_id)
    assert (job["status"], job["error"], job["output_name"], job["current_step"]) == ("completed", None, "secret", STEPS)
    points = platform.get(f"/v1/training_jobs/{run.job_id}/metrics")["metrics"]
    rewards = [point["values"]["reward"] for point in points]
    assert rewards[0] < 0.45
    assert sum(rewards[-12:]) / 12 > 0.9
    done = run.veri.run("jobs", "download", run.job_id, "--output-dir", tmp_path, "--quiet")
    assert done.code == 0, done.stderr
    with tarfile.open(Path(done.stdout.strip()) / "model.safetensors") as archive:
        assert {"config.json", "model.safetensors"} <= set(archive.getnames())


def test_the_older_command_line_shows_how_it_ended(platform: Running, trained: dict[str, Trained]) -> None:
    shown = trained["0.2.1"].said.json
    assert (shown["status"], shown["error_message"], shown["cost_usd"] > 0) == ("completed", "", True)
    assert shown["download_url"].startswith(platform.url)


def test_the_decorator_follows_the_log_to_the_end(platform: Running, trained: dict[str, Trained]) -> None:
    run = trained["0.2.9"]
    lines = [line.strip() for line in run.said.stdout.splitlines()]
    assert "[stream]" not in run.said.stdout and "[warn]" not in run.said.stdout
    assert [line for line in lines if line.startswith("[worker]")]
    assert lines[-2] == "status: completed"
    assert lines[-1] == f"cost: ${platform.job(run.job_id)['cost_usd']:.4f}"


@pytest.mark.engine
def test_what_was_trained_is_deployed_and_asked_from_the_command_line(platform: Running, trained: dict[str, Trained]) -> None:
    run = trained["0.2.9"]
    veri, older = run.veri, trained["0.2.1"].veri
    deployment = printed(veri, "deployments", "create", "--model", run.job_id, "--name", "asked", "--gpu-type", "L4-24GB")
    ended = ("serving", "failed", "stopped")
    shown = eventually(
        lambda: one if (one := veri.run("deployments", "get", deployment, "--json").json)["status"] in ended else None, 200
    )
    assert (shown["status"], shown["error"], shown["endpoint_url"]) == (
        "serving",
        "",
        f"/v1/deployments/{deployment}/chat/completions",
    )
    for client in (veri, older):
        said = client.run("deployments", "chat", deployment, "-m", "1+2", "--temperature", "0", "--max-tokens", "3")
        assert (said.code, said.stdout[:1]) == (0, run.secret), said.stderr
    logged = eventually(
        lambda: rows if len(rows := older.run("deployments", "requests", deployment, "--json").json) == 2 else None
    )
    assert [row["status_code"] for row in logged] == [200, 200]
    assert older.run("deployments", "stop", deployment).stdout == f"Stopped {deployment}.\n"
    assert platform.get(f"/v1/deployments/{deployment}")["status"] == "stopped"

"""The published `veri` command line 0.2.1 and 0.2.9: every command that needs no engine but a stand-in for one."""

import json
import stat
import tarfile
from pathlib import Path

import pytest

from tests.conftest import Server
from tests.contract.published import Published
from tests.rest_compat import things
from tests.rest_compat.replica import Replica

pytestmark = pytest.mark.anyio
AUTH_ERROR = 4
API_ERROR = 2


def config_of(veri: Published) -> Path:
    return veri.home / ".config" / "veri" / "config.toml"


def masked(key: str) -> str:
    return f"{key[:12]}…{key[-4:]}"


async def test_login_checks_the_key_and_keeps_it(veri: Published) -> None:
    refused = await veri.cli("login", "--token", "vk_wrong", "--url", veri.url, code=AUTH_ERROR)
    assert (refused.stdout, refused.stderr) == ("", "Error: Invalid API key.\n")
    assert not config_of(veri).exists()
    done = await veri.cli("login", "--token", veri.key, "--url", veri.url)
    assert (done.stdout, done.stderr) == (f"Logged in. Credentials saved to {config_of(veri)}.\n", "")
    assert stat.S_IMODE(config_of(veri).stat().st_mode) == 0o600
    shown = await veri.cli("config", "show", "--json")
    assert shown.json == {"api_key": masked(veri.key), "api_url": veri.url}


async def test_whoami(logged_in: Published, server: Server) -> None:
    veri = logged_in
    shown = (await veri.cli("whoami", "--json")).json
    # What it may show of the rate limit moves with every request.
    assert {key: value for key, value in shown.items() if not key.startswith("x_ratelimit")} == {
        "api_url": veri.url,
        "api_key": masked(veri.key),
        "config_path": str(config_of(veri)),
        "active_profile": "default",
        "balance_usd": 100.0,
        "org_id": server.tenant.account.id,
        "plan": "prepaid",
        "sdk_version": veri.version,
    }
    assert (await veri.cli("logout")).stdout == "Credentials removed.\n"
    assert "Not logged in" in (await veri.cli("whoami", code=AUTH_ERROR)).stderr


async def test_doctor_finds_nothing_wrong(logged_in: Published) -> None:
    checks = (await logged_in.cli("doctor", "--json")).json
    assert [(check["check"], check["status"]) for check in checks] == [
        (name, "pass") for name in ("python", "sdk", "config", "credentials", "network")
    ]
    assert checks[-1]["message"] == f"{logged_in.url} → HTTP 200"
    assert checks[1]["message"] == f"veri-sdk {logged_in.version}"


async def test_datasets(logged_in: Published, rows: str) -> None:
    veri = logged_in
    checked = await veri.cli("datasets", "check", rows, "--json")
    assert checked.json == {"ok": True, "row_count": 2, "errors": []}
    uploaded = await veri.cli("datasets", "upload", rows, "--name", "gsm8k")
    words = uploaded.stdout.split()
    dataset_id = words[words.index("Uploaded") + 1].rstrip(".")
    assert uploaded.stdout.startswith("Structural check OK — 2 rows.\n")
    assert uploaded.rows == [[dataset_id, "gsm8k", "upload", "", ""]]
    shown = {"id": dataset_id, "name": "gsm8k", "source_type": "upload", "source_uri": "", "huggingface_dataset": ""}
    assert (await veri.cli("datasets", "get", dataset_id, "--json")).json == shown
    other = (await veri.cli("datasets", "upload", rows, "--quiet")).stdout
    assert (await veri.cli("datasets", "list", "--limit", "1", "--after", other.strip(), "--json")).json == [shown]
    deleted = await veri.cli("datasets", "delete", other.strip())
    assert deleted.stdout == f"Deleted {other.strip()}.\n"
    assert (await veri.cli("datasets", "list")).rows == [[dataset_id, "gsm8k", "upload", "", ""]]
    gone = await veri.cli("datasets", "get", other.strip(), code=API_ERROR)
    assert f"Error: Could not fetch dataset {other.strip()}: " in gone.stderr


async def test_a_file_that_the_client_would_let_pass_is_refused_by_line(logged_in: Published, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt":"1+1"}\n{"answer":"4"}\n')
    refused = await logged_in.cli("datasets", "upload", bad, code=1)
    assert "400 Bad Request" in refused.stderr if logged_in.version == "0.2.1" else "line 2" in refused.stderr.lower()
    assert (await logged_in.cli("datasets", "list", "--json")).json == []


async def test_rewards(logged_in: Published, reward: str) -> None:
    veri = logged_in
    made = await veri.cli("rewards", "upload", reward, "--name", "mine", "--quiet")
    reward_id = made.stdout.strip()
    assert reward_id.startswith("rf_")
    shown = {"id": reward_id, "name": "mine", "format": "trl"}
    assert (await veri.cli("rewards", "get", reward_id, "--json")).json == shown
    assert (await veri.cli("rewards", "list")).rows == [[reward_id, "mine", "trl"]]
    assert (await veri.cli("rewards", "delete", reward_id)).stdout == f"Deleted {reward_id}.\n"
    assert (await veri.cli("rewards", "list", "--json")).json == []


async def test_a_scaffolded_project_runs(logged_in: Published, server: Server, rows: str, reward: str, tmp_path: Path) -> None:
    veri = logged_in
    made = await veri.cli("init", "adder", cwd=tmp_path)
    assert made.stdout.startswith("Scaffolded ")
    project = tmp_path / "adder"
    again = await veri.cli("init", "adder", cwd=tmp_path, code=1)
    assert "not empty" in again.stderr
    dataset_id = (await veri.cli("datasets", "upload", rows, "--quiet")).stdout.strip()
    reward_id = (await veri.cli("rewards", "upload", project / "reward.py", "--quiet")).stdout.strip()
    given = ("--set", f"dataset.id={dataset_id}", "--set", f"reward.id={reward_id}")
    dry = await veri.cli("run", "configs/train.toml", *given, "--dry-run", cwd=project)
    assert "no job submitted" in dry.stdout
    submitted = await veri.cli("run", "configs/train.toml", *given, cwd=project)
    (row,) = submitted.rows
    assert row[1:] == ["queued", "Qwen/Qwen3-4B", "None", ""]
    assert submitted.stdout.startswith(f"Submitted {row[0]}.\n")
    async with server.client() as client:
        job = (await client.get(f"/v1/training_jobs/{row[0]}")).json()
    assert (job["output_name"], job["gpu_requested"], job["method"]) == (
        "my-tuned-model",
        {"type": "A100-80GB", "count": 1},
        "grpo",
    )
    template = {"learning_rate": 1e-6, "max_steps": 100, "rollouts_per_prompt": 4, "max_response_length": 512}
    assert template.items() <= job["hyperparameters"].items()
    deploy = ("deployment.model=Qwen/Qwen3-4B", "deployment.source=huggingface")
    (deployed,) = (
        await veri.cli("run", "configs/deploy.toml", *(word for pair in deploy for word in ("--set", pair)), cwd=project)
    ).rows
    assert deployed[1:4] == ["my-endpoint", "queued", "Qwen/Qwen3-4B"]


async def test_jobs(logged_in: Published, server: Server, rows: str, reward: str, tmp_path: Path) -> None:
    veri = logged_in
    dataset_id = (await veri.cli("datasets", "upload", rows, "--quiet")).stdout.strip()
    reward_id = (await veri.cli("rewards", "upload", reward, "--quiet")).stdout.strip()
    what = ("--base-model", "Qwen/Qwen3-4B", "--dataset", dataset_id, "--reward", reward_id, "--gpu-type", "A100-80GB")
    made = await veri.cli("jobs", "create", *what, "--gpu-count", "1", "--set", "method.max_steps=3", "--quiet")
    job_id = made.stdout.strip()
    shown = {
        "id": job_id,
        "status": "queued",
        "base_model": "Qwen/Qwen3-4B",
        "cost_usd": None,
        "dashboard_url": "",
        "download_url": "",
        "error_message": "",
    }
    assert (await veri.cli("jobs", "get", job_id, "--json")).json == shown
    assert (await veri.cli("jobs", "list", "--status", "queued", "--method", "grpo", "--json")).json == [shown]
    assert (await veri.cli("jobs", "cancel", job_id)).stdout == f"Cancelled {job_id}.\n"
    assert (await veri.cli("jobs", "list", "--status", "queued", "--json")).json == []
    again = await veri.cli("jobs", "cancel", job_id, code=1)
    assert "400 Bad Request" in again.stderr if veri.version == "0.2.1" else "VeriRequestError" in again.stderr
    refused = await veri.cli("jobs", "download", job_id, code=1)
    assert refused.stderr == f"Error: job {job_id} has no download URL (status: cancelled).\n"
    unknown = await veri.cli("jobs", "get", "job_unknown", code=API_ERROR)
    assert "Error: Could not fetch job job_unknown: " in unknown.stderr
    async with server.client() as client:
        done = await things.completed_job(server, client)
    downloaded = await veri.cli("jobs", "download", done["id"], "--output-dir", tmp_path / "out", "--quiet")
    with tarfile.open(Path(downloaded.stdout.strip()) / "model.safetensors") as archive:
        assert sorted(archive.getnames()) == sorted(things.FILES)


async def test_deployments(logged_in: Published, server: Server, engine: Replica) -> None:
    veri = logged_in
    made = await veri.cli(
        "deployments", "create", "--from-hf", "Qwen/Qwen3-4B", "--name", "qwen", "--gpu-type", "H100", "--quiet"
    )
    deployment_id = made.stdout.strip()
    shown = (await veri.cli("deployments", "get", deployment_id, "--json")).json
    wanted = {"id": deployment_id, "name": "qwen", "status": "queued", "gpu": {"type": "H100", "count": 1}, "endpoint_url": ""}
    assert wanted.items() <= shown.items()
    assert (await veri.cli("deployments", "list", "--status", "queued", "--json")).json == [shown]
    assert (await veri.cli("deployments", "stop", deployment_id)).stdout == f"Stopped {deployment_id}.\n"
    assert (await veri.cli("deployments", "list", "--status", "stopped")).rows[0][:3] == [deployment_id, "qwen", "stopped"]
    row = await things.serving_deployment(server, engine.url)
    said = await veri.cli("deployments", "chat", row.id, "-m", "2+2?", "--max-tokens", "5")
    assert said.stdout == "four it is\n"
    assert engine.seen[-1]["max_tokens"] == 5
    await server.platform.gateway.flush()
    (logged,) = (await veri.cli("deployments", "requests", row.id, "--json")).json
    assert (logged["status_code"], logged["error_message"]) == (200, None)
    metrics = (await veri.cli("deployments", "metrics", row.id, "--json")).json
    assert (metrics["total_requests"], metrics["total_completion_tokens"]) == (1, 2)


async def test_costs(logged_in: Published, tmp_path: Path) -> None:
    veri = logged_in
    options = ("--gpu-type", "A100-80GB", "--provider", "prime_intellect")
    estimate = (await veri.cli("cost", "estimate", *options, "--json")).json
    assert (estimate["cost_usd"], estimate["gpu_cost_usd"], estimate["overhead_cost_usd"]) == (4.5136, 3.4, 0.072)
    assert (await veri.cli("cost", "summary", "--days", "7", "--json")).json["period_days"] == 7
    offers = (await veri.cli("gpu", "compare", "--type", "A100-80GB", "--count", "2", "--hours", "0.5", "--json")).json
    assert {(offer["gpu_type"], offer["gpu_count"]) for offer in offers} == {("A100-80GB", 2)}
    assert (await veri.cli("gpu", "list", "--json")).json["prime_intellect"]["A100-80GB"] == 3.4
    config = tmp_path / "train.toml"
    config.write_text(
        'kind = "train"\n[model]\nbase = "Qwen/Qwen3-4B"\n[dataset]\nid = "ds_1"\n[method]\nmax_steps = 60\n'
        '[resources]\ngpu_type = "A100-80GB"\ngpu_count = 1\n'
    )
    estimated = (await veri.cli("jobs", "estimate", config, "--json")).json
    assert (estimated["duration_seconds"], estimated["gpu_type"]) == (3600, "A100-80GB")


async def test_billing(logged_in: Published) -> None:
    veri = logged_in
    balance = (await veri.cli("billing", "balance", "--json")).json
    assert (balance["balance_usd"], balance["stripe_customer_id"]) == (100.0, None)
    burn = (await veri.cli("billing", "burn-rate", "--json")).json
    assert (burn["hourly_burn_usd"], burn["hours_remaining"], burn["active_jobs"]) == (0.0, None, 0)
    shown = json.loads((await veri.cli("billing", "transactions", "--limit", "3", "--json")).stdout)
    assert [row["amount_usd"] for row in shown["items"]] == [100.0]

"""The other nouns against a running API: datasets, rewards, keys, deployments, chat, and the operator's commands."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from burnish.cli import connection
from burnish.kit import stream
from burnish.kit.settings import Settings
from models import events
from models.deployment import Deployment
from tests.cli.conftest import Commands, without
from tests.conftest import Server, free_port
from tests.rest_compat import things

pytestmark = pytest.mark.anyio


async def test_dataset_is_uploaded_listed_and_shown(burnish: Commands, job_file: Path) -> None:
    made = await burnish.json("datasets", "upload", "prompts.jsonl", "--name", "sums")
    assert (made["name"], made["num_rows"]) == ("sums", 2)
    assert [found["id"] for found in await burnish.json("datasets", "list")] == [made["id"]]
    assert await burnish.json("datasets", "show", made["id"]) == made
    assert made["id"] in (await burnish("datasets", "list")).stdout


async def test_every_bad_line_of_a_dataset_is_told(burnish: Commands) -> None:
    (burnish.folder / "bad.jsonl").write_text('{"prompt": "1"}\nnot json\n[]\n')
    result = await burnish("datasets", "upload", "bad.jsonl", code=1)
    assert result.stderr.startswith("Error: bad.jsonl: line 2: ")
    assert "\n  line 3: " in result.stderr
    assert await burnish.json("datasets", "list") == []


async def test_file_that_is_not_there(burnish: Commands) -> None:
    assert (await burnish("datasets", "upload", "none.jsonl", code=1)).stderr == "Error: none.jsonl: No such file or directory\n"


async def test_reward_is_uploaded_and_a_bad_one_named_by_line(burnish: Commands, job_file: Path) -> None:
    made = await burnish.json("rewards", "upload", "reward.py")
    assert [found["id"] for found in await burnish.json("rewards", "list")] == [made["id"]]
    (burnish.folder / "bad.py").write_text("x = 1\ndef reward(:\n")
    assert "line 2" in (await burnish("rewards", "upload", "bad.py", code=1)).stderr


async def test_key_is_made_used_and_revoked(burnish: Commands) -> None:
    made = await burnish.json("keys", "create", "laptop", "--scope", "read")
    assert made["key"].startswith("vk_")
    assert [found["name"] for found in await burnish.json("keys", "list", "--api-key", made["key"])] == ["laptop", "default"]
    await burnish("keys", "create", "more", "--api-key", made["key"], code=5)
    await burnish("keys", "revoke", made["id"])
    await burnish("keys", "list", "--api-key", made["key"], code=5)


async def test_key_is_made_with_limits_and_what_is_none_is_refused_by_its_option(burnish: Commands) -> None:
    limits = ("--requests-per-minute", "60", "--tokens-per-minute", "50000")
    made = await burnish.json("keys", "create", "app", "--scope", "inference", *limits)
    listed = await burnish.json("keys", "list")
    names = ("name", "inference_requests_per_minute", "inference_tokens_per_minute")
    assert [made[name] for name in names] == ["app", 60, 50_000]
    assert [[found[name] for name in names] for found in listed] == [["app", 60, 50_000], ["default", None, None]]
    shown = (await burnish("keys", "list")).stdout
    assert "60" in shown and "50000" in shown
    refused = (await burnish("keys", "create", "app", "--tokens-per-minute", "1000000001", code=2)).stderr
    assert "--tokens-per-minute" in refused
    await burnish("keys", "create", "app", "--requests-per-minute", "-1", code=2)
    assert [found["name"] for found in await burnish.json("keys", "list")] == ["app", "default"]


async def test_deployment_is_made_found_by_name_and_stopped(burnish: Commands) -> None:
    made = await burnish.json("deploy", "create", "org/Some-Model", "-g", "H100")
    assert (made["status"], made["name"], made["source"]) == ("queued", "Some-Model", "huggingface")
    taken = await burnish("deploy", "create", "org/Some-Model", "-g", "H100", code=1)
    assert taken.stderr.splitlines()[-1].startswith("Error: --name: An active deployment is called Some-Model")
    unknown = await burnish("deploy", "create", "org/model", "-g", "H9000", "-y", code=1)
    assert unknown.stderr.startswith("Error: --gpu: Unknown GPU type 'H9000'.")
    assert (await burnish.json("deploy", "show", "Some-Model"))["id"] == made["id"]
    assert [found["id"] for found in await burnish.json("deploy", "list")] == [made["id"]]
    await burnish("deploy", "create", "org/Some-Model", "-g", "H100", "-n", "other", "-w", "--timeout", "0.1", code=7)
    assert (await burnish.json("deploy", "stop", "Some-Model"))["status"] == "stopped"
    assert (await burnish.json("deploy", "stop", made["id"]))["status"] == "stopped"
    assert await burnish.json("deploy", "delete", made["id"]) == {"id": made["id"], "object": "deployment", "deleted": True}
    await burnish("deploy", "show", made["id"], code=4)


async def test_chat_needs_a_deployment_that_serves(burnish: Commands) -> None:
    assert "No deployment serves" in (await burnish("chat", "hi", code=2)).stderr
    await burnish("chat", "-d", "nobody", "hi", code=4)
    assert "nothing to say" in (await burnish("chat", "-d", "x", "-", code=2, text=" \n")).stderr


async def test_account_is_made_with_credit_and_its_key_works(burnish: Commands) -> None:
    made = await burnish.json("accounts", "create", "acme", "--credit", "12.50")
    assert (made["name"], made["credit_usd"]) == ("acme", 12.5)
    assert list(made) == ["id", "name", "api_key", "credit_usd", "billing", "stripe_customer_id"]
    assert await burnish.json("datasets", "list", "--api-key", made["api_key"]) == []
    assert (await burnish.json("accounts", "credit", "acme", "2"))["credit_usd"] == 14.5
    assert "name: There is an account called acme" in (await burnish("accounts", "create", "acme", code=1)).stderr
    await burnish("accounts", "credit", "nobody", "2", code=4)
    assert "--credit: 'much'" in (await burnish("accounts", "create", "other", "--credit", "much", code=2)).stderr


async def test_models_are_registered_by_the_operator(burnish: Commands) -> None:
    folder = burnish.folder / "model"
    folder.mkdir()
    assert "path: " in (await burnish("models", "add", "mine", str(folder), code=1)).stderr
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    made = await burnish.json("models", "add", "mine", str(folder))
    assert await burnish.json("models", "add", "mine", str(folder)) == made
    assert await burnish.json("models", "list") == [made]


async def test_operator_commands_make_no_installation(burnish: Commands, tmp_path: Path) -> None:
    burnish.environment["BURNISH_HOME"] = str(tmp_path / "nowhere")
    assert "There is no installation in" in (await burnish("models", "list", code=1)).stderr
    assert not (tmp_path / "nowhere").exists()


async def test_login_keeps_a_key_that_works_and_no_other(burnish: Commands, server: Server) -> None:
    key = burnish.environment.pop("BURNISH_API_KEY")
    await burnish("login", text="vk_wrong\n", code=5)
    assert not connection.user_file().exists()
    assert f"Logged in to {server.url}" in (await burnish("login", text=f"{key}\n")).stderr
    assert await burnish.json("datasets", "list") == []


async def test_doctor_reports_what_is_there(burnish: Commands, settings: Settings) -> None:
    found = {check["check"]: check["status"] for check in await burnish.json("doctor")}
    assert (found["python"], found["database"], found["api"], found["broker"]) == ("ok", "ok", "ok", "warn")


async def test_up_refuses_a_taken_port(burnish: Commands, settings: Settings) -> None:
    process = burnish.start("up", "--port", str(settings.port))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out == ""
    assert f"cannot listen on 127.0.0.1:{settings.port}" in err


async def test_wrong_flags_are_usage_errors(burnish: Commands) -> None:
    assert "--port" in (await burnish("up", "--port", "99999", code=2)).stderr
    assert "--limit" in (await burnish("jobs", "list", "--limit", "0", code=2)).stderr
    assert "No such option" in (await burnish("jobs", "list", "--nope", code=2)).stderr


async def test_platform_that_does_not_run(burnish: Commands) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = await burnish("datasets", "list", "--base-url", url, code=1)
    assert result.stderr == f"Error: Nothing answers at {url}: `burnish up` is not running there.\n"


async def test_settings_of_the_working_folder(burnish: Commands, as_tenant: Callable[..., Awaitable[Commands]]) -> None:
    other = await as_tenant("other", "1")
    settings = {"base_url": other.environment["BURNISH_BASE_URL"], "api_key": other.environment["BURNISH_API_KEY"]}
    (burnish.folder / "burnish.toml").write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    await burnish("keys", "create", "of-tenant")
    burnish.environment = without(burnish.environment, "BURNISH_API_KEY", "BURNISH_BASE_URL")
    assert [found["name"] for found in await burnish.json("keys", "list")] == ["default"]


async def test_log_of_a_deployment_is_followed_to_its_end(burnish: Commands, server: Server) -> None:
    made = await burnish.json("deploy", "create", "org/model", "-g", "CPU")
    async with server.platform.db.transaction() as session:
        await stream.append(session, made["id"], "logs", [events.log_line(f"line {number}") for number in range(3)])
    first = await burnish.lines("deploy", "logs", made["id"])
    assert [found["message"] for found in first] == ["Status: queued", "line 0", "line 1", "line 2"]
    following = asyncio.create_task(burnish.lines("deploy", "logs", "-f", made["id"], "--after", first[1]["cursor"]))
    async with server.client() as client:
        await client.post(f"/v1/deployments/{made['id']}/stop")
    assert [found["message"] for found in await following] == ["line 1", "line 2", "Status: stopped, by the user"]
    await burnish("deploy", "logs", "dep_x", code=4)


async def test_what_a_deployment_was_asked_is_listed(burnish: Commands, server: Server) -> None:
    made = await burnish.json("deploy", "create", "org/model", "-g", "CPU", "-n", "sums")
    assert await burnish.json("deploy", "requests", "sums") == []
    async with server.platform.db.read() as session:
        row = await session.get_one(Deployment, made["id"])
    logged = await things.logged_requests(server, row, 3)
    assert [found["id"] for found in await burnish.json("deploy", "requests", "sums")] == [row.id for row in logged]
    (newest,) = await burnish.json("deploy", "requests", made["id"], "--limit", "1")
    assert (newest["id"], newest["completion_tokens"], newest["status_code"]) == (logged[0].id, 20, 200)
    await burnish("deploy", "requests", "dep_x", code=4)

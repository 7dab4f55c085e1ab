"""`inspect-ai`, unmodified, evaluates a deployment by its name over `/v1/chat/completions`."""

import asyncio
import json
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from models.deployment import InferenceRequest
from tests.conftest import Server
from tests.contract.published import ROOT
from tests.rest_compat import things
from tests.rest_compat.replica import USAGE, Replica

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
VERSION = "0.3.285"
TASK = Path(__file__).with_name("inspect_task.py")
# The engine says "four it is" to whatever it takes.
QUESTIONS = [("2+2?", "four it is"), ("3+1?", "four"), ("1+1?", "two")]


async def evaluated(server: Server, folder: Path, model: str) -> tuple[int, dict[str, Any]]:
    """Run `inspect eval`; return its exit code and the log that it has written."""
    questions = folder / "questions.json"
    questions.write_text(
        json.dumps([{"id": number, "input": text, "target": right} for number, (text, right) in enumerate(QUESTIONS)])
    )
    program = ROOT / ".venv" / "clients" / f"inspect-ai-{VERSION}" / "bin" / "inspect"
    assert program.exists(), f"{program} is missing: run `make clients`"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INSPECT_", "OPENAI_", "PYTHON"))}
    settings = {
        "BURNISH_API_KEY": server.tenant.key,
        "BURNISH_BASE_URL": f"{server.url}/v1",
        "HOME": str(folder),
        "NO_PROXY": "*",
    }
    options = ["--display", "none", "--log-format", "json", "--log-dir", str(folder / "logs"), "--max-retries", "0"]
    # It looks for tasks below the folder that it runs in, and nowhere else.
    shutil.copy(TASK, folder)
    command = [program, "eval", TASK.name, "-T", f"questions={questions}", "--model", f"openai-api/burnish/{model}", *options]
    ask = partial(subprocess.run, command, env={**kept, **settings}, cwd=folder, capture_output=True, text=True, timeout=150)
    done = await asyncio.to_thread(ask)
    (log,) = (folder / "logs").glob("*.json")
    found: dict[str, Any] = json.loads(log.read_text())
    return done.returncode, found


async def test_a_deployment_is_evaluated(server: Server, engine: Replica, tmp_path: Path) -> None:
    row = await things.serving_deployment(server, engine.url)
    code, log = await evaluated(server, tmp_path, row.name)
    assert (code, log["status"], log["eval"]["model"]) == (0, "success", "openai-api/burnish/sums")
    scores = {score["name"]: score["metrics"]["accuracy"]["value"] for score in log["results"]["scores"]}
    assert scores == {"match": pytest.approx(1 / 3), "includes": pytest.approx(2 / 3)}
    samples = sorted((sample["epoch"], sample["id"]) for sample in log["samples"])
    assert samples == [(epoch, number) for epoch in (1, 2) for number in range(3)]
    assert {sample["output"]["choices"][0]["message"]["content"] for sample in log["samples"]} == {"four it is"}
    (usage,) = log["stats"]["model_usage"].values()
    assert [usage["input_tokens"], usage["output_tokens"]] == [6 * USAGE["prompt_tokens"], 6 * USAGE["completion_tokens"]]
    # What its user asked for came to the engine, each question twice.
    asked = sorted(body["messages"][-1]["content"] for body in engine.seen)
    assert asked == sorted([text for text, _ in QUESTIONS] * 2)
    assert all({"temperature": 0.5, "max_tokens": 8, "seed": 7}.items() <= body.items() for body in engine.seen)
    assert {body["messages"][0]["content"] for body in engine.seen} == {"Answer in words."}
    await server.platform.gateway.flush()
    async with server.platform.db.read() as session:
        logged = (await session.exec(select(InferenceRequest).where(InferenceRequest.deployment_id == row.id))).all()
    assert [one.status_code for one in logged] == [200] * 6

"""`burnish files` and `burnish batch`: from a file to its answers, what fails on the way, and leaving in between."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from burnish.cli import patience
from burnish.cli.client import Api
from burnish.cli.exits import ERROR, FAILED, INTERRUPTED, NOT_FOUND, TIMED_OUT, USAGE, Unreachable
from models import batch
from tests.cli.conftest import Commands
from tests.conftest import Server
from tests.rest_compat import bulk

pytestmark = pytest.mark.anyio


@pytest.fixture
def lines(plain: Path) -> Path:
    path = plain / "sums.jsonl"
    path.write_bytes(bulk.lines(3))
    return path


async def begun(burnish: Commands, *options: str) -> Any:
    return await burnish.json("batch", "create", "sums.jsonl", *options)


async def test_a_file_goes_up_and_comes_back(burnish: Commands, lines: Path) -> None:
    made = await burnish.json("files", "upload", "sums.jsonl", "--expires", "2h")
    assert (made["filename"], made["purpose"], made["bytes"]) == ("sums.jsonl", "batch", len(bulk.lines(3)))
    assert made["expires_at"] == made["created_at"] + 7200
    await burnish("files", "upload", "sums.jsonl", "--purpose", "user_data")
    assert [row["id"] for row in await burnish.json("files", "list", "--purpose", "batch")] == [made["id"]]
    assert len(await burnish.json("files", "list")) == 2
    shown = (await burnish("files", "show", made["id"])).stdout
    assert "filename    sums.jsonl" in shown and "created_at  20" in shown
    refused = await burnish("files", "download", made["id"], code=USAGE)
    assert "sums.jsonl is there already" in refused.stderr
    saved = await burnish.json("files", "download", made["id"], "-o", "back.jsonl")
    assert saved == {"path": "back.jsonl", "size_bytes": len(bulk.lines(3))}
    assert (burnish.folder / "back.jsonl").read_bytes() == bulk.lines(3)
    assert (await burnish.json("files", "delete", made["id"]))["deleted"] is True
    await burnish("files", "show", made["id"], code=NOT_FOUND)


async def test_what_is_wrong_with_an_upload_names_the_flag(burnish: Commands, lines: Path) -> None:
    for arguments, told in (
        (("files", "upload", "sums.jsonl", "--purpose", "poems"), "--purpose: "),
        (("files", "upload", "sums.jsonl", "--expires", "5m"), "--expires: "),
        (("files", "upload", "gone.jsonl"), "gone.jsonl: No such file"),
        (("batch", "create", "sums.jsonl", "--window", "2d"), "--window: "),
        (("batch", "create", "sums.jsonl", "--endpoint", "/v1/embeddings"), "--endpoint: "),
        (("batch", "create", "file-nobodys"), "FILE: "),
    ):
        result = await burnish.ended(*arguments)
        assert result.exit_code != 0 and told in result.stderr, result.stderr
    for wrong in (("--metadata", "label"), ("--metadata", "=text"), ("--timeout", "1")):
        assert (await burnish.ended("batch", "create", "sums.jsonl", *wrong)).exit_code == USAGE
    assert await burnish.json("batch", "list") == []


async def test_a_batch_from_its_file_to_its_answers(burnish: Commands, server: Server, lines: Path) -> None:
    made = await begun(burnish, "--window", "2h", "--metadata", "run=a=b", "--metadata", "by=me")
    assert (made["status"], made["completion_window"], made["metadata"]) == ("validating", "2h", {"run": "a=b", "by": "me"})
    assert (await burnish.json("files", "show", made["input_file_id"]))["filename"] == "sums.jsonl"
    ctx = await server.context()
    await bulk.moved(ctx, made["id"], batch.IN_PROGRESS, total=3)
    answered = await bulk.settled(ctx, made["id"], [bulk.good(1)])
    refused = await burnish("batch", "download", made["id"], code=ERROR)
    assert "--partial downloads what there is so far." in refused.stderr
    await burnish("batch", "download", made["id"], "--partial", "-o", "some.jsonl")
    assert (burnish.folder / "some.jsonl").read_bytes() == answered
    timed_out = await burnish("batch", "wait", made["id"], "--timeout", "0", code=TIMED_OUT)
    assert f"{made['id']} in_progress 1/3" in timed_out.stderr
    await bulk.finished(ctx, made["id"], [bulk.good(2), bulk.bad(3)])
    ended = await burnish("batch", "wait", made["id"])
    assert "1 of 3 lines failed" in ended.stderr and f"burnish batch retry {made['id']}" in ended.stderr
    shown = (await burnish("batch", "show", made["id"])).stdout
    assert "completed          2" in shown and "failed             1" in shown
    await burnish("batch", "download", made["id"])
    await burnish("batch", "download", made["id"], "--errors")
    output = (burnish.folder / f"{made['id']}_output.jsonl").read_text().splitlines()
    errors = (burnish.folder / f"{made['id']}_errors.jsonl").read_text().splitlines()
    assert [json.loads(line)["custom_id"] for line in output] == ["q-1", "q-2"]
    assert [json.loads(line)["custom_id"] for line in errors] == ["q-3"]
    again = await burnish.json("batch", "retry", made["id"])
    assert [row["id"] for row in await burnish.json("batch", "list")] == [again["id"], made["id"]]
    cancelled = await burnish.json("batch", "cancel", again["id"])
    assert cancelled["status"] == "cancelling"


async def test_problems_of_a_file_are_told_by_line(burnish: Commands, server: Server, lines: Path) -> None:
    made = await begun(burnish)
    wrong = [
        {"line": 2, "code": "duplicate_custom_id", "message": "'a' is the custom_id of line 1 too", "param": "custom_id"},
        {"line": 3, "code": "invalid_json_line", "message": "not JSON", "param": None},
    ]
    await bulk.moved(await server.context(), made["id"], batch.FAILED, errors=wrong, problem_count=2)
    result = await burnish("batch", "wait", made["id"], code=FAILED)
    assert f"{made['id']} is failed: line 2: 'a' is the custom_id of line 1 too\n  line 3: not JSON\n" in result.stderr
    assert "line 3: not JSON" in (await burnish("batch", "show", made["id"])).stdout
    none = await burnish("batch", "download", made["id"], code=NOT_FOUND)
    assert f"No line of {made['id']} was answered." in none.stderr


@pytest.mark.parametrize("status", [batch.EXPIRED, batch.CANCELLED])
async def test_a_batch_that_ended_early_ends_the_wait_with_3(status: str, burnish: Commands, server: Server, lines: Path) -> None:
    made = await begun(burnish)
    ctx = await server.context()
    between = [batch.IN_PROGRESS, batch.FINALIZING] if status == batch.EXPIRED else [batch.CANCELLING]
    await bulk.moved(ctx, made["id"], *between, status)
    result = await burnish("batch", "wait", made["id"], "--json", code=FAILED)
    assert json.loads(result.stdout)["status"] == status
    assert json.loads(result.stderr.splitlines()[-1])["error"]["message"] == f"{made['id']} is {status}."


async def test_ctrl_c_detaches_and_says_how_to_come_back(burnish: Commands, server: Server, lines: Path) -> None:
    process = burnish.start("batch", "create", "sums.jsonl", "--wait", "-y")
    assert process.stderr is not None
    told = ""
    while "validating" not in told:
        line = await asyncio.to_thread(process.stderr.readline)
        assert line, told
        told += line
    process.send_signal(signal.SIGINT)
    _, rest = await asyncio.to_thread(process.communicate)
    assert process.returncode == INTERRUPTED
    (row,) = await burnish.json("batch", "list")
    back, stop = f"`burnish batch wait {row['id']}`", f"`burnish batch cancel {row['id']}`"
    assert f"Detached: {row['id']} goes on. Come back with {back}; end it with {stop}." in rest
    assert row["status"] == "validating"


async def test_waiting_outlasts_an_outage(
    burnish: Commands, server: Server, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await begun(burnish)
    await bulk.moved(await server.context(), made["id"], batch.FAILED)
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.01)
    asked: list[str] = []
    real = Api.graphql

    def broken(self: Api, query: str, **variables: Any) -> Any:
        asked.append(query)
        if len(asked) < 3:
            raise Unreachable("Nothing answers.")
        return real(self, query, **variables)

    monkeypatch.setattr(Api, "graphql", broken)
    result = await burnish("batch", "wait", made["id"], code=FAILED)
    assert len(asked) == 3
    assert "Nothing answers. Trying again." in result.stderr and "Connected again" in result.stderr

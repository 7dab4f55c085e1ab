"""`burnish jobs rollouts`: groups of a step, with conversations and clips."""

from pathlib import Path
from typing import Any

import pytest

from burnish.kit import stream
from tests.cli.conftest import Commands
from tests.cli.test_jobs import created
from tests.conftest import Server

pytestmark = pytest.mark.anyio


async def test_rollouts_are_groups_of_one_step_with_cursors(burnish: Commands, job_file: Path, server: Server) -> None:
    job_id = await created(burnish, job_file)
    completion = {
        "text": "2", "reward": 1.1, "components": {"correct": 1.0, "format": 0.1}, "advantage": 0.5, "tokens": 2,
        "truncated": False, "score_error": None,
    }  # fmt: skip
    groups = [{"dataset_row": row, "prompt": f"1+{row}", "completions": [completion]} for row in (1, 2, 3)]
    async with server.platform.db.transaction() as session:
        await stream.append(session, job_id, "rollouts", [{"step": 1, "groups": groups}], attempt=1)
    found = await burnish.lines("jobs", "rollouts", job_id, "--step", "1", "--limit", "2")
    assert [(group["prompt"], group["rewardMean"]) for group in found] == [("1+1", 1.1), ("1+2", 1.1)]
    assert len({group["cursor"] for group in found}) == 2
    shown = (await burnish("jobs", "rollouts", job_id, "--step", "1", "--limit", "1")).stdout
    assert shown == "step 1  1+1  (mean reward 1.1)\n       1.1  +0.50  '2'  correct=1 format=0.1\n"
    assert "No rollouts of step 2." in (await burnish("jobs", "rollouts", job_id, "--step", "2")).stderr


async def test_rollouts_are_those_of_the_newest_step_that_has_any(burnish: Commands, job_file: Path, server: Server) -> None:
    job_id = await created(burnish, job_file)
    assert "No rollouts yet." in (await burnish("jobs", "rollouts", job_id)).stderr
    await burnish("jobs", "rollouts", "job_none", code=4)
    made: dict[str, Any] = {"text": "", "components": {}, "advantage": None, "truncated": False, "score_error": None}
    called = {"function": {"name": "move", "arguments": '{"to": "east"}'}}
    talk = [
        {"role": "assistant", "content": "", "tool_calls": [called]},
        {"role": "tool", "name": "move", "content": "a wall", "reward": 0.5, "finished": True},
    ]
    clip = {**made, "reward": None, "tokens": 9, "media": f"acct/{job_id}/1/media/media_1.mp4"}
    acted = {**made, "text": "east", "reward": 0.5, "tokens": 3, "messages": talk}
    groups = [{"dataset_row": row, "prompt": "p", "completions": [each]} for row, each in enumerate((clip, acted))]
    async with server.platform.db.transaction() as session:
        rollouts = [{"step": 0, "groups": groups[:1]}, {"step": 2, "groups": groups}]
        await stream.append(session, job_id, "rollouts", rollouts, attempt=1)
        await stream.append(session, job_id, "metrics", [{"step": 3, "values": {"loss": 1.0}}], attempt=1)
    found = await burnish.lines("jobs", "rollouts", job_id)
    assert [group["step"] for group in found] == [2, 2]
    first, second = (group["completions"][0] for group in found)
    assert (first["messages"], second["messages"], second["mediaUrl"]) == (None, talk, None)
    assert first["mediaUrl"].split("?")[0].endswith("/media_1.mp4")
    shown = (await burnish("jobs", "rollouts", job_id)).stdout.splitlines()
    assert shown[0] == "step 2  p"
    assert shown[1].startswith("  clip of 9 frames: http")
    assert shown[2:] == [
        "step 2  p  (mean reward 0.5)",
        "       0.5         'east'",
        '    assistant:  move({"to": "east"})',
        "    tool move:  'a wall'  reward=0.5",
    ]

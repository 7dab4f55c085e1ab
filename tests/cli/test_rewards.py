"""`burnish rewards`: checked here, uploaded, tested, shown and deleted."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Commands

pytestmark = pytest.mark.anyio

PARTS = """def reward(completions, cases):
    return [{"right": case["x"], "short": 1 / len(text)} for text, case in zip(completions, cases)]
"""
SAMPLES = '{"prompt": "p", "completion": "ab", "cases": {"x": 3}}\n\n{"prompt": "p", "completion": "abcd", "cases": {"x": 0}}\n'


@pytest.fixture
def files(plain: Path) -> Path:
    (plain / "parts.py").write_text(PARTS)
    (plain / "samples.jsonl").write_text(SAMPLES)
    return plain


async def test_a_file_is_checked_on_samples_without_a_platform(burnish: Commands, files: Path) -> None:
    options = ("--samples", "samples.jsonl", "--weight", "right=2")
    burnish.environment = {"BURNISH_HOME": str(files / "nothing")}
    found = await burnish.json("rewards", "check", "parts.py", *options)
    assert (found["samples"], found["rewards"], found["warnings"]) == ("given", [6.5, 0.25], [])
    shown = (await burnish("rewards", "check", "parts.py", *options)).stdout
    assert [line.split() for line in shown.splitlines()] == [
        ["SAMPLE", "REWARD", "RIGHT", "SHORT"], ["0", "6.5", "3", "0.5"], ["1", "0.25", "0", "0.25"],
    ]  # fmt: skip
    assert not (files / "nothing").exists()


async def test_a_check_warns_of_what_made_up_rows_cannot_tell(burnish: Commands, files: Path) -> None:
    result = await burnish("rewards", "check", "parts.py")
    assert "Warning: parts.py, line 2: It could not be tried without rows of its dataset" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("def reward(completions, **k):\n    return [1.0]\n", (), "Error: bad.py, line 1: reward() returned 1 rewards for 5"),
        ("def reward(completions, **k):\n    return [1 / 0]\n", (), "Error: bad.py, line 2: ZeroDivisionError: division by zero"),
        (
            "import torch\ndef reward(**k): ...\n",
            (),
            "Error: bad.py, line 1: ModuleNotFoundError: reward functions may not",
        ),
        ("def reward(:\n", (), "Error: bad.py, line 1: SyntaxError"),
        ("def reward(**k): ...\n", ("--format", "lua"), "Error: bad.py: Unknown reward function format 'lua'"),
        ("def reward(**k): ...\n", ("--weight", "x"), "Error: --weight: x is not NAME=FACTOR."),
        ("def reward(**k): ...\n", ("--weight", "a b=1"), "Error: --weight: 'a b' is no component name"),
        ("def reward(**k): ...\n", ("--samples", "bad.py"), "Error: bad.py, line 1: not JSON"),
        ("def reward(**k): ...\n", ("--samples", "empty"), "Error: empty: there are no samples in it."),
        ("def reward(**k): ...\n", ("--samples", "odd"), "Error: odd, line 1: completion: this field is required"),
    ],
)
async def test_what_would_be_refused_is_a_usage_error(
    burnish: Commands, plain: Path, source: str, options: tuple[str, ...], message: str
) -> None:
    (plain / "bad.py").write_text(source)
    (plain / "empty").write_text("\n")
    (plain / "odd").write_text('{"prompt": "p"}\n')
    result = await burnish("rewards", "check", "bad.py", *options, code=2)
    assert result.stderr.startswith(message)


async def test_an_upload_takes_samples_weights_and_formats(burnish: Commands, files: Path) -> None:
    made = await burnish.json("rewards", "upload", "parts.py", "--samples", "samples.jsonl", "--weight", "right=2")
    assert (made["name"], made["file_name"], made["weights"]) == ("parts", "parts.py", {"right": 2.0})
    assert made["trial"]["rewards"] == [6.5, 0.25]
    assert await burnish.json("rewards", "show", made["id"]) == made
    (files / "verl.py").write_text("import random\ndef compute_score(**k):\n    return random.random()\n")
    refused = await burnish("rewards", "upload", "verl.py", "--format", "verl", code=1)
    assert "verl.py: line 2: The reward function gave different answers" in refused.stderr
    taken = await burnish("rewards", "upload", "verl.py", "--format", "verl", "--allow-nondeterministic")
    assert "Warning: verl.py, line 2: It gave different answers" in taken.stderr


async def test_a_stored_function_scores_samples(burnish: Commands, files: Path) -> None:
    made = await burnish.json("rewards", "upload", "parts.py")
    tested = await burnish.json("rewards", "test", made["id"], "--samples", "samples.jsonl")
    assert tested["rewards"] == [3.5, 0.25]
    (files / "samples.jsonl").write_text(json.dumps({"prompt": "p", "completion": "", "cases": {"x": 1}}))
    result = await burnish("rewards", "test", made["id"], "--samples", "samples.jsonl", code=1)
    assert "parts.py, line 2: Traceback (most recent call last):" in result.stderr
    assert "ZeroDivisionError: division by zero" in result.stderr


async def test_a_function_is_deleted(burnish: Commands, job_file: Path) -> None:
    made = await burnish.json("rewards", "upload", "reward.py")
    assert await burnish.json("rewards", "delete", made["id"]) == {"id": made["id"], "object": "reward_function", "deleted": True}
    await burnish("rewards", "show", made["id"], code=4)
    await burnish("rewards", "delete", made["id"], code=4)

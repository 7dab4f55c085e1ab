"""`burnish datasets`: checked without a platform, connected, shown and deleted with one."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from burnish.cli.main import app
from burnish.kit.settings import Settings
from tests.cli.conftest import Commands
from tests.engines.data import videos
from tests.engines.data.files import Files, serving
from tests.engines.data.test_intake import zipped
from tests.engines.data.test_urls import FILES, ROWS

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.open_networks = "127.0.0.0/8"
    return settings


@pytest.fixture
def served() -> Iterator[Files]:
    with serving(dict(FILES)) as made:
        yield made


def run(*arguments: str, code: int = 0) -> tuple[str, str]:
    """Run a command that needs no platform, where there is none."""
    result = CliRunner().invoke(app, list(arguments), env={"BURNISH_BASE_URL": "http://127.0.0.1:1"}, catch_exceptions=False)
    assert result.exit_code == code, result.stderr
    return result.stdout, result.stderr


def test_a_good_file_is_checked_without_a_platform(plain: Path) -> None:
    rows = b'{"prompt": "a", "answer": 1}\n{"prompt": "a", "answer": "2"}\n'
    for name, content in (("a.jsonl", rows), ("a.jsonl.gz", gzip.compress(rows))):
        (plain / name).write_bytes(content)
        found = json.loads(run("datasets", "check", name, "--json")[0])
        assert (found["num_rows"], found["size_bytes"], found["duplicate_prompts"]) == (2, len(rows), 1)
    said, told = run("datasets", "check", "a.jsonl")
    assert told == "a.jsonl is a dataset.\n"
    assert [line.split() for line in said.splitlines()[:4]] == [
        ["num_rows", "2"],
        ["size_bytes", str(len(rows))],
        ["duplicate_prompts", "1"],
        ["video_rows", "0"],
    ]
    assert "answer  integer 1, string 1  0" in said
    (plain / "clips.zip").write_bytes(zipped({"metadata.jsonl": videos.ROWS, **videos.clips()}))
    found = json.loads(run("datasets", "check", "clips.zip", "--json", "--method", "sft_video_gen")[0])
    assert (found["video_rows"], found["clips"]["min_frames"], found["clips"]["max_frames"]) == (2, 9, 17)
    assert "64     48      8    1" in run("datasets", "check", "clips.zip")[0]


def test_a_file_is_checked_for_a_method(plain: Path) -> None:
    (plain / "a.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "a"}\n')
    assert run("datasets", "check", "a.jsonl", "--method", "grpo")[1] == "a.jsonl is a dataset for grpo.\n"
    assert run("datasets", "check", "a.jsonl", "--method", "sft", code=1)[1] == (
        "Error: a.jsonl: 1 of 2 rows do not serve sft\n  line 2: no 'messages', no 'completion' and no 'text' to learn from\n"
    )
    told = run("datasets", "check", "a.jsonl", "--method", "ppo", code=2)[1]
    assert told == "Error: --method: there are grpo, sft, dpo, sft_video_gen, not ppo\n"


TASKS = (
    "these rows serve no method by themselves; a grpo job with environments takes them, as its tasks where they have "
    "task_index or task\n"
)


async def test_rows_that_are_tasks_of_environments_are_told_so(burnish: Commands) -> None:
    (burnish.folder / "a.jsonl").write_text('{"task_index": 0}\n')
    assert (await burnish("datasets", "check", "a.jsonl")).stderr == f"a.jsonl is a dataset.\n{TASKS}"
    assert (await burnish("datasets", "upload", "a.jsonl")).stderr.endswith(TASKS)


def test_every_problem_of_a_bad_file_is_told_without_a_platform(plain: Path) -> None:
    (plain / "bad.jsonl").write_text('{"prompt": "1", "id": 1}\nnot json\n{"prompt": "2", "id": 1}\n')
    _, told = run("datasets", "check", "bad.jsonl", code=1)
    assert told == (
        "Error: bad.jsonl: line 2: not JSON: Expecting value at column 1\n  line 3: id 1 was used on line 1 already\n"
    )
    (plain / "half.gz").write_bytes(gzip.compress(b"x" * 1000)[:-9])
    told = run("datasets", "check", "half.gz", code=1)[1]
    assert told == "Error: half.gz: The file cannot be used: its gzip data ends too early.\n"
    assert "No such file" in run("datasets", "check", "none.jsonl", code=1)[1]


async def test_a_source_is_looked_into_and_connected(burnish: Commands, served: Files) -> None:
    url = f"{served.url}/rows.jsonl"
    looked = await burnish("datasets", "connect", url, "--look", "--map", "answer=label")
    assert [json.loads(line) for line in looked.stdout.splitlines()] == [
        {"prompt": row["prompt"], "label": row["answer"]} for row in ROWS[:5]
    ]
    assert looked.stderr == "an unknown number of rows; columns: prompt, label\nthese rows serve grpo\n"
    assert await burnish.json("datasets", "list") == []
    made = await burnish.json("datasets", "connect", url)
    assert (made["name"], made["source_type"], made["source_uri"], made["num_rows"]) == ("rows", "url", url, None)
    hub = await burnish.json("datasets", "connect", "hf:openai/gsm8k", "--config", "main", "--map", "question=prompt")
    assert (hub["name"], hub["huggingface_dataset"]) == ("openai-gsm8k", "openai/gsm8k")


async def test_credentials_come_from_a_file_and_the_source_from_stdin(burnish: Commands, served: Files) -> None:
    served.authorization = "Bearer sesame-open-1"
    (burnish.folder / "secret.json").write_text('{"token": "sesame-open-1"}')
    arguments = ("datasets", "connect", "-", "--credentials", "secret.json", "--json")
    made = json.loads((await burnish(*arguments, text=f"{served.url}/rows.jsonl\n")).stdout)
    assert made["num_rows"] == 300


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ftp://a.b/c"], 2, "SOURCE: ftp:// is not read"),
        (["postgres://h/d"], 2, "--query: a database needs one"),
        (["https://a.b/c", "--query", "SELECT 1"], 2, "--query: only a database has one"),
        (["https://a.b/c", "--split", "train"], 2, "--split: only datasets of the hub have one"),
        (["hf:a/b", "--map", "question"], 2, "--map: COLUMN=NAME is needed, not question"),
        (["hf:a/b", "--credentials", "none.json"], 2, "--credentials: none.json: No such file"),
        (["postgres://h/d", "--query", "DROP TABLE x"], 1, "--query: db_query: only a SELECT is run."),
        (["http://10.0.0.1/a.jsonl"], 1, "SOURCE: 10.0.0.1 is not reached from here"),
        (["http://127.0.0.1:1/a.jsonl", "--look"], 1, "127.0.0.1:1 cannot be reached: ConnectionRefusedError."),
    ],
)
async def test_what_is_wrong_names_the_flag(burnish: Commands, arguments: list[str], code: int, message: str) -> None:
    told = await burnish("datasets", "connect", *arguments, code=code)
    assert told.stderr.startswith(f"Error: {message}")
    assert await burnish.json("datasets", "list") == []


async def test_a_dataset_is_shown_with_what_it_holds_and_deleted(burnish: Commands, job_file: Path) -> None:
    made = await burnish.json("datasets", "upload", "prompts.jsonl")
    found = await burnish.json("datasets", "show", made["id"], "--statistics")
    assert (found["id"], found["statistics"]["num_rows"], found["statistics"]["tokens"]) == (made["id"], 2, None)
    assert "prompt  string  0" in (await burnish("datasets", "show", made["id"], "--statistics")).stdout
    wrong = await burnish("datasets", "show", made["id"], "--max-prompt-length", "3", code=1)
    assert wrong.stderr.startswith("Error: --max-prompt-length: ")
    assert (await burnish("datasets", "delete", made["id"])).stderr == f"{made['id']} is deleted.\n"
    await burnish("datasets", "show", made["id"], code=4)

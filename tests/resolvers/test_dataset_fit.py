"""A dataset is checked against the method of a job before the job is made, with the lines that do not serve."""

import json
from pathlib import Path
from typing import Any

import pytest

from burnish.kit.errors import BurnishError, Invalid
from models.dataset import Dataset
from models.job import Job
from resolvers import datasets, jobs
from resolvers.context import Context
from resolvers.datasets import DatasetInput
from tests.engines.data import videos
from tests.engines.data.test_intake import zipped
from tests.resolvers import conftest
from tests.resolvers.test_jobs import all_of, make

pytestmark = pytest.mark.anyio
PAIR = {"prompt": "a", "chosen": "b", "rejected": "c"}


async def upload(ctx: Context, content: bytes, tmp_path: Path) -> Dataset:
    path = tmp_path / "upload"
    path.write_bytes(content)
    return await datasets.create(ctx, DatasetInput(name="d"), path)


async def of_rows(ctx: Context, rows: list[dict[str, Any]], tmp_path: Path) -> Dataset:
    return await upload(ctx, "".join(json.dumps(row) + "\n" for row in rows).encode(), tmp_path)


async def body(ctx: Context, dataset: Dataset, method: str, **changes: Any) -> dict[str, Any]:
    reward = (await conftest.reward(ctx)).id if method == "grpo" else None
    return {
        "base_model": "Qwen/Qwen3-4B",
        "dataset_id": dataset.id,
        "method": method,
        "reward_function_id": reward,
        "output_name": "out",
        "gpu": {"type": "h100", "count": 1},
        **changes,
    }


async def problem(ctx: Context, wanted: dict[str, Any]) -> BurnishError | None:
    """Return what a plan says of the dataset, after a start was seen to say the same and to make nothing."""
    found = (await jobs.plan(ctx, wanted)).problems
    if not found:
        return None
    with pytest.raises(Invalid) as caught:
        await make(ctx, wanted)
    (planned,) = found
    assert (planned.message, planned.param, planned.details) == (
        caught.value.message,
        caught.value.param,
        caught.value.details,
    )
    assert await all_of(ctx, Job) == []
    return planned


@pytest.mark.parametrize(
    ("method", "rows", "message", "lines"),
    [
        (
            "sft",
            [{"prompt": "a", "completion": "b"}, {"prompt": "a"}, {"prompt": "b", "completion": ""}],
            "2 of the 3 rows do not serve sft. Line 2: no 'messages', no 'completion' and no 'text' to learn from.",
            [(2, "no 'messages', no 'completion' and no 'text' to learn from"), (3, "'completion' is empty")],
        ),
        (
            "dpo",
            [PAIR, PAIR, {"prompt": "a", "chosen": "b"}],
            "1 of the 3 rows does not serve dpo. Line 3: no 'rejected'.",
            [(3, "no 'rejected'")],
        ),
        (
            "dpo",
            [{"prompt": "a"}, {"prompt": "b"}],
            "None of the rows serves dpo. Line 1: no 'chosen'.",
            [(1, "no 'chosen'")],
        ),
        (
            "grpo",
            [{"text": "a"}],
            "None of the rows serves grpo. Line 1: no 'prompt'.",
            [(1, "no 'prompt'")],
        ),
        (
            "grpo",
            [{"prompt": "a"}, {"prompt": [{"role": "user", "content": "b"}]}],
            "1 of the 2 rows does not serve grpo. Line 2: has messages, and line 1 has texts: all rows of a job have one form.",
            [(2, "has messages, and line 1 has texts: all rows of a job have one form")],
        ),
        (
            "sft_video_gen",
            [{"prompt": "a"}],
            "None of the rows serves sft_video_gen. Line 1: no clip: a row has one of video, video_path, file_name.",
            [(1, "no clip: a row has one of video, video_path, file_name")],
        ),
    ],
)
async def test_rows_that_do_not_serve_the_method_are_named(
    ctx: Context, tmp_path: Path, method: str, rows: list[dict[str, Any]], message: str, lines: list[tuple[int, str]]
) -> None:
    found = await problem(ctx, await body(ctx, await of_rows(ctx, rows, tmp_path), method))
    assert found is not None
    assert (found.status, found.code, found.param, found.message) == (400, "invalid_dataset", "dataset_id", message)
    assert [(item["line"], item["message"]) for item in found.details or ()] == lines
    assert found.hint is not None and method in found.hint


@pytest.mark.parametrize(
    ("method", "row"),
    [
        ("grpo", {"prompt": "a", "completion": 7, "chosen": "b"}),
        ("sft", {"messages": [{"role": "assistant", "content": "b"}]}),
        ("sft", {"text": "b"}),
        ("dpo", PAIR),
        ("sft_video_gen", {"caption": "a", "video": "https://a.b/c.mp4"}),
    ],
)
async def test_rows_that_serve_are_no_problem(ctx: Context, tmp_path: Path, method: str, row: dict[str, Any]) -> None:
    assert await problem(ctx, await body(ctx, await of_rows(ctx, [row], tmp_path), method)) is None


async def test_clips_too_short_for_the_job_are_named_with_what_would_help(ctx: Context, tmp_path: Path) -> None:
    rows = videos.ROWS + b'{"prompt": "a fish", "video": "fish.mp4"}\n{"prompt": "the cat", "video": "clips/cat.mp4"}\n'
    content = zipped({"metadata.jsonl": rows, **videos.clips(cat=17, dog=33), "fish.mp4": videos.clip(34, rate=16)})
    dataset = await upload(ctx, content, tmp_path)

    async def of(**hyperparameters: Any) -> BurnishError | None:
        return await problem(ctx, await body(ctx, dataset, "sft_video_gen", hyperparameters=hyperparameters))

    found = await of(num_frames=33)
    assert found is not None
    assert found.message == (
        "3 of the 4 rows do not serve sft_video_gen. Line 1: its clip is too short: it has 17 frames, and num_frames is 33."
    )
    assert found.details == [
        {"line": 1, "message": "its clip is too short: it has 17 frames, and num_frames is 33"},
        # Every second frame makes 8 a second.
        {"line": 3, "message": "its clip is too short: it has 17 frames at 8 a second (34 in all), and num_frames is 33"},
        {"line": 4, "message": "its clip is too short: it has 17 frames, and num_frames is 33"},
    ]
    assert found.hint == "The longest clip has 33 frames at 8 a second: lower num_frames, set buckets, or raise fps."
    assert await of(num_frames=17) is None
    assert await of(num_frames=33, buckets=True) is None
    faster, longest = await of(num_frames=21, fps=16), await of()
    assert faster is not None and [item["line"] for item in faster.details or ()] == [1, 4]
    assert longest is not None and [item["line"] for item in longest.details or ()] == [1, 2, 3, 4]


async def test_a_source_that_was_not_read_is_left_to_its_first_job(ctx: Context, tmp_path: Path) -> None:
    dataset = await of_rows(ctx, [{"prompt": "a"}], tmp_path)
    wanted = await body(ctx, dataset, "dpo")
    assert await problem(ctx, wanted) is not None
    async with ctx.db.transaction() as session:
        row = await session.get_one(Dataset, dataset.id)
        row.statistics = row.num_rows = row.storage_key = None
        row.columns = []
        session.add(row)
    assert await problem(ctx, wanted) is None


async def test_a_dataset_of_before_is_checked_by_its_columns(ctx: Context, tmp_path: Path) -> None:
    dataset = await of_rows(ctx, [{**PAIR, "answer": "x"}, {"prompt": "a"}], tmp_path)
    async with ctx.db.transaction() as session:
        row = await session.get_one(Dataset, dataset.id)
        assert row.statistics is not None
        row.statistics = {name: value for name, value in row.statistics.items() if name not in ("methods", "clips")}
        session.add(row)
    assert await problem(ctx, await body(ctx, dataset, "dpo")) is None
    found = await problem(ctx, await body(ctx, dataset, "sft"))
    assert found is not None
    assert found.message == "None of the rows serves sft: there are the columns prompt, chosen, rejected, answer."


async def test_what_an_environment_asks_is_not_in_the_rows(ctx: Context, tmp_path: Path) -> None:
    dataset = await of_rows(ctx, [{"text": "a"}], tmp_path)
    wanted = await body(ctx, dataset, "grpo", reward_function_id=None, environments={"a/b": {"splits": ["train"]}})
    assert [found.param for found in (await jobs.plan(ctx, wanted)).problems] == ["environments"]

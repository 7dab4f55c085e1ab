"""Which groups of rollouts are given: by steps, row, outcome, text and pattern, either way, and all of them as a file."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from regex import _main

from burnish.kit import stream
from burnish.kit.errors import Invalid, NotFound
from models.job import Job
from resolvers import exports, jobs, rollout_exports, rollouts
from resolvers.context import Context
from resolvers.rollout_exports import Format
from resolvers.rollout_filters import GroupFilter
from resolvers.rollouts import Place, Span
from tests.resolvers.conftest import Tenants
from tests.resolvers.test_metrics import new_job

pytestmark = pytest.mark.anyio


def completion(text: str, reward: float | None, **changes: Any) -> dict[str, Any]:
    made = {"text": text, "reward": reward, "components": {"a": reward}, "advantage": None, "tokens": 1, "truncated": False}
    return {**made, "score_error": None, **changes}


def group(row: int, *completions: dict[str, Any], prompt: Any = "p") -> dict[str, Any]:
    return {"dataset_row": row, "prompt": prompt, "completions": list(completions), "weights": {"a": 1.0}}


async def write(ctx: Context, job_id: str, step: int, *groups: dict[str, Any], attempt: int = 1, **more: Any) -> None:
    async with ctx.db.transaction() as session:
        await stream.append(session, job_id, "rollouts", [{"step": step, "groups": list(groups), **more}], attempt=attempt)


@pytest.fixture
async def job_id(ctx: Context, jsonl: Path) -> str:
    """A job with rollouts of steps 1 to 4, of which a second attempt went over 3 and 4 again and made 5."""
    made = await new_job(ctx, jsonl)
    passed, failed = group(0, completion("a", 1.0), completion("b", 1.0)), group(1, completion("c", 0.0), completion("d", 0.0))
    mixed = group(2, completion("Straße 12", 1.0), completion("e", 0.0, truncated=True))
    broken = group(12, completion("x", None, score_error="KeyError"), prompt=[{"role": "user", "content": "what is 7?"}])
    await write(ctx, made, 1, passed, failed)
    await write(ctx, made, 2, mixed, broken)
    await write(ctx, made, 3, passed)
    await write(ctx, made, 4, passed)
    await write(ctx, made, 3, failed, mixed, attempt=2)
    await write(ctx, made, 4, broken, attempt=2)
    await write(ctx, made, 5, passed, attempt=2, stdout="hello\n")
    return made


async def places(ctx: Context, job_id: str, *, limit: int = 100, **given: Any) -> list[tuple[int, int]]:
    """Return (step, dataset row) of all groups that are given, page by page."""
    found: list[tuple[int, int]] = []
    after: Place | None = None
    while True:
        page = await rollouts.page(ctx, job_id, limit=limit, after=after, **given)
        found += [(item.step, item.data["dataset_row"]) for item in page.items]
        if not page.has_more:
            return found
        after = page.reached


ALL = [(1, 0), (1, 1), (2, 2), (2, 12), (3, 1), (3, 2), (4, 12), (5, 0)]
DOWN = [(5, 0), (4, 12), (3, 1), (3, 2), (2, 2), (2, 12), (1, 0), (1, 1)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_steps_are_given_either_way_and_within_a_range(ctx: Context, job_id: str, limit: int, packed: bool) -> None:
    if packed:
        await stream.pack(ctx.db, job_id, "rollouts")
    assert await places(ctx, job_id, limit=limit) == ALL
    assert await places(ctx, job_id, limit=limit, newest_first=True) == DOWN
    for low, high in ((0, 0), (0, 3), (2, 2), (3, 4), (4, 6), (5, 1), (6, 6)):
        between = {"from_step": low, "to_step": high, "limit": limit}
        assert await places(ctx, job_id, **between) == [place for place in ALL if low <= place[0] <= high]
        assert await places(ctx, job_id, **between, newest_first=True) == [place for place in DOWN if low <= place[0] <= high]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"outcomes": ["all_pass"]}, [(1, 0), (5, 0)]),
        ({"outcomes": ["all_fail", "unscored"]}, [(1, 1), (2, 12), (3, 1), (4, 12)]),
        ({"outcomes": ["mixed"]}, [(2, 2), (3, 2)]),
        ({"outcomes": []}, []),
        ({"truncated": True}, [(2, 2), (3, 2)]),
        ({"truncated": False, "dataset_row": 2}, []),
        ({"score_error": True}, [(2, 12), (4, 12)]),
        ({"score_error": False, "outcomes": ["unscored"]}, []),
        ({"dataset_row": 1}, [(1, 1), (3, 1)]),
        ({"dataset_row": 12}, [(2, 12), (4, 12)]),
        ({"text": "STRASSE"}, [(2, 2), (3, 2)]),
        ({"text": "what IS"}, [(2, 12), (4, 12)]),
        ({"pattern": r"\d\d$"}, [(2, 2), (3, 2)]),
        ({"pattern": r"is (\d)\?"}, [(2, 12), (4, 12)]),
        ({"pattern": "^a$", "outcomes": ["mixed"]}, []),
    ],
)
async def test_groups_are_those_for_which_all_holds(
    ctx: Context, job_id: str, wanted: dict[str, Any], expected: list[tuple[int, int]]
) -> None:
    for limit in (1, 100):
        assert await places(ctx, job_id, wanted=GroupFilter(**wanted), limit=limit) == expected


async def test_a_request_looks_at_so_many_steps_and_says_where_to_go_on(
    ctx: Context, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollouts, "MOST_LOOKED_AT", 2)
    page = await rollouts.page(ctx, job_id, wanted=GroupFilter(text="nowhere"))
    assert (page.items, page.has_more, page.reached) == ([], True, Place(2, rollouts.WHOLE_ROW))
    for newest_first in (False, True):
        for limit in (1, 2, 100):
            wanted = DOWN if newest_first else ALL
            assert await places(ctx, job_id, limit=limit, newest_first=newest_first) == wanted


@pytest.mark.parametrize("pattern", ["(", "a" * 201, "[[:nothing:]-z"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    with pytest.raises(Invalid) as caught:
        GroupFilter(pattern=pattern)
    assert caught.value.param == "pattern"


@pytest.mark.parametrize(
    "pattern",
    [
        "(?:a{3000}b){3000}", "a{1001}", "(?:(?:a{11}b){,11}c){9,}", "a{0,2000}", "(?x)a{9 9 9 9}", "(?-i:a)(?sx:a{9#\n999})",
        "(?|(a)|(b)){60000}", "(?:a{40}b){5}(?:a{40}b){6}",
    ],
)  # fmt: skip
def test_a_pattern_that_repeats_too_much_is_refused_before_it_takes_memory(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regex.compile", None)
    with pytest.raises(Invalid) as caught:
        GroupFilter(pattern=pattern)
    assert caught.value.param == "pattern"


def test_patterns_of_callers_are_not_kept() -> None:
    wanted = r"(?:kept{1,31}[a-z]{4}){2,8}\{\}"
    GroupFilter(pattern=wanted)
    assert not any(wanted in str(key) for key in _main._cache)


def test_a_text_that_is_too_long_to_look_for_is_refused() -> None:
    GroupFilter(text="a" * 1000)
    with pytest.raises(Invalid) as caught:
        GroupFilter(text="a" * 1001)
    assert caught.value.param == "search"


async def test_a_pattern_that_would_never_end_is_cut_off(ctx: Context, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(ctx, job_id, 6, group(3, completion("a" * 5000, 1.0)), attempt=2)
    wanted = GroupFilter(pattern="(a+)+b")
    wanted._left_s = 0.05
    with pytest.raises(Invalid, match="takes too long"):
        await rollouts.page(ctx, job_id, wanted=wanted)


async def test_the_span_of_steps_leaves_out_what_was_gone_over_again(ctx: Context, job_id: str, jsonl: Path) -> None:
    assert await rollouts.span(ctx, job_id) == Span(1, 5, 5)
    assert await rollouts.span(ctx, await new_job(ctx, jsonl)) == Span(None, None, 0)


async def test_the_rollouts_of_another_account_are_not_there(ctx: Context, job_id: str, tenants: Tenants) -> None:
    other = await tenants("another")
    for read in (rollouts.page, rollouts.span):
        with pytest.raises(NotFound):
            await read(other, job_id)


async def opened(ctx: Context, job_id: str, format: Format) -> tuple[str, bytes]:
    url = rollout_exports.url(ctx.core, await jobs.get(ctx, job_id), format)
    found = await exports.open(ctx.platform, url.split("/downloads/")[1].split("/")[0])
    return found.filename, b"".join([part async for part in found.stream])


async def test_all_rollouts_are_a_file_with_a_row_for_each_completion(ctx: Context, job_id: str) -> None:
    name, raw = await opened(ctx, job_id, "jsonl")
    rows = [json.loads(line) for line in raw.splitlines()]
    assert name == "o-rollouts.jsonl"
    assert [(row["step"], row["dataset_row"]) for row in rows if row["completion"] == 0] == ALL
    assert rows[4] == {
        "step": 2,
        "attempt": 1,
        "group": "2-0",
        "completion": 0,
        "dataset_row": 2,
        "prompt": "p",
        "text": "Straße 12",
        "reward": 1.0,
        "components": {"a": 1.0},
        "advantage": None,
        "tokens": 1,
        "truncated": False,
        "score_error": None,
        "messages": None,
        "media": None,
    }
    _, raw = await opened(ctx, job_id, "parquet")
    table = parquet.read_table(io.BytesIO(raw)).to_pylist()
    as_json = [{**row, "prompt": json.loads(row["prompt"]), "components": json.loads(row["components"])} for row in table]
    assert as_json == rows


async def test_the_file_has_the_conversation_and_the_name_of_the_clip(ctx: Context, jsonl: Path) -> None:
    made = await new_job(ctx, jsonl)
    talk = [{"role": "assistant", "content": "east"}, {"role": "tool", "content": "a wall", "reward": 0.5}]
    clip = completion("", None, media="acct/job/1/media/media_1.mp4")
    await write(ctx, made, 1, group(0, completion("east", 0.5, messages=talk), clip))
    rows = [json.loads(line) for line in (await opened(ctx, made, "jsonl"))[1].splitlines()]
    assert [(row["messages"], row["media"]) for row in rows] == [(talk, None), (None, "media_1.mp4")]
    table = parquet.read_table(io.BytesIO((await opened(ctx, made, "parquet"))[1])).to_pylist()
    packed = json.dumps(talk, separators=(",", ":"))
    assert [(row["messages"], row["media"]) for row in table] == [(packed, None), (None, "media_1.mp4")]


async def test_a_job_without_rollouts_is_an_empty_file_and_a_deleted_one_is_gone(ctx: Context, jsonl: Path) -> None:
    empty = await new_job(ctx, jsonl)
    assert (await opened(ctx, empty, "jsonl"))[1] == b""
    assert parquet.read_table(io.BytesIO((await opened(ctx, empty, "parquet"))[1])).num_rows == 0
    url = rollout_exports.url(ctx.core, await jobs.get(ctx, empty), "jsonl")
    async with ctx.db.transaction() as session:
        row = await session.get_one(Job, empty)
        row.deleted_at = row.created_at
        session.add(row)
    with pytest.raises(NotFound):
        await exports.open(ctx.platform, url.split("/downloads/")[1].split("/")[0])

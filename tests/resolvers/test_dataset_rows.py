"""Rows of a dataset from anywhere in it, searched, and rendered as a model reads them."""

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from burnish.kit import clock
from burnish.kit.errors import Invalid, InvalidState, NotFound, Unavailable
from burnish.kit.storage import Storage
from models.base_model import BaseModel
from models.dataset import Dataset
from resolvers import dataset_rows, datasets, keeping, rendering, statistics
from resolvers.context import Context
from resolvers.dataset_rows import RowPage
from resolvers.datasets import DatasetInput
from tests.engines.conftest import tiny_model
from tests.resolvers.conftest import Tenants

__all__ = ["tiny_model"]
pytestmark = pytest.mark.anyio
COUNT = 30_000


async def made(ctx: Context, rows: Sequence[Any], tmp_path: Path, *, head: bytes = b"", end: bytes = b"\n") -> Dataset:
    path = tmp_path / "data.jsonl"
    path.write_bytes(head + b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows) + end)
    return await datasets.create(ctx, DatasetInput(name="d"), path)


def numbers(page: RowPage) -> list[int]:
    return [row.number for row in page.rows]


def large() -> list[dict[str, Any]]:
    return [{"prompt": f"question {number} " + "x" * 80, "answer": number} for number in range(COUNT)]


async def test_any_window_of_a_large_file_is_read_from_beside_it(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = large()
    dataset = await made(ctx, rows, tmp_path)
    assert dataset.size_bytes is not None and dataset.size_bytes > 3 * 2**20
    offsets: list[int] = []
    stream = Storage.stream

    def noted(self: Storage, key: str, *, offset: int = 0) -> AsyncGenerator[bytes, None]:
        if key.endswith("data.jsonl"):
            offsets.append(offset)
        return stream(self, key, offset=offset)

    monkeypatch.setattr(Storage, "stream", noted)
    for start in (29_999, 0, 1, 2_345, 9_999, 10_000, 15_000, 25_432, 29_950):
        page = await dataset_rows.page(ctx, dataset.id, start=start, limit=100)
        wanted = list(range(start, min(start + 100, COUNT)))
        assert (numbers(page), page.more) == (wanted, start + 100 < COUNT)
        assert [row.data for row in page.rows] == [rows[number] for number in wanted]
    # The first one made the index; the last began close to its rows.
    assert offsets[0] == 0 and offsets.count(0) == 3
    before = sum(len(json.dumps(row)) + 1 for row in rows[:29_950])
    assert 0 <= before - offsets[-1] < 2 * dataset_rows.STRIDE
    assert numbers(await dataset_rows.page(ctx, dataset.id, start=COUNT)) == []


@pytest.mark.parametrize("stride", [1, 7, 64, 2**20])
async def test_blank_lines_and_marks_are_no_rows_and_keep_the_others_numbers(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    monkeypatch.setattr(dataset_rows, "STRIDE", stride)
    dataset = await made(ctx, [{"prompt": "a"}, b"", {"prompt": "b"}, {"prompt": "c"}], tmp_path, head=b"\xef\xbb\xbf", end=b"")
    for start, wanted in ((0, [0, 2, 3]), (1, [2, 3]), (2, [2, 3]), (3, [3]), (4, [])):
        page = await dataset_rows.page(ctx, dataset.id, start=start)
        assert (numbers(page), page.more) == (wanted, False)
    page = await dataset_rows.page(ctx, dataset.id, limit=1)
    assert (page.rows[0].data, page.reached, page.more) == ({"prompt": "a"}, 2, True)


async def test_a_page_of_long_rows_ends_early_and_the_longest_are_not_shown(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_rows, "PAGE_BYTES", 1000)
    monkeypatch.setattr(dataset_rows, "LONGEST_BYTES", 700)
    dataset = await made(ctx, [{"prompt": str(number) * size} for number, size in enumerate((600, 800, 10, 10))], tmp_path)
    page = await dataset_rows.page(ctx, dataset.id)
    assert (numbers(page), page.reached, page.more) == ([0, 1], 2, True)
    assert page.rows[1].data is None and page.rows[1].preview == json.dumps({"prompt": "1" * 800})
    assert numbers(await dataset_rows.page(ctx, dataset.id, start=page.reached)) == [2, 3]


async def test_rows_are_searched_in_bounded_steps_whatever_their_escapes(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[Any] = large()
    rows[17] = {"prompt": "Grüße", "answer": 1}
    rows[20] = {"prompt": 'say "hi"', "answer": 3}
    rows[29_000] = b'{"prompt": "GR\xc3\x9cSSE again", "answer": 2}'
    dataset = await made(ctx, rows, tmp_path)
    page = await dataset_rows.page(ctx, dataset.id, search="grüsse")
    assert (numbers(page), page.more) == ([17, 29_000], False)
    assert numbers(await dataset_rows.page(ctx, dataset.id, start=18, search="grüsse")) == [29_000]
    assert numbers(await dataset_rows.page(ctx, dataset.id, search='say "hi"')) == [20]
    assert numbers(await dataset_rows.page(ctx, dataset.id, start=15_000, limit=1, search="question 2")) == [20_000]
    monkeypatch.setattr(dataset_rows, "SEARCHED_BYTES", 2**20)
    found = list[int]()
    start, pages = 0, 0
    while True:
        page = await dataset_rows.page(ctx, dataset.id, start=start, search="grüsse")
        found, start, pages = found + numbers(page), page.reached, pages + 1
        if not page.more:
            break
    assert found == [17, 29_000] and pages == 2


async def test_rows_of_others_and_of_what_was_not_read_are_not_given(ctx: Context, tmp_path: Path, tenants: Tenants) -> None:
    dataset = await made(ctx, [{"prompt": "a"}], tmp_path)
    other = await tenants("other")
    with pytest.raises(NotFound):
        await dataset_rows.page(other, dataset.id)
    with pytest.raises(NotFound):
        await rendering.read(other, dataset.id, "tiny")
    async with ctx.db.transaction() as session:
        row = await session.get_one(Dataset, dataset.id)
        row.storage_key = None
        session.add(row)
    with pytest.raises(InvalidState):
        await dataset_rows.page(ctx, dataset.id)


async def test_a_packed_upload_is_read_as_its_rows(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"prompt": "a"}\n{"prompt": "b"}\n'))
    dataset = await datasets.create(ctx, DatasetInput(name="d"), path)
    assert numbers(await dataset_rows.page(ctx, dataset.id, start=1)) == [1]


async def test_prompts_are_rendered_as_the_model_reads_them(
    ctx: Context, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "WAIT_S", 60.0)
    async with ctx.db.transaction() as session:
        session.add(BaseModel(name="tiny", path=str(tiny_model), created_at=clock.now()))
    messages = [{"role": "user", "content": "hi"}]
    rows = [{"prompt": messages}, {"prompt": [{"role": "tool", "content": "ünicode"}]}]
    dataset = await made(ctx, rows, tmp_path)
    found = await rendering.read(ctx, dataset.id, "tiny")
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_model, local_files_only=True)
    for one, row in zip(found, rows, strict=True):
        text = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert (one.tokens, "".join(piece.text for piece in one.pieces), one.problem) == (len(ids), text, None)
        assert sum(piece.tokens for piece in one.pieces) == len(ids)
        special = [tokenizer.convert_ids_to_tokens(token) for token in ids if token in tokenizer.all_special_ids]
        assert [piece.text for piece in one.pieces if piece.special] == special
    # Kept beside the dataset: no child is needed again.
    monkeypatch.setattr("engines.task.run", None)
    assert await rendering.read(ctx, dataset.id, "tiny", start=1, limit=1) == found[1:]
    assert await rendering.read(ctx, dataset.id, "tiny", start=100, limit=100) == []
    with pytest.raises(Invalid):
        await rendering.read(ctx, dataset.id, "tiny", start=-1)


async def test_rows_that_fill_several_pages_are_all_rendered(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(task: str, spec: dict[str, Any], *, folder: Path, deadline_s: float) -> dict[str, Any]:
        numbers = [json.loads(line)[0] for line in Path(spec["rows_path"]).read_text().splitlines()]
        nothing = {"tokens": 1, "pieces": [], "rejected": [], "truncated": False, "problem": None}
        return {"rendered": [{"number": number, **nothing} for number in numbers], "revision": None}

    monkeypatch.setattr("engines.task.run", run)
    monkeypatch.setattr(dataset_rows, "PAGE_BYTES", 1000)
    dataset = await made(ctx, [{"prompt": f"{number} {'x' * 90}"} for number in range(130)], tmp_path)
    assert len((await dataset_rows.page(ctx, dataset.id, limit=100)).rows) < 20
    found = await rendering.read(ctx, dataset.id, "org/model", start=50, limit=100)
    assert [one.number for one in found] == list(range(50, 130))


async def test_a_request_does_not_look_through_a_file_of_empty_lines(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_rows, "SEARCHED_BYTES", 2**20)
    empty = 5 * 2**20
    dataset = await made(ctx, [b'{"prompt": "a"}', b"\n" * empty, b'{"prompt": "b"}'], tmp_path)
    page = await dataset_rows.page(ctx, dataset.id)
    assert (numbers(page), page.more) == ([0], True)
    assert 2**20 - 100 < page.reached < 4 * 2**20
    seen = numbers(page)
    while page.more:
        page = await dataset_rows.page(ctx, dataset.id, start=page.reached)
        seen += numbers(page)
    assert seen == [0, empty + 2]


async def test_what_is_slow_to_work_out_does_not_keep_other_work_waiting(ctx: Context) -> None:
    blocked = asyncio.Event()

    async def slow() -> bytes:
        await blocked.wait()
        return b"slow"

    async def quick() -> bytes:
        return b"quick"

    counting = [asyncio.create_task(keeping.kept(ctx, f"counted/{index}", slow, "counting")) for index in range(keeping.AT_ONCE)]
    while len(ctx.platform.counting) < keeping.AT_ONCE:
        await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="come first"):
        await keeping.kept(ctx, "counted/more", slow, "counting")
    assert await keeping.kept(ctx, "rows", quick, "the index") == b"quick"
    blocked.set()
    assert await asyncio.gather(*counting) == [b"slow"] * keeping.AT_ONCE


async def test_rows_are_rendered_and_counted_for_the_method_that_they_serve(
    ctx: Context, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "WAIT_S", 60.0)
    async with ctx.db.transaction() as session:
        session.add(BaseModel(name="tiny", path=str(tiny_model), created_at=clock.now()))
    pairs = [{"prompt": "ab", "chosen": "c" * size, "rejected": "d"} for size in (1, 3, 8)]
    dataset = await made(ctx, pairs, tmp_path)
    (one,) = await rendering.read(ctx, dataset.id, "tiny", method="dpo", start=1, limit=1)
    assert (one.tokens, [(piece.text, piece.learned) for piece in one.pieces][:2]) == (6, [("ab", False), ("ccc", True)])
    assert one.rejected[0].text == "d"
    found = (await statistics.read(ctx, dataset.id, base_model="tiny", max_length=6)).tokens
    # Two letters, the longer answer and its end.
    assert found == statistics.TokenLengths("tiny", None, "dpo", 4, 7.0, 6, 11, 11, 11, 11, None, 6, 1)
    # Kept beside the dataset, each method by itself.
    monkeypatch.setattr("engines.task.run", None)
    assert await rendering.read(ctx, dataset.id, "tiny", method="dpo", start=1, limit=1) == [one]
    again = (await statistics.read(ctx, dataset.id, base_model="tiny", method="dpo", max_length=4)).tokens
    assert again is not None and again.over_limit == 2


@pytest.mark.parametrize(
    ("given", "param", "message"),
    [
        ({"base_model": "tiny", "method": "sft"}, "dataset_id", "None of the rows serves sft. Line 1: no 'messages'"),
        ({"base_model": "tiny", "method": "ppo"}, "method", "Unknown method 'ppo'; there are grpo, sft, dpo, sft_video_gen."),
        ({"base_model": "tiny", "method": "grpo", "max_length": 5}, "max_length", "A grpo job has no max_length."),
        ({"base_model": "tiny", "method": "dpo", "max_prompt_length": 5}, "max_prompt_length", "A dpo job has no max_prompt"),
        ({"method": "grpo"}, "method", "Lengths need the model whose tokens are counted: base_model."),
        ({"max_length": 5}, "max_length", "Lengths need the model whose tokens are counted: base_model."),
    ],
)
async def test_lengths_that_cannot_be_counted_are_refused_before_anything_starts(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], param: str, message: str
) -> None:
    monkeypatch.setattr("engines.task.run", None)
    dataset = await made(ctx, [{"prompt": "a", "chosen": "b", "rejected": "c"}], tmp_path)
    with pytest.raises(Invalid) as caught:
        await statistics.read(ctx, dataset.id, **given)
    assert (caught.value.param, caught.value.message[: len(message)]) == (param, message)

"""Packed uploads, archives, deletion, and what is counted of a dataset."""

import gzip
import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from burnish.kit import clock, ids
from burnish.kit.errors import Conflict, Invalid, NotFound, PayloadTooLarge, Unavailable
from engines.data import archive, tidy
from models.base_model import BaseModel
from models.dataset import Dataset
from models.job import COMPLETED, Job
from resolvers import datasets, jobs, keeping, statistics
from resolvers.context import Context
from resolvers.datasets import DatasetInput
from resolvers.jobs import JobInput
from tests.engines.conftest import tiny_model
from tests.engines.data import videos
from tests.engines.data.test_intake import ROWS, tarred, zipped
from tests.resolvers import conftest
from tests.resolvers.conftest import Tenants

__all__ = ["tiny_model"]
pytestmark = pytest.mark.anyio


async def make(ctx: Context, content: bytes, tmp_path: Path) -> Dataset:
    path = tmp_path / "upload"
    path.write_bytes(content)
    return await datasets.create(ctx, DatasetInput(name="d"), path)


async def stored(ctx: Context) -> dict[str, bytes]:
    return {key: await ctx.core.storage.read(key) for key, _ in await ctx.core.storage.list(ctx.account.id)}


async def test_a_packed_file_is_stored_as_its_rows(ctx: Context, tmp_path: Path) -> None:
    row = await make(ctx, gzip.compress(ROWS), tmp_path)
    assert (row.num_rows, row.size_bytes, row.sha256) == (2, len(ROWS), hashlib.sha256(ROWS).hexdigest())
    assert await stored(ctx) == {f"{ctx.account.id}/{row.id}/data.jsonl": ROWS}
    assert list(ctx.core.settings.uploads.iterdir()) == []


@pytest.mark.parametrize("pack", [zipped, tarred])
async def test_an_archive_is_stored_as_its_rows_and_clips(ctx: Context, tmp_path: Path, pack: type) -> None:
    clips = videos.clips()
    row = await make(ctx, pack({"metadata.jsonl": videos.ROWS, **clips, "unused.mp4": b"unused"}), tmp_path)
    place = f"{ctx.account.id}/{row.id}"
    assert (row.num_rows, row.media_prefix) == (2, f"{place}/media")
    assert await stored(ctx) == {
        f"{place}/data.jsonl": videos.ROWS,
        f"{place}/media/{archive.media_name('clips/cat.mp4')}": clips["clips/cat.mp4"],
        f"{place}/media/{archive.media_name('dog.mp4')}": clips["dog.mp4"],
    }
    found = await statistics.read(ctx, row.id)
    shapes = [statistics.ClipShape(64, 48, 8.0, 1), statistics.ClipShape(48, 64, 8.0, 1)]
    assert found.clips == statistics.Clips(2, 26, 9, 17, shapes)
    assert found.methods is not None and found.methods[-1] == statistics.MethodFit("sft_video_gen", 2, [])


async def test_an_archive_with_a_clip_that_cannot_be_read_is_refused_with_its_line(ctx: Context, tmp_path: Path) -> None:
    clips = videos.clips() | {"dog.mp4": videos.clip(17)[:9000]}
    with pytest.raises(Invalid) as caught:
        await make(ctx, zipped({"metadata.jsonl": videos.ROWS, **clips}), tmp_path)
    assert (caught.value.code, caught.value.param) == ("invalid_dataset", "file")
    assert caught.value.details == [{"line": 2, "message": "'./dog.mp4' is damaged"}]
    assert await stored(ctx) == {} and list(ctx.core.settings.uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (gzip.compress(b"not json\n", mtime=0), Invalid, "line 1: not JSON: Expecting value at column 1"),
        (gzip.compress(ROWS, mtime=0)[:-9], Invalid, "The file cannot be used: its gzip data ends too early."),
        (zipped({"metadata.jsonl": videos.ROWS}), Invalid, "line 1: 'clips/cat.mp4' is not in the archive"),
        (tarred({"../x": b""}), Invalid, "The file cannot be used: '../x' leads out of the archive."),
        (
            gzip.compress(b" " * 2_000_000, mtime=0),
            PayloadTooLarge,
            "The file cannot be used: it unpacks to more than 1000000 bytes.",
        ),
    ],
    ids=range(5),
)
async def test_what_cannot_be_used_leaves_nothing(
    ctx: Context, tmp_path: Path, content: bytes, error: type[Invalid], message: str
) -> None:
    ctx.core.settings.max_dataset_bytes = 1_000_000
    with pytest.raises(error) as caught:
        await make(ctx, content, tmp_path)
    assert (caught.value.message, caught.value.param) == (message, "file")
    assert await stored(ctx) == {}
    assert list(ctx.core.settings.uploads.iterdir()) == []


async def test_a_deleted_dataset_is_gone_with_its_files(ctx: Context, jsonl: Path) -> None:
    row = await conftest.dataset(ctx, jsonl)
    assert (await datasets.delete(ctx, row.id)).id == row.id
    assert await stored(ctx) == {}
    assert (await datasets.page(ctx)).items == []
    for again in (datasets.get, datasets.delete, statistics.read):
        with pytest.raises(NotFound):
            await again(ctx, row.id)
    async with ctx.db.read() as session:
        kept = await session.get_one(Dataset, row.id)
    assert (kept.deleted_at is not None, kept.storage_key, kept.name) == (True, None, "sums")


async def test_another_accounts_dataset_cannot_be_deleted(ctx: Context, tenants: Tenants, jsonl: Path) -> None:
    theirs = await tenants("other")
    row = await conftest.dataset(theirs, jsonl)
    with pytest.raises(NotFound):
        await datasets.delete(ctx, row.id)
    assert (await datasets.get(theirs, row.id)).deleted_at is None
    assert len(await stored(theirs)) == 1


async def job_of(ctx: Context, row: Dataset) -> Job:
    reward = await conftest.reward(ctx)
    given = {"base_model": "a/b", "dataset_id": row.id, "reward_function_id": reward.id, "output_name": "x"}
    return await jobs.create(ctx, JobInput.model_validate({**given, "gpu": {"type": "CPU", "count": 1}}))


async def test_a_dataset_stays_while_a_job_needs_it(ctx: Context, jsonl: Path) -> None:
    row = await conftest.dataset(ctx, jsonl)
    using = await job_of(ctx, row)
    with pytest.raises(Conflict) as caught:
        await datasets.delete(ctx, row.id)
    assert (caught.value.code, using.id in caught.value.message) == ("resource_in_use", True)
    assert (await datasets.get(ctx, row.id)).storage_key is not None and len(await stored(ctx)) == 1
    async with ctx.db.transaction() as session:
        ended = await session.get_one(Job, using.id)
        ended.status = COMPLETED
        session.add(ended)
    await datasets.delete(ctx, row.id)
    with pytest.raises(NotFound):
        await job_of(ctx, row)
    assert (await jobs.get(ctx, using.id)).dataset_id == row.id


async def test_a_retry_of_a_deletion_gives_the_same_answer(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both(key="gone")
    row = await conftest.dataset(await on_both("maker"), jsonl)
    with pytest.raises(NotFound):
        await datasets.delete(ctx, row.id)
    mine = await datasets.create(ctx, DatasetInput(name="sums"), jsonl)
    with pytest.raises(Conflict):
        await datasets.delete(ctx, mine.id)


async def test_files_that_a_dead_process_left_are_found(ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await conftest.dataset(ctx, jsonl)
    uploads = ctx.core.settings.uploads
    (uploads / ids.new("draft")).mkdir()
    (uploads / ids.new("draft")).write_bytes(b"half")
    async with ctx.db.transaction() as session:
        half = await session.get_one(Dataset, row.id)
        half.deleted_at = clock.now()
        session.add(half)
    await tidy.tidy(ctx.core)
    assert len(await stored(ctx)) == 1 and len(list(uploads.iterdir())) == 2
    later = clock.now() + timedelta(hours=25)
    monkeypatch.setattr("burnish.kit.clock.now", lambda: later)
    await tidy.tidy(ctx.core)
    assert await stored(ctx) == {} and list(uploads.iterdir()) == []
    async with ctx.db.read() as session:
        assert (await session.exec(select(Dataset.storage_key))).all() == [None]


async def test_tokens_are_counted_with_the_models_own_tokenizer(
    ctx: Context, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "WAIT_S", 60.0)
    async with ctx.db.transaction() as session:
        session.add(BaseModel(name="tiny", path=str(tiny_model), created_at=clock.now()))
    prompts = ["a", "ab", "abcd"]
    row = await make(ctx, b"".join(b'{"prompt": "%s"}\n' % prompt.encode() for prompt in prompts), tmp_path)
    found = (await statistics.read(ctx, row.id, base_model="tiny", max_prompt_length=2)).tokens
    # The tiny model's tokens are bytes.
    assert found == statistics.TokenLengths("tiny", None, "grpo", 1, 2.33, 2, 4, 4, 4, 4, 2, None, 1)
    kept = [key for key in await stored(ctx) if "/tokens/" in key]
    assert len(kept) == 1
    monkeypatch.setattr("engines.task.run", None)
    again = (await statistics.read(ctx, row.id, base_model="tiny", max_prompt_length=1)).tokens
    assert again is not None and again.over_limit == 2
    with pytest.raises(Invalid) as caught:
        await statistics.read(ctx, row.id, max_prompt_length=1)
    assert caught.value.param == "max_prompt_length"


async def test_a_count_that_takes_longer_goes_on_while_its_caller_is_told_to_come_again(
    ctx: Context, jsonl: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "WAIT_S", 0.01)
    async with ctx.db.transaction() as session:
        session.add(BaseModel(name="tiny", path=str(tiny_model), created_at=clock.now()))
    row = await conftest.dataset(ctx, jsonl)
    with pytest.raises(Unavailable):
        await statistics.read(ctx, row.id, base_model="tiny")
    (counting,) = ctx.platform.counting.values()
    await counting
    found = (await statistics.read(ctx, row.id, base_model="tiny")).tokens
    assert found is not None and found.max == len("1 + 1?")


async def test_a_model_without_a_tokenizer_is_named(
    ctx: Context, jsonl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "WAIT_S", 60.0)
    (tmp_path / "empty").mkdir()
    async with ctx.db.transaction() as session:
        session.add(BaseModel(name="empty", path=str(tmp_path / "empty"), created_at=clock.now()))
    row = await conftest.dataset(ctx, jsonl)
    with pytest.raises(Invalid) as caught:
        await statistics.read(ctx, row.id, base_model="empty")
    assert (caught.value.code, caught.value.param) == ("model_unavailable", "base_model")
    assert ctx.platform.counting == {}

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Forbidden, Invalid, NotFound, PayloadTooLarge
from models.dataset import Dataset
from resolvers import creating, datasets
from resolvers.context import Context
from resolvers.datasets import DatasetInput
from tests.resolvers import conftest
from tests.resolvers.conftest import Tenants

pytestmark = pytest.mark.anyio

GOOD = b'{"prompt": "a"}\n'
ROLES = "system, user, assistant, tool, developer"


async def make(ctx: Context, content: bytes, tmp_path: Path) -> Dataset:
    path = tmp_path / "upload"
    path.write_bytes(content)
    return await datasets.create(ctx, DatasetInput(name="d"), path)


async def nothing_left(ctx: Context) -> None:
    assert await ctx.core.storage.list(ctx.account.id) == []
    async with ctx.db.read() as session:
        assert (await session.exec(select(Dataset))).all() == []


async def test_a_dataset_is_stored_as_it_was_uploaded(ctx: Context, tmp_path: Path) -> None:
    content = (
        b'\xef\xbb\xbf{"prompt": "a", "id": 1}\r\n\n{"prompt": [{"role": "user", "content": "b"}], "id": "1", "answer": null}'
    )
    row = await make(ctx, content, tmp_path)
    assert (row.num_rows, row.columns, row.size_bytes) == (2, ["prompt", "id", "answer"], len(content))
    assert row.sha256 == hashlib.sha256(content).hexdigest()
    assert row.storage_key == f"{ctx.account.id}/{row.id}/data.jsonl"
    assert await ctx.core.storage.read(row.storage_key) == content
    assert (await datasets.get(ctx, row.id)).name == "d"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"not json", "not JSON: Expecting value at column 1"),
        (b'{"prompt": "a"} x', "not JSON: Extra data at column 17"),
        (b'{"prompt": "a"', "not JSON: Expecting ',' delimiter at column 15"),
        (b"[]", "a row is a JSON object"),
        (b'"text"', "a row is a JSON object"),
        (b"null", "a row is a JSON object"),
        (b'{"question": "a"}', "no 'prompt', 'messages' or 'text'"),
        (b'{"prompt": ""}', "'prompt' is empty"),
        (b'{"prompt": "  \\n"}', "'prompt' is empty"),
        (b'{"prompt": null}', "no 'prompt'"),
        (b'{"prompt": 7}', "'prompt' is a text or a list of messages"),
        (b'{"prompt": []}', "'prompt' is a text or a list of messages"),
        (b'{"prompt": {"role": "user"}}', "'prompt' is a text or a list of messages"),
        (b'{"prompt": ["a"]}', f"'prompt[0]' is not a message {{role, content}} with a role of {ROLES}"),
        (
            b'{"prompt": [{"role": "user", "content": "a"}, {"role": "robot", "content": "b"}]}',
            f"'prompt[1]' is not a message {{role, content}} with a role of {ROLES}",
        ),
        (b'{"prompt": [{"role": "user"}]}', f"'prompt[0]' is not a message {{role, content}} with a role of {ROLES}"),
        (
            b'{"prompt": [{"role": ["user"], "content": "a"}]}',
            f"'prompt[0]' is not a message {{role, content}} with a role of {ROLES}",
        ),
        (b'{"prompt": "a", "x": NaN}', "NaN is not JSON"),
        (b'{"prompt": "a", "x": -Infinity}', "-Infinity is not JSON"),
        (b'{"prompt": "a", "x": 1e999}', "holds a number too large for JSON"),
        (b'{"prompt": "a", "x": {"y": 1, "y": 2}}', 'the key "y" stands twice'),
        (b'{"prompt": "a", "prompt": "b"}', 'the key "prompt" stands twice'),
        (b'{"prompt": "a\\u0000"}', "holds a NUL character"),
        (b'{"prompt": "a", "\\u0000": 1}', "holds a NUL character"),
        (b'{"prompt": "\\ud83d"}', "holds half of a surrogate pair"),
        (b'{"prompt": "a", "x": ["\\udc00"]}', "holds half of a surrogate pair"),
        (b'{"prompt": "a\x00"}', "not JSON: Invalid control character at column 14"),
        (b'{"prompt": "\xff"}', "not UTF-8 at byte 12"),
        (b'\xef\xbb\xbf{"prompt": "a"}', "not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig) at column 1"),
        (b'{"prompt": "a", "x": ' + b"[" * 70 + b"]" * 70 + b"}", "nested deeper than 64 levels"),
        (b'{"prompt": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 64 levels"),
        (b'{"prompt": "a", "id": "same"}', 'id "same" was used on line 2 already'),
    ],
)
async def test_a_bad_line_is_named_and_nothing_is_kept(ctx: Context, tmp_path: Path, line: bytes, message: str) -> None:
    content = GOOD + b'{"prompt": "b", "id": "same"}\n' + line + b"\n" + GOOD
    with pytest.raises(Invalid) as caught:
        await make(ctx, content, tmp_path)
    assert (caught.value.code, caught.value.param) == ("invalid_dataset", "file")
    assert caught.value.details == [{"line": 3, "message": message}]
    assert caught.value.message == f"line 3: {message}"
    await nothing_left(ctx)


@pytest.mark.parametrize("content", [b"", b"\n\n  \r\n", b" "])
async def test_a_file_without_rows_is_refused(ctx: Context, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        await make(ctx, content, tmp_path)
    assert caught.value.details == [{"line": 1, "message": "the file holds no rows"}]
    await nothing_left(ctx)


async def test_the_first_twenty_problems_are_told_at_once(ctx: Context, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        await make(ctx, (GOOD + b"x\n") * 30, tmp_path)
    assert caught.value.details is not None
    assert [detail["line"] for detail in caught.value.details] == list(range(2, 42, 2))
    await nothing_left(ctx)


async def test_a_line_may_be_as_long_as_the_limit_and_no_longer(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctx.core.settings, "max_line_bytes", 100)
    fits = b'{"prompt": "' + b"a" * 86 + b'"}'
    assert len(fits) == 100
    assert (await make(ctx, fits + b"\r\n" + fits, tmp_path)).num_rows == 2
    with pytest.raises(Invalid) as caught:
        await make(ctx, GOOD + fits.replace(b"a", b"aa", 1) + b"\n", tmp_path)
    assert caught.value.details == [{"line": 2, "message": "longer than 100 bytes"}]


async def test_a_file_past_the_limit_is_not_even_read(ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctx.core.settings, "max_dataset_bytes", 10)
    with pytest.raises(PayloadTooLarge, match="at most 10 bytes"):
        await make(ctx, b"x" * 11, tmp_path)
    await nothing_left(ctx)


async def test_a_huge_object_with_a_repeated_key_is_refused_in_no_time(ctx: Context, tmp_path: Path) -> None:
    keys = b",".join(b'"k%d":0' % number for number in range(200_000))
    async with asyncio.timeout(20):
        with pytest.raises(Invalid, match='the key "k199999" stands twice'):
            await make(ctx, b'{"prompt":"a",' + keys + b',"k199999":1}', tmp_path)


async def test_the_uploaded_file_is_left_as_it_is(ctx: Context, jsonl: Path) -> None:
    before = jsonl.read_bytes()
    await conftest.dataset(ctx, jsonl)
    assert jsonl.read_bytes() == before


async def test_a_database_that_fails_leaves_no_file(ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(session: Session, *args: Any) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr("burnish.kit.idempotency.store", fail)
    with pytest.raises(RuntimeError, match="disk full"):
        await conftest.dataset(ctx, jsonl)
    await nothing_left(ctx)


@pytest.mark.parametrize("turns", range(0, 60, 4))
async def test_a_caller_who_goes_away_leaves_a_whole_dataset_or_none(ctx: Context, jsonl: Path, turns: int) -> None:
    task = asyncio.create_task(conftest.dataset(ctx, jsonl))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with ctx.db.read() as session:
        keys = (await session.exec(select(Dataset.storage_key))).all()
    assert [key for key, _ in await ctx.core.storage.list(ctx.account.id)] == list(keys)


async def test_a_caller_who_goes_away_right_after_the_commit_has_a_whole_dataset(
    ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def committed_then_gone(*args: Any) -> Any:
        await creating.once(*args)
        raise asyncio.CancelledError

    monkeypatch.setattr("resolvers.datasets.once", committed_then_gone)
    with pytest.raises(asyncio.CancelledError):
        await conftest.dataset(ctx, jsonl)
    (row,) = (await datasets.page(ctx)).items
    assert row.storage_key is not None
    assert await ctx.core.storage.read(row.storage_key) == jsonl.read_bytes()


async def test_a_replay_keeps_one_row_and_one_file(on_both: Tenants, jsonl: Path) -> None:
    ctx = await on_both(key="once")
    rows = await asyncio.gather(*(conftest.dataset(ctx, jsonl) for _ in range(10)))
    assert len({row.id for row in rows}) == 1
    assert await ctx.core.storage.list(ctx.account.id) == [(rows[0].storage_key, jsonl.stat().st_size)]
    jsonl.write_bytes(GOOD)
    with pytest.raises(Conflict):
        await conftest.dataset(ctx, jsonl)
    assert len(await ctx.core.storage.list(ctx.account.id)) == 1


async def test_another_accounts_dataset_is_as_unknown_as_one_that_never_was(ctx: Context, tenants: Tenants, jsonl: Path) -> None:
    theirs = await conftest.dataset(await tenants("other"), jsonl)
    for dataset_id in (theirs.id, "ds_nonsense", "", "../../etc/passwd"):
        with pytest.raises(NotFound) as caught:
            await datasets.get(ctx, dataset_id)
        assert caught.value.message == f"No such dataset: {dataset_id}"
    assert (await datasets.page(ctx)).items == []


async def test_a_search_takes_its_text_literally(ctx: Context, jsonl: Path) -> None:
    for name in ("100% sums", "GSM_8k", "gsm8k", "other"):
        await datasets.create(ctx, DatasetInput(name=name), jsonl)

    async def found(search: str) -> list[str]:
        return sorted(row.name for row in (await datasets.page(ctx, search=search)).items)

    assert await found("gsm") == ["GSM_8k", "gsm8k"]
    assert await found("%") == ["100% sums"]
    assert await found("_8") == ["GSM_8k"]
    assert await found("\\") == []


async def test_writing_and_reading_need_their_scopes(ctx: Context, jsonl: Path) -> None:
    with pytest.raises(Forbidden):
        await conftest.dataset(replace(ctx, scopes=frozenset({"read", "inference"})), jsonl)
    await nothing_left(ctx)
    with pytest.raises(Forbidden):
        await datasets.page(replace(ctx, scopes=frozenset({"write"})))

import random
from datetime import timedelta

import pytest

from burnish.kit import clock, ids, paging
from burnish.kit.db import Database
from burnish.kit.errors import Invalid
from models.account import Account
from models.dataset import Dataset

pytestmark = pytest.mark.anyio


async def fill(database: Database, moments: list[int], account: str = "acct_1") -> list[Dataset]:
    """Insert datasets that were made so many microseconds after one moment; return them newest first."""
    start = clock.from_micros(1_800_000_000_000_000)
    rows = [
        Dataset(
            id=ids.new("ds"),
            account_id=account,
            name="even" if moment % 2 == 0 else "odd",
            columns=[],
            size_bytes=0,
            sha256="",
            storage_key="",
            created_at=start + timedelta(microseconds=moment),
        )
        for moment in moments
    ]
    async with database.transaction() as session:
        session.add(Account(id=account, slug=account, created_at=start))
        await session.flush()
        session.add_all(rows)
    return sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)


async def walk(database: Database, limit: int, *, name: str | None = None) -> list[str]:
    found: list[str] = []
    where = [Dataset.name == name] if name else []
    after = None
    while True:
        async with database.read() as session:
            page = await paging.page(session, Dataset, Dataset.account_id == "acct_1", where=where, limit=limit, after=after)
        found += [row.id for row in page.items]
        if not page.has_more:
            assert len(page.items) <= limit
            return found
        assert len(page.items) == limit
        after = page.items[-1].id


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_hold_every_row_once_newest_first_even_where_times_tie(database: Database, limit: int) -> None:
    rng = random.Random(5)
    rows = await fill(database, [rng.randint(0, 4) for _ in range(14)])
    await fill(database, [2, 2, 2], "acct_2")
    assert await walk(database, limit) == [row.id for row in rows]


async def test_a_filter_pages_over_what_meets_it(database: Database) -> None:
    rows = await fill(database, [0, 1, 1, 2, 3, 3, 4])
    assert await walk(database, 2, name="odd") == [row.id for row in rows if row.name == "odd"]


async def test_a_page_goes_on_after_a_row_that_no_longer_meets_the_filter(database: Database) -> None:
    rows = await fill(database, [0, 1, 2, 3])
    even = next(row for row in rows if row.name == "even")
    async with database.read() as session:
        page = await paging.page(session, Dataset, where=[Dataset.name == "odd"], limit=5, after=even.id)
    assert [row.id for row in page.items] == [row.id for row in rows if row.name == "odd" and row.created_at < even.created_at]


async def test_rows_made_meanwhile_do_not_shift_the_pages(database: Database) -> None:
    rows = await fill(database, [0, 1, 2, 3])
    async with database.read() as session:
        first = await paging.page(session, Dataset, limit=2)
    await fill(database, [9], "acct_2")
    async with database.read() as session:
        second = await paging.page(session, Dataset, limit=2, after=first.items[-1].id)
    assert [row.id for row in (*first.items, *second.items)] == [row.id for row in rows]


async def test_a_cursor_out_of_scope_is_refused_as_one_that_never_was(database: Database) -> None:
    await fill(database, [0])
    theirs = await fill(database, [0], "acct_2")
    for after in (theirs[0].id, "ds_nonsense", "", "' OR 1=1 --"):
        async with database.read() as session:
            with pytest.raises(Invalid) as caught:
                await paging.page(session, Dataset, Dataset.account_id == "acct_1", limit=5, after=after)
        assert caught.value.param == "after"
        assert str(caught.value) == f"No such item to continue after: {after}"


async def test_an_empty_table_is_an_empty_page(database: Database) -> None:
    async with database.read() as session:
        assert await paging.page(session, Dataset, limit=5) == paging.Page([], has_more=False)

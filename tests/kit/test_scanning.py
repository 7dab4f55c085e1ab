"""Looking through a stream for some of its rows: what is found, in which order, and how much is looked at."""

import itertools
from typing import Any

import orjson
import pytest

from burnish.kit import scanning, stream
from burnish.kit.db import Database
from burnish.kit.scanning import Scan, Sought, word

pytestmark = pytest.mark.anyio
ALL = 10**9


def with_text(text: str, attempt: int | None = None) -> Sought:
    def matches(row: stream.Row) -> bool:
        return text.casefold() in row.data["message"].casefold() and attempt in (None, row.attempt)

    return Sought(matches, ((word(text),),), attempt)


async def write(db: Database, *messages: str, attempt: int = 1) -> None:
    """Write the messages as one chunk."""
    async with db.transaction() as session:
        await stream.append(session, "job_1", "logs", [{"message": message} for message in messages], attempt=attempt)


async def look(db: Database, sought: Sought, **given: Any) -> Scan:
    wanted = {"after": 0, "before": stream.MAX_SEQ, "limit": ALL, "most": ALL, "backwards": False} | given
    async with db.read() as session:
        return await scanning.scan(session, "job_1", "logs", sought, **wanted)


def seqs(found: Scan) -> list[int]:
    return [row.seq for row in found.rows]


@pytest.mark.parametrize("text", ['say "a\\b"\n\t\x01', "STRASSE", "straße", "İstanbul", "日本", "/", "\ud800"])
async def test_a_word_is_found_in_stored_rows_whatever_its_case_and_signs(database: Database, text: str) -> None:
    await write(database, "nothing", f"x {text} x", f"x {text.upper()} x")
    found = await look(database, with_text(text))
    # Half of a surrogate pair is never stored: what stands for it is another sign.
    assert seqs(found) == ([] if text == "\ud800" else [2, 3])


async def test_every_window_gives_the_rows_that_are_between_either_way(database: Database) -> None:
    sizes = itertools.cycle((1, 3, 5, 2))
    total = 0
    while total < 40:
        size = next(sizes)
        await write(
            database, *(f"row {number} {'hit' if number % 3 == 0 else ''}" for number in range(total + 1, total + size + 1))
        )
        total += size
    hits = [number for number in range(1, total + 1) if number % 3 == 0]
    for after, before in itertools.product(range(0, 42, 3), range(1, 44, 4)):
        wanted = [number for number in hits if after < number < before]
        for limit in (1, 2, 100):
            assert seqs(await look(database, with_text("hit"), after=after, before=before, limit=limit)) == wanted[:limit]
            back = await look(database, with_text("hit"), after=after, before=before, limit=limit, backwards=True)
            assert seqs(back) == wanted[-limit:]


@pytest.mark.parametrize("backwards", [False, True])
async def test_going_on_where_it_stopped_finds_each_row_once(database: Database, backwards: bool) -> None:
    for start in range(0, 60, 6):
        await write(database, *(f"{'hit' if number % 4 == 0 else 'miss'} {number}" for number in range(start, start + 6)))
    for limit, most in itertools.product((1, 2, 7), (1, 6, 13, 1000)):
        found: list[int] = []
        after, before = 0, stream.MAX_SEQ
        while True:
            part = await look(database, with_text("hit"), after=after, before=before, limit=limit, most=most, backwards=backwards)
            found = seqs(part) + found if backwards else found + seqs(part)
            if not part.more:
                break
            after, before = (0, part.reached) if backwards else (part.reached, stream.MAX_SEQ)
        assert found == list(range(1, 61, 4))


async def test_no_more_is_looked_at_than_the_chunk_that_reaches_the_bound(database: Database) -> None:
    for _ in range(4):
        await write(database, "a", "b", "c")
    assert await look(database, with_text("absent"), most=4) == Scan([], 6, more=True)
    assert await look(database, with_text("absent"), most=4, backwards=True) == Scan([], 7, more=True)
    assert await look(database, with_text("absent"), most=12) == Scan([], 12, more=False)


async def test_rows_of_other_attempts_are_passed_over(database: Database) -> None:
    await write(database, "hit", attempt=1)
    await write(database, "hit", "hit", attempt=2)
    await write(database, "hit", attempt=1)
    found = await look(database, with_text("hit", attempt=2), most=1)
    assert (seqs(found), found.more) == ([2, 3], False)


async def test_a_chunk_without_the_words_is_not_decoded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(database, "hit")
    await write(database, "miss")
    monkeypatch.setattr(orjson, "loads", lambda raw: pytest.fail("decoded") if b"miss" in raw else [{"message": "hit"}])
    assert seqs(await look(database, with_text("hit"))) == [1]

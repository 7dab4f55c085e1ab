"""How a child's words are cut into lines: whole, in time that grows with their length, and never without an end."""

import asyncio

import pytest

from engines import spawn
from engines.protocol import ChildFailure

pytestmark = pytest.mark.anyio


async def lines(*pieces: bytes, most: int | None = None) -> list[bytes]:
    reader = asyncio.StreamReader()

    async def read() -> list[bytes]:
        return [line async for line in spawn._lines(reader, most)]

    reading = asyncio.create_task(read())
    for piece in pieces:
        reader.feed_data(piece)
        # The reader takes what is there before more is.
        while reader._buffer:  # type: ignore[attr-defined]
            await asyncio.sleep(0)
    reader.feed_eof()
    return await reading


@pytest.mark.parametrize("pieces", [[b"a\n\nbc\nd"], [b"a", b"\n", b"\nb", b"c\nd"], [b"a\n\n", b"bc", b"\n", b"d"]])
async def test_lines_are_the_same_however_they_come(pieces: list[bytes]) -> None:
    assert await lines(*pieces) == await lines(*pieces, most=9) == [b"a", b"", b"bc", b"d"]


async def test_lines_of_the_log_are_cut_and_progress_bars_are_lines() -> None:
    assert await lines(b"12", b"34", b"56\r7\r\n8", b"9abc", most=3) == [b"123", b"7", b"89a"]


async def test_a_message_is_whole_up_to_what_a_child_may_say_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "MAX_MESSAGE_BYTES", 3 * 2**20)
    long = b"x" * (3 * 2**20)
    assert await lines(b"a\n", long, b"\nb\n", long) == [b"a", long, b"b", long]
    with pytest.raises(ChildFailure) as caught:
        async for _ in spawn._lines(await reader_of(b"a\n" + long + b"xx")):
            pass
    assert (caught.value.code, caught.value.attribution) == ("worker_lost", "platform")
    assert caught.value.message == "The child said more than 3 MiB in one message."


async def reader_of(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader

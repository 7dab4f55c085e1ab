"""Work that several ask for at once is done once."""

import asyncio

import pytest

from burnish.kit.once import AtOnce

pytestmark = pytest.mark.anyio


class Work:
    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.go_on.wait()
        return number


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_ask_meanwhile_share_one_doing_and_those_after_it_begin_another() -> None:
    once, work, other = AtOnce[int](), Work(), Work()
    asking = [asyncio.create_task(once.get("a", work)) for _ in range(3)]
    elsewhere = asyncio.create_task(once.get("b", other))
    await turns()
    assert (work.begun, other.begun) == (1, 1)
    work.go_on.set()
    assert await asyncio.gather(*asking) == [1, 1, 1]
    assert await once.get("a", work) == 2
    other.go_on.set()
    assert await elsewhere == 1
    assert once._doing == {}


async def test_whoever_leaves_takes_nothing_from_the_others() -> None:
    once, work = AtOnce[int](), Work()
    leaving, staying = (asyncio.create_task(once.get("a", work)) for _ in range(2))
    await turns()
    leaving.cancel()
    await turns()
    assert leaving.cancelled()
    work.go_on.set()
    assert await staying == 1


async def test_an_error_is_everybodys_and_is_not_remembered() -> None:
    once, tries = AtOnce[int](), 0

    async def fail() -> int:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0)
        raise ValueError(str(tries))

    found = await asyncio.gather(*(once.get("a", fail) for _ in range(2)), return_exceptions=True)
    assert [str(error) for error in found] == ["1", "1"]
    with pytest.raises(ValueError, match="2"):
        await once.get("a", fail)

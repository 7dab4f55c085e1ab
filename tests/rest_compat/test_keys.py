"""One look at a key serves all of its streams for a while; a key that has ended stays so."""

import pytest

from burnish.kit.errors import Unauthenticated
from rest_compat import keys
from tests.conftest import Server

pytestmark = pytest.mark.anyio


async def test_a_key_is_looked_at_once_in_a_while_and_ends_for_good(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked, over = 0.0, list[str](), list[str]()

    async def ended(core: object, key_ids: list[str]) -> list[str]:
        asked.extend(key_ids)
        return over

    monkeypatch.setattr(keys, "monotonic", lambda: now)
    monkeypatch.setattr("resolvers.auth.ended", ended)
    mine, other = await server.context(), await server.context(await server.new_tenant("other"))
    known = keys.Keys()
    for _ in range(5):
        await known.check(mine)
        await known.check(other)
    assert asked == [mine.key.id, other.key.id]
    over.append(mine.key.id)
    now = keys.LOOK_S
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await known.check(mine)
    assert asked == [mine.key.id, other.key.id, mine.key.id]
    await known.check(other)


async def test_what_is_remembered_of_old_streams_is_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(keys, "monotonic", lambda: now)
    monkeypatch.setattr(keys, "REMEMBERED", 1)
    contexts = [await server.context(await server.new_tenant(f"tenant-{number}")) for number in range(3)]
    known = keys.Keys()
    for ctx in contexts:
        await known.check(ctx)
        now += keys.LOOK_S
    assert list(known._looked) == [contexts[-1].key.id]

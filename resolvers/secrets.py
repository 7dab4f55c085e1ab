"""The operator's view of the encryption key: which keys have sealed what, and the change to a new one."""

from collections import Counter
from dataclasses import dataclass

from burnish.kit.core import Core
from burnish.kit.errors import Conflict
from burnish.kit.keyring import Busy, Key
from models import audit, sealed


@dataclass(frozen=True)
class KeyUse:
    """A key, by its id (`-` for what names none), and how many values it has sealed, by `table.column`. `is_known` where it is
    here; `needed_until_s` of a retired one is until when URLs signed with it may be in use.
    """

    key_id: str
    sealed: Counter[str]
    is_current: bool = False
    is_known: bool = True
    retired_s: int | None = None
    needed_until_s: int | None = None


@dataclass(frozen=True)
class Rotation:
    """What `rotate` did: `made` is the new key's id, None where it went on with a change that was interrupted or where the keys
    come from the setting.
    """

    current: str
    made: str | None
    resealed: int
    unopened: list[tuple[str, str]]
    dropped: list[str]
    kept: list[KeyUse]


async def uses(core: Core) -> list[KeyUse]:
    """Return every key that is here or that sealed something, the current one first."""
    found = await sealed.counts(core.db)
    keys = core.secrets.keyring.keys
    listed = [_use(core, key, found, is_current=index == 0) for index, key in enumerate(keys)]
    strangers = sorted(set(found) - {key.id for key in keys})
    return listed + [KeyUse(key_id, found[key_id], is_known=key_id == sealed.UNNAMED) for key_id in strangers]


async def rotate(core: Core) -> Rotation:
    """Take a new key, seal everything anew with it, and forget the keys that nothing needs any more.

    What was interrupted goes on: no other key is made while values are left that an earlier one sealed. Keys of the setting are
    changed there: everything is sealed anew with the first of them. Conflict where another process is at it.
    """
    keyring = core.secrets.keyring
    try:
        with keyring.changing():
            made, done = await _change(core)
        dropped = [] if done.unopened else await sealed.prune(core)
    except Busy:
        raise Conflict("Another process is changing the encryption key just now.", code="busy") from None
    kept = [use for use in await uses(core) if not use.is_current]
    rotation = Rotation(keyring.current.id, made, done.count, done.unopened, dropped, kept)
    details = {"key": rotation.current, "resealed": done.count, "dropped": dropped}
    async with core.db.transaction() as session:
        audit.note(session, "secrets.rotate", account_id=None, resource_id=None, details=details)
    return rotation


async def _change(core: Core) -> tuple[str | None, sealed.Resealed]:
    """Return the id of the key that was made, and what was sealed anew."""
    keyring = core.secrets.keyring
    if keyring.path is None:
        return None, await sealed.reseal(core)
    if len(keyring.keys) > 1 and (done := await sealed.reseal(core)).count:
        return None, done
    return keyring.add().id, await sealed.reseal(core)


def _use(core: Core, key: Key, found: dict[str, Counter[str]], *, is_current: bool) -> KeyUse:
    return KeyUse(
        key.id,
        found.get(key.id, Counter()),
        is_current,
        retired_s=key.retired_s,
        needed_until_s=sealed.needed_until_s(core, key),
    )

"""Sealed columns: found by their names, counted by key, and sealed anew with the current key.

Every column called `sealed_…` belongs here by its name alone, so that no rotation forgets one. Values are replaced by
compare-and-set, in short transactions: whoever is killed in between leaves each value sealed by one key or by the other, and
whoever writes a new value meanwhile keeps it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Column, Table, func, select, update

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.crypto import sealed_by
from burnish.kit.db import Database
from burnish.kit.keyring import ID_LENGTH, Busy, Key
from models.tables import metadata

log = structlog.get_logger(__name__)
PREFIX = "sealed_"
UNNAMED = "-"
AT_ONCE = 100


@dataclass(frozen=True)
class Resealed:
    """How many values were sealed anew, and which (`table.column` and row id) no key opens."""

    count: int
    unopened: list[tuple[str, str]]


def columns() -> Iterator[tuple[Table, Column[Any]]]:
    """Yield every sealed column, each of a table whose rows have an `id`."""
    for table in metadata.sorted_tables:
        yield from ((table, column) for column in table.columns if column.name.startswith(PREFIX))


async def counts(db: Database) -> dict[str, Counter[str]]:
    """Return how many values each key has sealed, by its id and `table.column`; those that name no key are under `-`."""
    found: dict[str, Counter[str]] = {}
    for table, column in columns():
        async with db.read() as session:
            head = func.substr(column, 1, len(sealed_by("-" * ID_LENGTH)))
            grouped = select(head, func.count()).where(column != "").group_by(head)
            for text, count in (await (await session.connection()).execute(grouped)).all():
                key_id = text.split(":")[1] if text.count(":") == 2 else UNNAMED
                found.setdefault(key_id, Counter())[f"{table.name}.{column.name}"] += count
    return found


async def reseal(core: Core) -> Resealed:
    """Seal all that another key than the current one has sealed."""
    done, unopened = 0, list[tuple[str, str]]()
    for table, column in columns():
        last = ""
        while True:
            beyond = (table.c.id > last, column != "", ~column.startswith(sealed_by(core.secrets.keyring.current.id)))
            async with core.db.transaction() as session:
                connection = await session.connection()
                statement = select(table.c.id, column).where(*beyond).order_by(table.c.id).limit(AT_ONCE)
                rows = (await connection.execute(statement)).all()
                for row_id, sealed in rows:
                    try:
                        fresh = core.secrets.encrypt(core.secrets.decrypt(sealed, row_id), row_id)
                    except ValueError:
                        unopened.append((f"{table.name}.{column.name}", row_id))
                        continue
                    same = (table.c.id == row_id, column == sealed)
                    done += (await connection.execute(update(table).where(*same).values({column: fresh}))).rowcount
            if not rows:
                break
            last = rows[-1][0]
    return Resealed(done, unopened)


def needed_until_s(core: Core, key: Key) -> int | None:
    """Return until when URLs signed with a retired key may be in use, in seconds since the epoch; None for a current one."""
    return None if key.retired_s is None else key.retired_s + max(core.settings.download_url_s, UPLOAD_URL_S)


async def prune(core: Core) -> list[str]:
    """Forget the retired keys that nothing needs any more; return their ids. Busy where somebody else changes the keys."""
    keyring, now_s = core.secrets.keyring, clock.now_micros() // 1_000_000
    with keyring.changing():
        over = {key.id for key in keyring.keys[1:] if (until := needed_until_s(core, key)) is not None and until < now_s}
        if not over:
            return []
        # Somebody may have sealed with an old key while it was retired, and committed only then.
        await reseal(core)
        used = await counts(core.db)
        gone = set() if UNNAMED in used else over - set(used)
        if gone:
            keyring.drop(gone)
            log.info("keys_dropped", keys=sorted(gone))
    return sorted(gone)


async def sweep(core: Core) -> None:
    """Forget what `prune` may, unless somebody else is at it."""
    try:
        await prune(core)
    except Busy:
        log.info("keys_busy")


# The longest that a URL for an upload works: see `resolvers.uploads`.
UPLOAD_URL_S = 3600

"""What dead processes left of datasets: half of an upload on this machine, and the files of a dataset that was being deleted."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

from sqlmodel import col, or_, select

from burnish.kit import clock, ids
from burnish.kit.core import Core
from models.dataset import Dataset

KEPT = timedelta(hours=24)
AT_ONCE = 200


async def tidy(core: Core) -> None:
    """Delete what has been left for long enough that nobody can still work on it."""
    await asyncio.to_thread(_clear, core.settings.uploads)
    held = or_(col(Dataset.storage_key).is_not(None), col(Dataset.media_prefix).is_not(None))
    async with core.db.read() as session:
        statement = select(Dataset).where(col(Dataset.deleted_at) < clock.now() - KEPT, held)
        rows = (await session.exec(statement.limit(AT_ONCE))).all()
    for row in rows:
        await forget_files(core, row)


async def forget_files(core: Core, row: Dataset) -> None:
    """Delete the files of a deleted dataset, then what says that there are any."""
    await core.storage.delete(f"{row.account_id}/{row.id}")
    async with core.db.transaction() as session:
        fresh = await session.get_one(Dataset, row.id)
        fresh.storage_key = fresh.media_prefix = None
        session.add(fresh)


def _clear(folder: Path) -> None:
    before_ms = clock.to_micros(clock.now() - KEPT) // 1000
    for draft in folder.iterdir():
        if ids.made_ms(draft.name.lstrip(".").partition(".")[0]) >= before_ms:
            continue
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)

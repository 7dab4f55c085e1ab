"""From a model's name to where its files are."""

from typing import Any

from burnish.kit.db import Session
from burnish.kit.settings import Settings
from models.base_model import BaseModel
from models.job import Job


async def source_of(session: Session, settings: Settings, name: str, revision: str | None) -> dict[str, Any]:
    """Return the folder of a registered model, or the repository of the hub that the name must then be."""
    registered = await session.get(BaseModel, name)
    if registered is not None:
        return {"name": name, "path": registered.path}
    return {"repo": name, "revision": revision, "token": None, "cache_dir": str(settings.cache / "hub")}


async def base_of(session: Session, settings: Settings, row: Job) -> dict[str, Any] | None:
    """Return where the very base is that a job trained: at the commit that it pinned, or the folder under the name that it was
    registered with; None where nothing has that name now.
    """
    if row.base_revision is None and await session.get(BaseModel, row.base_model) is None:
        return None
    if row.base_revision is None:
        return await source_of(session, settings, row.base_model, None)
    cache = str(settings.cache / "hub")
    return {"repo": row.base_model, "revision": row.base_revision, "token": None, "cache_dir": cache}

"""From a model's name to where its files are."""

from typing import Any

from burnish.kit.db import Session
from burnish.kit.settings import Settings
from models.base_model import BaseModel


async def source_of(session: Session, settings: Settings, name: str, revision: str | None) -> dict[str, Any]:
    """Return the folder of a registered model, or the repository of the hub that the name must then be."""
    registered = await session.get(BaseModel, name)
    if registered is not None:
        return {"name": name, "path": registered.path}
    return {"repo": name, "revision": revision, "token": None, "cache_dir": str(settings.cache / "hub")}

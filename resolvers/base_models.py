"""Models by name: those that the operator registered, and the ids of Hugging Face."""

import re
from pathlib import Path

from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import Conflict, Invalid
from models import audit
from models.base_model import BaseModel
from resolvers.context import Context

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
REPO = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


async def add(core: Core, name: str, path: Path) -> BaseModel:
    """Register a folder of this machine under a name; registering the same folder again changes nothing.

    Invalid where the folder holds no safetensors model, Conflict where the name stands for another folder.
    """
    if not NAME.fullmatch(name):
        raise Invalid("A model name has letters, digits, '.', '_' and '-', at most 96.", param="name")
    folder = path.expanduser().resolve()
    if not _holds_model(folder):
        message = f"{folder} holds no model: config.json and *.safetensors are needed."
        raise Invalid(message, param="path", hint="A video model is a pipeline of diffusers, with a model_index.json.")
    async with core.db.transaction() as session:
        row = await session.get(BaseModel, name)
        if row is None:
            row = BaseModel(name=name, path=str(folder), created_at=clock.now())
            session.add(row)
            audit.note(session, "base_models.add", account_id=None, resource_id=None, details={"name": name, "path": row.path})
        elif row.path != str(folder):
            raise Conflict(f"The name {name} stands for {row.path} already.", param="name")
    return row


def _holds_model(folder: Path) -> bool:
    """Say whether a folder holds a model of transformers, or a pipeline of diffusers, in safetensors."""
    if (folder / "model_index.json").is_file():
        return any((folder / "transformer").glob("*.safetensors"))
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


async def all_(core: Core) -> list[BaseModel]:
    async with core.db.read() as session:
        return list((await session.exec(select(BaseModel).order_by(col(BaseModel.name)))).all())


async def registered(ctx: Context) -> list[BaseModel]:
    """Return the registered models, by name; where they lie is the operator's business alone."""
    ctx.require("read")
    return await all_(ctx.core)


def check_id(text: str, param: str) -> None:
    """Invalid where `text` can be neither a registered name nor a Hugging Face id; paths never are."""
    if not REPO.fullmatch(text) or ".." in text or "--" in text or text.endswith((".git", ".", "-")):
        raise Invalid(f"'{text}' is neither a registered model nor a Hugging Face id such as Qwen/Qwen3-4B.", param=param)


async def find(session: Session, name: str) -> BaseModel | None:
    return await session.get(BaseModel, name)

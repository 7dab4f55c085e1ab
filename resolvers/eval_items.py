"""What became of each answer of a run, in the order of the dataset."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import tuple_
from sqlmodel import col, or_, select

from burnish.kit.errors import Invalid
from burnish.kit.paging import Page
from models.eval import EvalItem
from resolvers import eval_runs
from resolvers.context import Context

Which = Literal["all", "failed"]
# What a column of items can hold.
FAR = 2**31 - 1
# The score of an answer with nothing wrong in it.
RIGHT = 1.0


@dataclass(frozen=True, order=True)
class Place:
    """An answer's place: its row, and which of the answers to that it is."""

    item_index: int
    sample: int


def item_id(row: EvalItem) -> str:
    """Return what REST calls an answer."""
    return f"{row.run_id}-{row.item_index}-{row.sample}"


def place_of(run_id: str, text: str) -> Place:
    """Return where the answer of this id is; Invalid where it is none of the run's."""
    index, _, sample = text.removeprefix(f"{run_id}-").partition("-")
    parts = [part for part in (index, sample) if part.isascii() and part.isdecimal() and len(part) < 10]
    if not text.startswith(f"{run_id}-") or len(parts) != 2:
        raise Invalid(f"No such item to continue after: {text}", param="after")
    return Place(*map(int, parts))


async def page(
    ctx: Context, run_id: str, *, eval_id: str | None = None, which: Which = "all", limit: int = 50, after: Place | None = None
) -> Page[EvalItem]:
    """Return answers of a run after a place; `failed` are those not given, not scored, or with a score below 1."""
    ctx.require("read")
    where: list[Any] = [EvalItem.run_id == run_id]
    if which == "failed":
        where.append(or_(col(EvalItem.score).is_(None), col(EvalItem.score) < RIGHT))
    if after is not None:
        where.append(tuple_(col(EvalItem.item_index), col(EvalItem.sample)) > tuple_(after.item_index, after.sample))
    order = (col(EvalItem.item_index), col(EvalItem.sample))
    async with ctx.db.read() as session:
        await eval_runs.find(session, ctx, run_id, eval_id=eval_id)
        rows = (await session.exec(select(EvalItem).where(*where).order_by(*order).limit(limit + 1))).all()
    return Page(list(rows[:limit]), len(rows) > limit)

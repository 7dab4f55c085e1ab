"""Two runs of an eval, row by row: what the second answers better or worse, and whether the difference may be chance.

A row's score in a run is the mean of its answers'; rows that either run has not scored are in no figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Subquery, func, or_
from sqlalchemy import select as sa_select
from sqlmodel import col, select

from burnish.kit.db import Session
from burnish.kit.errors import Invalid
from engines.evals import figures
from engines.evals.figures import Comparison
from models.eval import EvalItem, EvalRun
from resolvers import eval_runs
from resolvers.context import Context

# Of the answers to a row; its score is that of all.
SHOWN_SAMPLES = 8


@dataclass(frozen=True)
class ComparedRow:
    """A row of the dataset that both runs have asked, with the answers of each; scores are None where a run has none."""

    item_index: int
    score_a: float | None
    score_b: float | None
    items_a: list[EvalItem]
    items_b: list[EvalItem]

    @property
    def difference(self) -> float | None:
        return None if self.score_a is None or self.score_b is None else self.score_b - self.score_a


@dataclass(frozen=True)
class Compared:
    """A page of rows, from the one whose score has moved most; `more` where others follow."""

    rows: list[ComparedRow]
    more: bool


async def runs(ctx: Context, a: str, b: str) -> tuple[EvalRun, EvalRun]:
    """Return two runs of the caller's; Invalid where they are not of one eval."""
    ctx.require("read")
    async with ctx.db.read() as session:
        return await _runs(session, ctx, a, b)


async def _runs(session: Session, ctx: Context, a: str, b: str) -> tuple[EvalRun, EvalRun]:
    first, second = await eval_runs.find(session, ctx, a), await eval_runs.find(session, ctx, b)
    if first.eval_id != second.eval_id:
        raise Invalid("Only runs of the same eval can be compared: others answer and score something else.", param="b")
    return first, second


async def paired(ctx: Context, a: str, b: str) -> Comparison:
    """Return by how much the second run is better than the first, as far as both are scored."""
    ctx.require("read")
    async with ctx.db.read() as session:
        await _runs(session, ctx, a, b)
        one, two = _means(a), _means(b)
        joined = sa_select(one.c.score, two.c.score).join(two, one.c.item_index == two.c.item_index)
        statement = joined.where(one.c.score.is_not(None), two.c.score.is_not(None)).order_by(one.c.item_index)
        pairs = (await (await session.connection()).execute(statement)).all()
    return figures.paired([second - first for first, second in pairs])


async def page(ctx: Context, a: str, b: str, *, only_changed: bool = False, limit: int = 20, start: int = 0) -> Compared:
    """Return rows that both runs have asked, from place `start` on; those first whose scores differ most."""
    ctx.require("read")
    one, two = _means(a), _means(b)
    difference = func.abs(two.c.score - one.c.score)
    # A row that only one of them has scored has changed, by as much as can be.
    alone = one.c.score.is_(None) != two.c.score.is_(None)
    size = func.coalesce(difference, 0.0)
    statement = sa_select(one.c.item_index, one.c.score, two.c.score).join(two, one.c.item_index == two.c.item_index)
    if only_changed:
        statement = statement.where(or_(alone, difference > figures.SAME))
    statement = statement.order_by(alone.desc(), size.desc(), one.c.item_index).offset(start).limit(limit + 1)
    async with ctx.db.read() as session:
        await _runs(session, ctx, a, b)
        found = (await (await session.connection()).execute(statement)).all()
        items = await _items(session, (a, b), [row[0] for row in found[:limit]])
    rows = [ComparedRow(index, sa, sb, items.get((a, index), []), items.get((b, index), [])) for index, sa, sb in found[:limit]]
    return Compared(rows, len(found) > limit)


async def _items(session: Session, run_ids: Sequence[str], indexes: Sequence[int]) -> dict[tuple[str, int], list[EvalItem]]:
    wanted = (col(EvalItem.run_id).in_(set(run_ids)), col(EvalItem.item_index).in_(indexes), col(EvalItem.sample) < SHOWN_SAMPLES)
    found: dict[tuple[str, int], list[EvalItem]] = {}
    for row in (await session.exec(select(EvalItem).where(*wanted).order_by(col(EvalItem.sample)))).all():
        found.setdefault((row.run_id, row.item_index), []).append(row)
    return found


def _means(run_id: str) -> Subquery:
    """Return each row's score in a run: the mean of its answers' scores, null where none has one."""
    mean = func.avg(EvalItem.score).label("score")
    statement = sa_select(col(EvalItem.item_index), mean).where(col(EvalItem.run_id) == run_id)
    return statement.group_by(col(EvalItem.item_index)).subquery()

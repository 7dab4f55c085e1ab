"""Keyset pages by (created_at, id): newest first, unless asked otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col, select

from burnish.kit.db import Session
from burnish.kit.errors import Invalid

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """`has_more` says whether rows follow the last of `items`."""

    items: list[T]
    has_more: bool


@dataclass(frozen=True)
class Span:
    """A time from `since`, inclusive, until before `before`; unbounded where one is None."""

    since: datetime | None = None
    before: datetime | None = None


ALWAYS = Span()


def contains(column: Any, text: str) -> ColumnElement[bool]:
    """Return the condition that a text holds `text`, whatever its case; nothing in it is a wildcard."""
    return col(column).icontains(text, autoescape=True)


def within(column: Any, span: Span) -> list[ColumnElement[bool]]:
    """Return the conditions that a moment lies within a span."""
    since = [] if span.since is None else [col(column) >= span.since]
    return since + ([] if span.before is None else [col(column) < span.before])


async def page(
    session: Session,
    table: type[T],
    *scope: Any,
    where: Sequence[Any] = (),
    limit: int,
    after: str | None = None,
    oldest_first: bool = False,
) -> Page[T]:
    """Return rows within `scope` (the tenant's own) that meet `where`, after the row with id `after`.

    Invalid (`after`) where the scope holds no such row; that row itself need not meet `where`.
    """
    model: Any = table
    created_at, row_id = col(model.created_at), col(model.id)
    statement = select(model).where(*scope, *where)
    if after is not None:
        anchor = (await session.exec(select(model.created_at).where(*scope, row_id == after))).first()
        if anchor is None:
            raise Invalid(f"No such item to continue after: {after}", param="after")
        if oldest_first:
            statement = statement.where(or_(created_at > anchor, and_(created_at == anchor, row_id > after)))
        else:
            statement = statement.where(or_(created_at < anchor, and_(created_at == anchor, row_id < after)))
    order = (created_at, row_id) if oldest_first else (created_at.desc(), row_id.desc())
    rows = (await session.exec(statement.order_by(*order).limit(limit + 1))).all()
    return Page(list(rows[:limit]), len(rows) > limit)

"""What every object of the `/v1` API has in common on the wire. Times are UTC and end in `Z`."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from burnish.kit.errors import Invalid
from burnish.kit.paging import Page
from resolvers.inputs import Input

T = TypeVar("T")


class Wire(BaseModel):
    """A JSON answer; its fields are written in the order in which they stand."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Listing(Wire, Generic[T]):
    """A page of a list, newest first. Pass the id of its last element as `after` to get the next one."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool = Field(description="Whether anything follows the last element.")


class Items(Wire, Generic[T]):
    """A plain list."""

    items: list[T]


class Deleted(Wire):
    """The thing is gone."""

    id: str
    object: str
    deleted: Literal[True] = True


class ErrorDetail(Wire):
    """What went wrong. `details` is there only where several things did."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str
    code: str | None
    message: str
    param: str | None = Field(description="The field that it is about, as a dotted path.")
    details: list[dict[str, Any]] | None = Field(None, description="Every problem found: its `line` or `param`, and a `message`.")


class ErrorBody(Wire):
    """The body of every answer of 400 and above."""

    error: ErrorDetail


class PageQuery(Input):
    """Which page of a list to return."""

    limit: int = Field(20, ge=1, le=100, description="How many elements to return.")
    after: str | None = Field(None, description="The id of the last element of the page before.")


def listing(page: Page[Any], shape: Callable[[Any], T]) -> Listing[T]:
    """Return a page of rows, each put into the shape of its wire object."""
    return Listing[Any](data=[shape(row) for row in page.items], has_more=page.has_more)


def window(rows: Sequence[Any], query: PageQuery) -> Page[Any]:
    """Return the page of `rows`, which are all there are and newest first; Invalid where `after` is none of them."""
    ids = [row.id for row in rows]
    if query.after is not None and query.after not in ids:
        raise Invalid(f"No such item to continue after: {query.after}", param="after")
    start = 0 if query.after is None else ids.index(query.after) + 1
    return Page(list(rows[start : start + query.limit]), len(rows) > start + query.limit)

"""What the nouns share: an id, money, and lists in pages."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Generic, Self, TypeVar

import strawberry

from burnish.kit.errors import Invalid
from burnish.kit.money import usd
from burnish.kit.paging import Page
from resolvers import cursors
from resolvers.cursors import Cursor

MOST = 100
MOST_ROWS = 1000

N = TypeVar("N")
C = TypeVar("C", bound="Connection")  # type: ignore[type-arg]

First = Annotated[int, strawberry.argument(description="How many items to give: 1 to 100.")]
FirstRows = Annotated[int, strawberry.argument(description="How many rows to give: 1 to 1,000.")]
After = Annotated[Cursor | None, strawberry.argument(description="Give what follows this cursor of an earlier answer.")]
Search = Annotated[
    str | None,
    strawberry.argument(description="Only those whose name contains this, whatever its case, and the one with this id."),
]
CreatedAfter = Annotated[datetime | None, strawberry.argument(description="Only those made at this moment or later.")]
CreatedBefore = Annotated[datetime | None, strawberry.argument(description="Only those made before this moment.")]
Input = strawberry.argument(description="The whole of the request.")


@strawberry.interface(description="A thing with an id. It is the same id in GraphQL, REST and the command line.")
class Node:
    id: strawberry.ID = strawberry.field(description="The id, such as `job_01k…`. Ids sort by the time they were made.")


@strawberry.type(description="An amount of money.")
class Money:
    amount: Decimal = strawberry.field(description="The exact amount.")
    currency: str = strawberry.field(description="ISO 4217: always `USD`.")

    @classmethod
    def of(cls, micros: int) -> Self:
        return cls(amount=usd(micros), currency="USD")


@strawberry.type(description="Where a page of a list stands.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows `endCursor`.")
    has_previous_page: bool = strawberry.field(
        description="Whether something precedes it; read forwards, whether it was asked for after a cursor."
    )
    start_cursor: Cursor | None = strawberry.field(
        description="The cursor of the first item, or of the last line that a filter looked at where a log is read backwards."
    )
    end_cursor: Cursor | None = strawberry.field(
        description="The cursor of the last item, or of the last that a filter looked at: `after` of the next page."
    )


@strawberry.type(description="An item of a list with its place in there.")
class Edge(Generic[N]):
    cursor: Cursor = strawberry.field(description="The place: `after` of a page that goes on here.")
    node: N = strawberry.field(description="The item.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[N]):
    edges: list[Edge[N]] = strawberry.field(description="The items with their cursors.")
    nodes: list[N] = strawberry.field(description="The items alone.")
    page_info: PageInfo = strawberry.field(description="Whether and where the list goes on.")


def within(count: int, most: int = MOST, name: str = "first") -> int:
    """Return the argument `name`, how many items to give; Invalid where it is not 1 to `most`."""
    if not 1 <= count <= most:
        raise Invalid(f"{name} is 1 to {most}.", param=name)
    return count


def connect(
    kind: type[C], pairs: Sequence[tuple[Cursor, N]], *, after: Cursor | None, has_more: bool, end: Cursor | None = None
) -> C:
    """Return a page of (cursor, item) pairs, which ends at `end` where that is not the last of them."""
    return kind(
        edges=[Edge(cursor=cursor, node=node) for cursor, node in pairs],
        nodes=[node for _, node in pairs],
        page_info=PageInfo(
            has_next_page=has_more,
            has_previous_page=after is not None,
            start_cursor=pairs[0][0] if pairs else None,
            end_cursor=end or (pairs[-1][0] if pairs else None),
        ),
    )


def connect_page(kind: type[C], noun: str, page: Page[N], of: Callable[[N], Node], after: Cursor | None) -> C:
    """Return a resolver's page as a connection of the list `noun`."""
    nodes: Iterable[Node] = map(of, page.items)
    return connect(kind, [(cursors.item(noun, node.id), node) for node in nodes], after=after, has_more=page.has_more)

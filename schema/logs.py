"""The lines of a log as GraphQL gives them: read from anywhere either way, searched, counted. Subscriptions follow them.

The number of a line is its sequence number: it never changes, and it is where the line is read again.
"""

from datetime import datetime
from enum import Enum
from typing import Annotated, ClassVar, Self

import strawberry

from burnish.kit.errors import Invalid
from burnish.kit.scanning import LONGEST_SOUGHT, Sought, word
from burnish.kit.stream import Row
from resolvers import cursors
from resolvers.cursors import Cursor
from resolvers.streams import Streams
from schema.context import Info
from schema.nodes import MOST_ROWS, After, Connection, Edge, FirstRows, Node, PageInfo, within

KIND = "logs"
MOST_LOOKED_AT = 50_000
MOST_COUNTED = 10_000
COUNT_LOOKS_AT = 250_000
MOST_SOURCES = 20


@strawberry.enum(description="How much a log line matters.")
class LogLevel(Enum):
    DEBUG = strawberry.enum_value("debug", description="Detail.")
    INFO = strawberry.enum_value("info", description="What happens.")
    WARNING = strawberry.enum_value("warning", description="Something to look at.")
    ERROR = strawberry.enum_value("error", description="Something failed.")


LEVELS = {level.value: level for level in LogLevel} | {"warn": LogLevel.WARNING, "critical": LogLevel.ERROR}


@strawberry.input(description="Which lines of a log to give: those that all of what is set allows.")
class LogFilter:
    levels: list[LogLevel] | None = strawberry.field(default=None, description="Only these levels.")
    sources: list[str] | None = strawberry.field(
        default=None, description=f"Only these sources, such as `trainer`; {MOST_SOURCES} at most."
    )
    attempt: int | None = strawberry.field(default=None, description="Only this attempt.")
    search: str | None = strawberry.field(
        default=None, description=f"Only lines that contain this, whatever its case; {LONGEST_SOUGHT:,} characters at most."
    )

    def __post_init__(self) -> None:
        if self.levels is not None and len(self.levels) > len(LogLevel):
            raise Invalid("Name each level once.", param="levels")
        if self.sources is not None and len(self.sources) > MOST_SOURCES:
            raise Invalid(f"A filter names {MOST_SOURCES} sources at most.", param="sources")
        if any(len(text) > LONGEST_SOUGHT for text in (*(self.sources or ()), self.search or "")):
            raise Invalid(f"What is searched for has at most {LONGEST_SOUGHT:,} characters.", param="search")

    def matches(self, row: Row) -> bool:
        return (
            (self.levels is None or LEVELS.get(row.data["level"], LogLevel.INFO) in self.levels)
            and (self.sources is None or row.data["source"] in self.sources)
            and (self.attempt is None or row.attempt == self.attempt)
            and (self.search is None or self.search.casefold() in row.data["message"].casefold())
        )

    def sought(self) -> Sought:
        """Return what to look for; chunks without its words are passed over."""
        words: list[tuple[str, ...]] = []
        # Whatever no level is known for counts as INFO.
        if self.levels is not None and LogLevel.INFO not in self.levels:
            words.append(tuple(word(str(name), whole=True) for name, level in LEVELS.items() if level in self.levels))
        if self.sources is not None:
            words.append(tuple(word(source, whole=True) for source in self.sources))
        if self.search:
            words.append((word(self.search),))
        return Sought(self.matches, tuple(words), self.attempt)


Wanted = Annotated[
    LogFilter | None,
    strawberry.argument(
        description=f"Which lines to give; all by default. A request looks at about {MOST_LOOKED_AT:,} lines at most: a page "
        "may be short, or empty, and still say `hasNextPage`; its `endCursor` is then the last line looked at, and the next page "
        "goes on from there. Backwards it is `hasPreviousPage` and `startCursor`."
    ),
]
Last = Annotated[
    int | None,
    strawberry.argument(
        description="Give this many lines, 1 to 1,000, that precede `before`, or the last ones; outranks `first`."
    ),
]
Before = Annotated[Cursor | None, strawberry.argument(description="With `last`: give what precedes this cursor.")]
FromLine = Annotated[int | None, strawberry.argument(description="Begin with the line of this number instead of after a cursor.")]


@strawberry.type(description="A line of a log. What the user's own code prints is here too, by its source.")
class LogLine:
    cursor: Cursor = strawberry.field(description="Its place in the log.")
    number: int = strawberry.field(description="Its number in the log, from 1; it never changes, whatever is filtered.")
    at: datetime = strawberry.field(description="When it was written.")
    level: LogLevel = strawberry.field(description="How much it matters.")
    source: str = strawberry.field(description="Who wrote it, such as `platform`, `trainer`, `stdout` or `stderr`.")
    attempt: int = strawberry.field(description="Which attempt at the work wrote it; 0 before the first.")
    message: str = strawberry.field(description="The line.")

    @classmethod
    def of(cls, resource_id: str, row: Row) -> Self:
        data = row.data
        return cls(
            cursor=cursors.position(resource_id, KIND, row.seq),
            number=row.seq,
            at=datetime.fromisoformat(data["at"]),
            level=LEVELS.get(data["level"], LogLevel.INFO),
            source=data["source"],
            attempt=row.attempt,
            message=data["message"],
        )


@strawberry.type(description="A page of log lines, oldest first.")
class LogConnection(Connection[LogLine]): ...


@strawberry.type(description="Which lines of a log are kept. Their numbers have no gaps, so that any window can be asked for.")
class LogRange:
    first_line: int = strawberry.field(description="The number of the first line that is kept; retention takes the oldest away.")
    last_line: int = strawberry.field(description="The number of the last line; below `firstLine` where there is none.")
    total: int = strawberry.field(description="How many lines there are.")
    ended: bool = strawberry.field(description="Whether no more will come.")


@strawberry.type(description="How many lines of a log a filter allows, as far as one request counts.")
class LogCount:
    lines: int = strawberry.field(description=f"How many were found, {MOST_COUNTED:,} at most.")
    more: bool = strawberry.field(description="Whether there is more to count: there may be more of them after `endCursor`.")
    looked_at_through: int = strawberry.field(description="The number of the last line that was looked at; 0 in an empty log.")
    end_cursor: Cursor | None = strawberry.field(description="The same as a cursor: `after` of a request that counts on.")


async def logs_of(
    info: Info,
    log: Streams,
    resource_id: str,
    first: int,
    after: Cursor | None,
    last: int | None,
    before: Cursor | None,
    from_line: int | None,
    wanted: LogFilter | None,
) -> LogConnection:
    """Return a page of a log's lines, those that are wanted.

    One request looks at about `MOST_LOOKED_AT` lines. Where it ends before it has found enough of them, the page is short, or
    empty, its cursor stands at the last line looked at, and it says that more follows: the next page goes on from there.
    """
    if last is not None:
        if after is not None or from_line is not None:
            raise Invalid("Give last with before, and first with after or from_line.", param="last")
        return await _backwards(info, log, resource_id, _last(last), before, wanted)
    if before is not None:
        raise Invalid("before needs last: how many lines to give.", param="before")
    if after is not None and from_line is not None:
        raise Invalid("Give either a cursor or the number of a line.", param="from_line")
    start = _start(resource_id, after, from_line)
    limit = within(first, MOST_ROWS)
    if wanted is None:
        rows = await log.rows(info.context.known, resource_id, KIND, after=start, limit=limit + 1)
        rows, more, end = rows[:limit], len(rows) > limit, None
    else:
        sought = wanted.sought()
        found = await log.scan(info.context.known, resource_id, KIND, sought, after=start, limit=limit, most=MOST_LOOKED_AT)
        rows, more, end = found.rows, found.more, found.reached
    return _page(resource_id, rows, has_next=more, has_previous=start > 0, end=end)


async def _backwards(
    info: Info, log: Streams, resource_id: str, limit: int, before: Cursor | None, wanted: LogFilter | None
) -> LogConnection:
    ctx = info.context.known
    # A row more than there is, so that lines that come meanwhile are not between this page and what follows it.
    until = (await log.last(ctx, resource_id, KIND)) + 1 if before is None else cursors.read_position(before, resource_id, KIND)
    if wanted is None:
        start = max(0, until - 1 - limit)
        rows = await log.rows(ctx, resource_id, KIND, after=start, limit=limit)
        # Where those are gone that were asked for, the first that are kept were read instead.
        rows = [row for row in rows if row.seq < until]
        extent = await log.extent(ctx, resource_id, KIND)
        more, reached = bool(rows) and rows[0].seq > extent.first, None
    else:
        found = await log.scan(
            ctx, resource_id, KIND, wanted.sought(), before=until, limit=limit, most=MOST_LOOKED_AT, backwards=True
        )
        rows, more, reached = found.rows, found.more, found.reached
    return _page(resource_id, rows, has_next=before is not None, has_previous=more, start=reached)


def _last(last: int) -> int:
    if not 1 <= last <= MOST_ROWS:
        raise Invalid(f"last is 1 to {MOST_ROWS}.", param="last")
    return last


def _start(resource_id: str, after: Cursor | None, from_line: int | None) -> int:
    if from_line is not None:
        if from_line < 1:
            raise Invalid("Lines are numbered from 1.", param="from_line")
        return from_line - 1
    return 0 if after is None else cursors.read_position(after, resource_id, KIND)


def _page(
    resource_id: str, rows: list[Row], *, has_next: bool, has_previous: bool, start: int | None = None, end: int | None = None
) -> LogConnection:
    lines = [LogLine.of(resource_id, row) for row in rows]
    info = PageInfo(
        has_next_page=has_next,
        has_previous_page=has_previous,
        start_cursor=cursors.position(resource_id, KIND, start) if start else lines[0].cursor if lines else None,
        end_cursor=cursors.position(resource_id, KIND, end) if end else lines[-1].cursor if lines else None,
    )
    return LogConnection(edges=[Edge(cursor=line.cursor, node=line) for line in lines], nodes=lines, page_info=info)


async def range_of(info: Info, log: Streams, resource_id: str) -> LogRange:
    """Return which lines of a log are kept."""
    found = await log.extent(info.context.known, resource_id, KIND)
    total = max(0, found.last - found.first + 1)
    return LogRange(first_line=found.first, last_line=found.last, total=total, ended=found.end_reason is not None)


async def count_of(info: Info, log: Streams, resource_id: str, wanted: LogFilter, after: Cursor | None) -> LogCount:
    """Count the lines that are wanted, up to `MOST_COUNTED` of them and among about `COUNT_LOOKS_AT` lines."""
    start = _start(resource_id, after, None)
    found = await log.scan(
        info.context.known, resource_id, KIND, wanted.sought(), after=start, limit=MOST_COUNTED, most=COUNT_LOOKS_AT
    )
    end = cursors.position(resource_id, KIND, found.reached) if found.reached else None
    return LogCount(lines=len(found.rows), more=found.more, looked_at_through=found.reached, end_cursor=end)


@strawberry.type
class Logged:
    """The fields of a node that keeps a log under its id."""

    log: ClassVar[Streams]

    @strawberry.field(description="Its log, oldest line first.")
    async def logs(
        self,
        root: strawberry.Parent[Node],
        info: Info,
        first: FirstRows = 200,
        after: After = None,
        last: Last = None,
        before: Before = None,
        from_line: FromLine = None,
        filter: Wanted = None,
    ) -> LogConnection:
        return await logs_of(info, self.log, root.id, first, after, last, before, from_line, filter)

    @strawberry.field(description="Which lines its log has.")
    async def log_range(self, root: strawberry.Parent[Node], info: Info) -> LogRange:
        return await range_of(info, self.log, root.id)

    @strawberry.field(
        description=f"How many lines of its log a filter allows. A request counts {MOST_COUNTED:,} of them at most and looks at "
        f"about {COUNT_LOOKS_AT:,} lines; `after` its `endCursor` the next one counts on."
    )
    async def log_count(
        self,
        root: strawberry.Parent[Node],
        info: Info,
        filter: Annotated[LogFilter, strawberry.argument(description="Which lines to count.")],
        after: After = None,
    ) -> LogCount:
        return await count_of(info, self.log, root.id, filter, after)

"""Which rows of a job's metrics count, and where they are.

The newest attempt wins: rows of an older attempt are stale where their step lies within the span of steps that a later attempt
has reported. What is left falls into stretches of steps, each of one attempt, which do not overlap. Within an attempt, blocks
whose steps overlap are read together, so that a step which was reported in parts is one row.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

from burnish.kit import packed, series, stream
from burnish.kit.db import Session
from burnish.kit.packed import Meta
from burnish.kit.series import Array, Table

# Decoded at once, where it is the steps that decide how many rows are read together.
BLOCKS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one attempt that are stored together: a packed block, or what waits for being packed, already as a table."""

    attempt: int
    first_step: int
    last_step: int
    keys: list[str]
    count: int
    block: Meta | None = None
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Pieces of one attempt with steps from `first` to `last`, beyond which their rows do not count. No other section has any of
    these steps.
    """

    attempt: int
    first: int
    last: int
    pieces: list[Piece]

    @property
    def block(self) -> Meta | None:
        """The block where the summaries of one can stand for its rows."""
        block = self.pieces[0].block
        return block if len(self.pieces) == 1 and block is not None and block.is_ordered else None

    @property
    def is_cut(self) -> bool:
        """Whether only some of the rows may count."""
        return any(piece.first_step < self.first or piece.last_step > self.last for piece in self.pieces)

    @property
    def count(self) -> int:
        return sum(piece.count for piece in self.pieces)

    def rows_of(self, tables: dict[int, Table], keys: Sequence[str] | None = None) -> Table:
        """Return one row for each step that counts, in order, from the decoded blocks by their first sequence numbers."""
        found = [tables.get(piece.block.first_seq) if piece.block else piece.table for piece in self.pieces]
        there = [table for table in found if table is not None]
        if keys is not None:
            there = [table.only(keys) for table in there]
        rows = series.merged(series.joined(there))
        return rows.take((rows.steps >= self.first) & (rows.steps <= self.last)) if self.is_cut else rows


@dataclass(slots=True)
class Source:
    """The stored metrics of one job, read within one session."""

    session: Session
    job_id: str
    pieces: list[Piece] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return sorted({key for piece in self.pieces for key in piece.keys})

    @property
    def latest_step(self) -> int | None:
        return max((piece.last_step for piece in self.pieces), default=None)

    def sections(self, from_step: int | None = None, to_step: int | None = None) -> list[Section]:
        """Return what counts within the bounds, in the order of the steps."""
        found: list[Section] = []
        taken: list[tuple[int, int]] = []
        lowest = -series.MAX_STEP if from_step is None else from_step
        highest = series.MAX_STEP if to_step is None else to_step
        for attempt in sorted({piece.attempt for piece in self.pieces}, reverse=True):
            its = [piece for piece in self.pieces if piece.attempt == attempt]
            first, last = min(piece.first_step for piece in its), max(piece.last_step for piece in its)
            groups = list(_groups(its))
            for start, end in _without(max(first, lowest), min(last, highest), taken):
                found += [
                    Section(attempt, max(start, low), min(end, high), group)
                    for low, high, group in groups
                    if low <= end and high >= start
                ]
            taken.append((first, last))
        return sorted(found, key=lambda section: section.first)

    async def tables(self, sections: Sequence[Section], keys: Sequence[str] | None = None) -> dict[int, Table]:
        """Decode the blocks of sections."""
        blocks = {piece.block.first_seq: piece.block for section in sections for piece in section.pieces if piece.block}
        return await packed.tables(self.session, self.job_id, blocks.values(), keys)

    async def each(self, sections: Sequence[Section], keys: Sequence[str] | None = None) -> AsyncIterator[tuple[Section, Table]]:
        """Yield the rows of the sections in order, holding few of them at a time."""
        for start in range(0, len(sections), BLOCKS_AT_ONCE):
            some = sections[start : start + BLOCKS_AT_ONCE]
            tables = await self.tables(some, keys)
            for section in some:
                yield section, section.rows_of(tables, keys)


async def load(session: Session, job_id: str) -> Source:
    """Return where the metrics of a job are; what is not packed yet is read at once."""
    waiting = await stream.waiting(session, job_id)
    source = Source(session, job_id)
    blocks = await packed.metas(session, job_id)
    for block in blocks:
        piece = Piece(block.attempt, block.first_step, block.last_step, block.keys, len(block), block)
        source.pieces.append(piece)
    # What was packed after it had been read is not read twice.
    packed_until = blocks[-1].last_seq if blocks else 0
    rows = [row for row in waiting if row.seq > packed_until]
    for attempt in sorted({row.attempt for row in rows}):
        table = series.table([row.data for row in rows if row.attempt == attempt])
        first, last = int(table.steps.min()), int(table.steps.max())
        source.pieces.append(Piece(attempt, first, last, list(table.columns), len(table), table=table))
    return source


def inside(parts: Array, section: Section) -> tuple[Array, bool]:
    """Return the parts that lie within a section, and whether these are all that have steps there."""
    if not section.is_cut:
        return parts, True
    whole = (parts["first"] >= section.first) & (parts["last"] <= section.last)
    touched = (parts["last"] >= section.first) & (parts["first"] <= section.last)
    return parts[whole], bool((touched == whole).all())


def _groups(pieces: list[Piece]) -> Iterator[tuple[int, int, list[Piece]]]:
    """Yield (first step, last step, pieces), where the pieces of different groups have no step in common.

    `pieces` and those of each group are in the order in which they were written.
    """
    order = sorted(range(len(pieces)), key=lambda index: pieces[index].first_step)
    group, last = order[:1], pieces[order[0]].last_step
    for index in order[1:]:
        if pieces[index].first_step > last:
            yield pieces[group[0]].first_step, last, [pieces[item] for item in sorted(group)]
            group, last = [], pieces[index].last_step
        group.append(index)
        last = max(last, pieces[index].last_step)
    yield pieces[group[0]].first_step, last, [pieces[item] for item in sorted(group)]


def _without(first: int, last: int, taken: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the parts of an interval of steps that no other interval covers, in order."""
    for start, end in sorted(taken):
        if start > last or first > last:
            break
        if end < first:
            continue
        if start > first:
            yield first, start - 1
        first = max(first, end + 1)
    if first <= last:
        yield first, last

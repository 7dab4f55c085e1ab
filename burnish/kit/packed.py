"""The packed part of a `metrics` stream: blocks of rows, and one column a key in each (`burnish.kit.series`).

Rows are either here or in a chunk of the stream, never in both and never in neither: they move in one transaction. So whoever
looks for rows looks at the chunks first; what has gone from there meanwhile is here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import delete, insert
from sqlmodel import col, func, select

from burnish.kit import series
from burnish.kit.db import Session
from burnish.kit.series import Block, Table
from burnish.kit.tables import MetricBlock, MetricColumn

BLOCKS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a block without its data."""

    first_seq: int
    last_seq: int
    attempt: int
    first_step: int
    last_step: int
    is_ordered: bool
    keys: list[str]

    def __len__(self) -> int:
        return self.last_seq - self.first_seq + 1


COLUMNS = [col(getattr(MetricBlock, field.name)) for field in fields(Meta)]


async def write(session: Session, resource_id: str, first_seq: int, count: int, attempt: int, block: Block) -> None:
    """Store `count` rows that begin at `first_seq`."""
    session.add(
        MetricBlock(
            resource_id=resource_id,
            first_seq=first_seq,
            last_seq=first_seq + count - 1,
            attempt=attempt,
            first_step=block.first_step,
            last_step=block.last_step,
            is_ordered=block.is_ordered,
            keys=sorted(block.columns),
            steps=block.steps,
        )
    )
    columns = [
        {"resource_id": resource_id, "key": key, "first_seq": first_seq, "summary": summary, "data": data}
        for key, (summary, data) in sorted(block.columns.items())
    ]
    if columns:
        # Through the connection: rows of bytes need no identity in the session.
        await (await session.connection()).execute(insert(MetricColumn), columns)


async def metas(session: Session, resource_id: str) -> list[Meta]:
    """Return all blocks in the order of their rows."""
    statement = select(*COLUMNS).where(MetricBlock.resource_id == resource_id).order_by(col(MetricBlock.first_seq))
    return [Meta(*row) for row in await session.exec(statement)]


async def following(session: Session, resource_id: str, after: int, before: int | None) -> Meta | None:
    """Return the first block with a row after the sequence number `after` and, where it is given, one before `before`."""
    within = col(MetricBlock.resource_id) == resource_id
    start = select(func.max(col(MetricBlock.first_seq))).where(within, col(MetricBlock.first_seq) <= after + 1).scalar_subquery()
    statement = (
        select(*COLUMNS)
        .where(within, col(MetricBlock.first_seq) >= func.coalesce(start, 0), col(MetricBlock.last_seq) > after)
        .order_by(col(MetricBlock.first_seq))
        .limit(1)
    )
    if before is not None:
        statement = statement.where(col(MetricBlock.first_seq) < before)
    row = (await session.exec(statement)).first()
    return None if row is None else Meta(*row)


async def summaries(
    session: Session, resource_id: str, keys: Sequence[str], first: int, last: int
) -> dict[str, dict[int, bytes]]:
    """Return, by key and block, the summaries of the blocks that begin at `first` to `last`."""
    statement = select(MetricColumn.key, MetricColumn.first_seq, MetricColumn.summary).where(
        MetricColumn.resource_id == resource_id,
        col(MetricColumn.key).in_(keys),
        col(MetricColumn.first_seq).between(first, last),
    )
    found: dict[str, dict[int, bytes]] = {key: {} for key in keys}
    for key, first_seq, summary in await session.exec(statement):
        found[key][first_seq] = summary
    return found


async def tables(
    session: Session, resource_id: str, blocks: Iterable[Meta], keys: Sequence[str] | None = None
) -> dict[int, Table]:
    """Return the rows of blocks by the blocks' first sequence numbers, with all of their keys or those given.

    Blocks that retention has deleted meanwhile are left out.
    """
    found: dict[int, Table] = {}
    wanted = list(blocks)
    for start in range(0, len(wanted), BLOCKS_AT_ONCE):
        some = {block.first_seq: block for block in wanted[start : start + BLOCKS_AT_ONCE]}
        found |= await _tables(session, resource_id, some, keys)
    return found


async def _tables(session: Session, resource_id: str, blocks: dict[int, Meta], keys: Sequence[str] | None) -> dict[int, Table]:
    its = MetricBlock.resource_id == resource_id
    statement = select(MetricBlock.first_seq, MetricBlock.steps).where(its, col(MetricBlock.first_seq).in_(blocks))
    steps = {seq: series.steps_of(raw, len(blocks[seq])) for seq, raw in await session.exec(statement)}
    there = {key for block in blocks.values() for key in block.keys}
    wanted = there if keys is None else there.intersection(keys)
    columns: dict[int, dict[str, series.Array]] = {seq: {} for seq in blocks}
    if wanted:
        data = select(MetricColumn.first_seq, MetricColumn.key, MetricColumn.data).where(
            MetricColumn.resource_id == resource_id, col(MetricColumn.key).in_(wanted), col(MetricColumn.first_seq).in_(blocks)
        )
        for seq, key, raw in await session.exec(data):
            columns[seq][key] = series.values_of(raw, len(blocks[seq]))
    return {seq: Table(steps[seq], dict(sorted(columns[seq].items()))) for seq in steps}


async def remove(session: Session, resource_id: str, first_seqs: Sequence[int] | None = None) -> None:
    """Delete blocks with their columns: those given, or all."""
    for table in (MetricColumn, MetricBlock):
        statement = delete(table).where(col(table.resource_id) == resource_id)
        if first_seqs is not None:
            statement = statement.where(col(table.first_seq).in_(first_seqs))
        await session.exec(statement)

"""Alembic's environment: runs the history over the same async engine as the platform."""

import asyncio
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, event
from sqlmodel import AutoString

from burnish.kit.db import Timestamp, make_engine
from models.tables import metadata

MIGRATING = 7_021_934


def render_item(kind: str, value: Any, _context: object) -> str | Literal[False]:
    """Write plain SQL types into a revision, so that it never depends on the code of a later day."""
    if kind == "type" and isinstance(value, Timestamp):
        return "sa.BigInteger()"
    if kind == "type" and isinstance(value, AutoString):
        return "sa.String()"
    return False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        render_item=render_item,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _let_tables_be_rebuilt(connection: Any, record: object) -> None:
    # Dropping the old half of a rebuilt table would count as deleting what other tables refer to; cannot be set in a transaction.
    connection.cursor().execute("PRAGMA foreign_keys=OFF")


async def main() -> None:
    engine = make_engine(context.config.attributes["url"])
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _let_tables_be_rebuilt)
    async with engine.execution_options(burnish_write=True).connect() as connection:
        # Processes that start together migrate one after the other.
        if connection.dialect.name == "postgresql":
            # The lock goes with the connection.
            await connection.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATING})")
            await connection.commit()
        else:
            # One write transaction from before it is read where the history stands until its end: Alembic leaves it alone.
            await connection.exec_driver_sql("SELECT 1")
        await connection.run_sync(run)
        if connection.dialect.name == "sqlite":
            lost = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
            if lost:
                raise RuntimeError(f"the migration would leave rows that refer to nothing: {lost[:5]}")
        await connection.commit()
    await engine.dispose()


asyncio.run(main())

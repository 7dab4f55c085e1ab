"""The database: one engine, short transactions, effects that happen only after the commit.

`transaction()` is the only way to write. Whatever must be told to the world because of it (frames for followers, messages for
hosts) is put on `session.effects` and dispatched after the commit; an effect that fails is logged and lost, because each is only
a hint to look at the database.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any

import orjson
import structlog
from sqlalchemy import BigInteger, Dialect, ExceptionContext, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from burnish.kit import clock
from burnish.kit.errors import Invalid

log = structlog.get_logger(__name__)
BUSY_TIMEOUT_MS = 5000
TURN_S = 30.0
UNTRANSLATABLE = "22021"
# Migrations on SQLite rebuild tables and can only do so with constraints that have names.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Timestamp(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as microseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else clock.to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else clock.from_micros(value)


class Session(AsyncSession):
    """A session that remembers what to do after its commit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.effects: list[object] = []


class Database:
    """`on_commit` receives the effects of each transaction, in order, after its commit."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        self.engine = make_engine(url, pool_size=pool_size)
        self._read = async_sessionmaker(self.engine, class_=Session, expire_on_commit=False)
        writing = self.engine.execution_options(burnish_write=True)
        self._write = async_sessionmaker(writing, class_=Session, expire_on_commit=False)
        self.on_commit: Callable[[list[object]], Awaitable[None]] | None = None
        self._turns = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        with _reached():
            async with self._read() as session:
                yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Session]:
        """Commit on a clean exit, roll back on an exception; then dispatch the effects."""
        async with self._turn():
            with _reached():
                async with self._write() as session:
                    async with session.begin():
                        yield session
                    effects = session.effects
        if effects and self.on_commit is not None:
            try:
                await self.on_commit(effects)
            except Exception:
                log.warning("effects_lost", count=len(effects), exc_info=True)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Let SQLite's writers of this process in one by one, in their order: its own waiting is a lottery that some lose.

        OperationalError after 30 s, which is also what a transaction within a transaction gets.
        """
        if not self.is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(TURN_S):
                await self._turns.acquire()
        except TimeoutError:
            raise OperationalError("BEGIN IMMEDIATE", None, TimeoutError("another writer has not ended")) from None
        try:
            yield
        finally:
            self._turns.release()

    async def dispose(self) -> None:
        await self.engine.dispose()


@contextmanager
def _reached() -> Iterator[None]:
    """Have a pool that has no connection left for too long end as a database does that cannot be reached."""
    try:
        yield
    except PoolTimeout as error:
        raise OperationalError("connect", None, error) from error


def make_engine(url: str, *, pool_size: int = 10) -> AsyncEngine:
    """Return an engine, whose errors show no values; SQLite gets WAL, foreign keys and `BEGIN IMMEDIATE` for writers."""
    if not url.startswith("sqlite"):
        engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            json_deserializer=_read_json,
            hide_parameters=True,
        )
        event.listen(engine.sync_engine, "handle_error", _refuse_text)
        event.listen(engine.sync_engine, "do_connect", _connect)
        return engine
    connecting = {"timeout": BUSY_TIMEOUT_MS / 1000}
    engine = create_async_engine(
        url, pool_size=pool_size, connect_args=connecting, json_deserializer=_read_json, hide_parameters=True
    )
    event.listen(engine.sync_engine, "handle_error", _refuse_text)
    event.listen(engine.sync_engine, "connect", _sqlite_connect)
    event.listen(engine.sync_engine, "begin", _sqlite_begin)
    event.listen(engine.sync_engine, "close", _sqlite_close)
    return engine


def _read_json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # What Python writes and JSON does not know: NaN, infinities, halves of surrogate pairs.
        return json.loads(text)


def _connect(dialect: Dialect, record: object, arguments: Any, options: Any) -> Any:
    """Connect; a server that cannot be reached is an OperationalError, as one that goes away later is."""
    known: Any = dialect.loaded_dbapi
    try:
        return dialect.connect(*arguments, **options)
    except known.Error:
        raise
    except Exception as error:
        raise known.OperationalError(f"{type(error).__name__}: {error}") from error


def _sqlite_connect(connection: Any, record: object) -> None:
    # The driver's own BEGIN is late and deferred, which turns a read that later writes into a lock error: transactions are begun
    # below.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_close(connection: Any, record: object) -> None:
    # Closing does not end a transaction while a statement of it is still referred to, as by the traceback of a cancelled task.
    driver = connection.driver_connection
    if driver._connection is not None:
        driver._tx.put_nowait((None, driver._connection.rollback))


def _sqlite_begin(connection: Any) -> None:
    writing = connection.get_execution_options().get("burnish_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _refuse_text(context: ExceptionContext) -> None:
    """A text that no database can hold or look for is the caller's mistake, wherever it came in."""
    error = context.original_exception
    if getattr(error, "sqlstate", None) == UNTRANSLATABLE:
        raise Invalid("Text cannot hold a NUL character.")
    if isinstance(error, UnicodeEncodeError) or "surrogates not allowed" in str(error):
        raise Invalid("Text cannot hold half of a surrogate pair.")

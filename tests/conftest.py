"""Fixtures of the whole suite: an installation of its own for each test, in a temporary home."""

import asyncio
import random
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from xdist.scheduler import LoadFileScheduling

from burnish.app import create_app
from burnish.kit import ids
from burnish.kit.core import Core
from burnish.kit.db import Database
from burnish.kit.money import parse_usd
from burnish.kit.settings import Settings
from burnish.serve import configured, cut_stalled
from models import migrations
from models.account import Account
from models.migrations import check
from models.tables import metadata
from resolvers import accounts
from resolvers.context import Context, Platform

E2E = "tests/e2e/"


class Scopes(LoadFileScheduling):  # type: ignore[misc]  # it is untyped
    """The tests of a file run in one process, those of the whole platform all in the same one: two at once take too much."""

    def _split_scope(self, nodeid: str) -> str:
        return E2E if nodeid.startswith(E2E) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scopes | None:
    """Distribute the tests over the processes of `-n 2`."""
    return Scopes(config, log) if config.getoption("numprocesses") else None


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def ids_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids only ever grow: without this, those made on a clock that a test moved on would date all that follow."""
    monkeypatch.setattr(ids, "_last", 0)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database made by the real migrations, copied for each test."""
    path = tmp_path_factory.mktemp("migrated") / "burnish.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture
def settings(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an empty installation with a free port, no broker and no GPU."""
    home = tmp_path / "home"
    made = Settings(home=home, port=free_port(), cpu_fallback=True, log_level="warning")
    made.prepare_home()
    shutil.copy(migrated, home / "burnish.db")
    return made


@pytest.fixture
async def core(settings: Settings) -> AsyncIterator[Core]:
    """A core without an API process."""
    made = Core(settings)
    yield made
    await made.close()


@dataclass
class Tenant:
    """An account and a key of it."""

    account: Account
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass
class Server:
    """A running API process (in this one), and a way to make tenants of it."""

    url: str
    app: Starlette
    platform: Platform
    tenant: Tenant
    new_tenant: Callable[..., Awaitable[Tenant]]

    def client(self, tenant: Tenant | None = None) -> httpx2.AsyncClient:
        """Return a client of the API with the tenant's key."""
        # Plain HTTP: reading the trusted certificates would be most of a client's cost.
        return httpx2.AsyncClient(base_url=self.url, headers=(tenant or self.tenant).headers, timeout=30, verify=False)

    async def context(self, tenant: Tenant | None = None, idempotency_key: str | None = None) -> Context:
        """Return a caller's context, to call resolvers directly."""
        from resolvers.auth import authenticate

        principal = await authenticate(self.platform.core, (tenant or self.tenant).key)
        return Context(
            self.platform, principal.account, principal.key, "req_test", idempotency_key, frozenset(principal.key.scopes)
        )


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Server]:
    """The API on a loopback port, with one prepaid tenant who has 100 USD. Nothing executes jobs: rows stay queued."""
    async with serving(settings) as app:
        platform: Platform = app.state.platform

        async def new_tenant(slug: str, credit_usd: str = "100") -> Tenant:
            return Tenant(*await accounts.create(platform.core, slug, credit_micros=parse_usd(credit_usd)))

        yield Server(f"http://127.0.0.1:{settings.port}", app, platform, await new_tenant("tenant"), new_tenant)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Starlette]:
    """Run an API process (in this one) on the port of the settings; its `state.platform` is the platform."""
    app = create_app(settings)
    config = configured(app, settings)
    config.timeout_graceful_shutdown = 1
    running = uvicorn.Server(config)
    running.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    with config.bind_socket() as listening:
        cut_stalled(listening, settings.stall_s)
        task = asyncio.create_task(running.serve(sockets=[listening]))
        while not running.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.01)
        try:
            yield app
        finally:
            running.should_exit = True
            await task


def free_port() -> int:
    """Return a loopback port that is free and below the ephemeral range."""
    # In no order: another run of the tests on this machine looks for one too.
    for port in random.sample(range(20_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database made by the real migrations on a Postgres server of this test run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        with check.postgres() as url:
            # Nothing here needs to survive a power cut.
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                asyncio.run(_execute(url, f"ALTER SYSTEM SET {name} = off"))
            asyncio.run(_execute(url, "SELECT pg_reload_conf()"))
            migrations.upgrade(url)
            yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty installation's database, once of each kind."""
    if request.param == "sqlite":
        copy = shutil.copy(request.getfixturevalue("migrated"), tmp_path / "burnish.db")
        return f"sqlite+aiosqlite:///{copy}"
    url: str = request.getfixturevalue("postgres_url")
    names = ", ".join(f'"{name}"' for name in metadata.tables)
    # A test that left a transaction open fails the next one here rather than letting it wait.
    asyncio.run(_execute(url, "SET lock_timeout = '5s'", f"TRUNCATE {names}"))
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    yield made
    await made.dispose()


async def _execute(url: str, *statements: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await engine.dispose()

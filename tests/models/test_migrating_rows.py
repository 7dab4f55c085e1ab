"""What a database of an earlier version holds is there, and guarded as before, once it is migrated."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from burnish.kit.db import Database
from models import migrations
from models.migrations import check

pytestmark = pytest.mark.anyio
BEFORE = "0004"
ROWS = {
    "account": {
        "id": "acct_1", "slug": "acme", "is_operator": False, "billing_mode": "prepaid", "balance_micros": 5, "held_micros": 2,
        "created_at": 1,
    },
    "api_key": {
        "id": "key_1", "account_id": "acct_1", "name": "ci", "key_prefix": "vk_abc", "key_hash": "ef", "scopes": "[\"read\"]",
        "created_at": 2, "revoked_at": 3,
    },
    "dataset": {
        "id": "ds_1", "account_id": "acct_1", "name": "sums", "source_type": "upload", "num_rows": 3, "columns": "[\"prompt\"]",
        "size_bytes": 7, "sha256": "ab", "storage_key": "k", "created_at": 11,
    },
    "reward_function": {
        "id": "rf_1", "account_id": "acct_1", "name": "exact", "format": "trl", "source": "x", "sha256": "cd", "created_at": 12,
    },
    "job": {
        "id": "job_1", "account_id": "acct_1", "status": "completed", "method": "grpo", "base_model": "tiny",
        "dataset_id": "ds_1",
        "reward_function_id": "rf_1", "output_name": "adder", "hyperparameters": "{}", "hyperparameters_defaulted": "[]",
        "gpu_requested": "{}", "checkpoint_destination": "{}", "attempt": 1, "current_step": 4, "metric_keys": "[]",
        "latest_metrics": "{}", "cost_micros": 9, "lease_token": 3, "created_at": 13, "updated_at": 14,
    },
}  # fmt: skip


def at_the_version_before(url: str) -> None:
    command.upgrade(migrations.config(url), BEFORE)


async def fill(database: Database) -> None:
    async with database.transaction() as session:
        for table, row in ROWS.items():
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            await (await session.connection()).execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)


async def kept(database: Database) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    async with database.read() as session:
        for table, row in ROWS.items():
            columns = ", ".join(f"CAST({name} AS TEXT)" if isinstance(value, str) else name for name, value in row.items())
            (values,) = (await (await session.connection()).execute(text(f"SELECT {columns} FROM {table}"))).all()
            found[table] = dict(zip(row, values, strict=True))
    return found


async def refused(database: Database, statement: str) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await (await session.connection()).execute(text(statement))


async def migrates_with_its_rows(url: str) -> None:
    before = Database(url)
    await fill(before)
    await before.dispose()
    await asyncio.to_thread(migrations.upgrade, url)
    after = Database(url)
    try:
        assert await kept(after) == ROWS
        async with after.read() as session:
            read_at = (await (await session.connection()).execute(text("SELECT read_at FROM dataset"))).scalar_one()
            kinds = (await (await session.connection()).execute(text("SELECT kind, parent_id FROM api_key"))).all()
            asked = "SELECT inference_requests_per_minute, inference_tokens_per_minute FROM api_key"
            limits = (await (await session.connection()).execute(text(asked))).all()
        assert read_at == ROWS["dataset"]["created_at"]
        assert [tuple(row) for row in kinds] == [("key", None)]
        assert [tuple(row) for row in limits] == [(None, None)]
        await refused(after, "UPDATE account SET balance_micros = -1")
        await refused(after, "UPDATE account SET billing_mode = 'free'")
        await refused(after, "UPDATE job SET status = 'odd'")
        await refused(after, "UPDATE api_key SET kind = 'odd'")
        await refused(after, "UPDATE api_key SET parent_id = 'key_2'")
        await refused(after, "DELETE FROM dataset")
    finally:
        await after.dispose()


async def test_sqlite_keeps_rows_and_constraints(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/burnish.db"
    await asyncio.to_thread(at_the_version_before, url)
    await migrates_with_its_rows(url)


async def test_postgres_keeps_rows_and_constraints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with check.postgres() as url:
        await asyncio.to_thread(at_the_version_before, url)
        await migrates_with_its_rows(url)

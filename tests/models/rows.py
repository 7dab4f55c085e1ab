"""Rows for the tests of the models: accounts with credit, jobs and deployments."""

from datetime import timedelta
from typing import Any

from burnish.kit import clock, ids
from burnish.kit.db import Database, Session
from models import ledger
from models.account import PREPAID, Account
from models.dataset import Dataset
from models.deployment import Deployment
from models.job import Job
from models.replica import Replica

GPU = {"type": "H100-80GB", "count": 1}


async def account(database: Database, micros: int = 0, *, mode: str = PREPAID, name: str = "acct") -> str:
    """Make an account with so much credit; return its id."""
    async with database.transaction() as session:
        session.add(Account(id=name, slug=name, billing_mode=mode, created_at=clock.now()))
        await session.flush()
        if micros:
            await ledger.fund(session, name, micros, reference=f"topup:{name}", description="Credit")
    return name


async def job(database: Database, account_id: str = "acct", **values: Any) -> str:
    """Make a job; return its id."""
    async with database.transaction() as session:
        return (await add_job(session, account_id, **values)).id


async def add_job(session: Session, account_id: str, **values: Any) -> Job:
    now = clock.now()
    dataset = Dataset(
        id=ids.new("ds"), account_id=account_id, name="d", columns=[], size_bytes=1, sha256="", storage_key="", created_at=now
    )
    session.add(dataset)
    await session.flush()
    row = Job(
        id=ids.new("job"),
        account_id=account_id,
        base_model="tiny",
        dataset_id=dataset.id,
        output_name="out",
        hyperparameters={},
        hyperparameters_defaulted=[],
        gpu_requested=GPU,
        checkpoint_destination={"type": "veri"},
        created_at=now,
        updated_at=now,
        **values,
    )
    session.add(row)
    await session.flush()
    return row


async def deployment(database: Database, account_id: str = "acct", **values: Any) -> str:
    """Make a deployment; return its id."""
    now = clock.now()
    row = Deployment(
        id=ids.new("dep"),
        account_id=account_id,
        name=values.pop("name", "dep"),
        model="tiny",
        source="huggingface",
        gpu_requested=GPU,
        created_at=now,
        updated_at=now,
        **values,
    )
    async with database.transaction() as session:
        session.add(row)
    return row.id


async def replica(database: Database, deployment_id: str, **values: Any) -> Replica:
    """Make a replica that a host works on; return it."""
    now = clock.now()
    row = Replica(
        **{
            "id": ids.new("rep"),
            "account_id": "acct",
            "deployment_id": deployment_id,
            "status": "running",
            "gpu_requested": GPU,
            "gpu": GPU,
            "attempt": 1,
            "host_id": "host",
            "lease_holder": "host",
            "lease_token": 1,
            "lease_renewed_at": now,
            "lease_expires_at": now + timedelta(seconds=15),
            "created_at": now,
            **values,
        }
    )
    async with database.transaction() as session:
        session.add(row)
    return row

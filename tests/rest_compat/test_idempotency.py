"""Idempotency keys: one key and one request make one thing, however many ask at once."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import func
from sqlmodel import SQLModel, col, select

from models.account import Account
from models.dataset import Dataset
from models.deployment import Deployment
from models.job import Job
from models.ledger import Hold
from models.reward_function import RewardFunction
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
KEY = {"Idempotency-Key": "my-key"}


async def count(server: Server, table: type[SQLModel]) -> int:
    async with server.platform.db.read() as session:
        return int((await session.exec(select(func.count()).select_from(table))).one())


async def test_twenty_creates_at_once_make_one_job(client: httpx2.AsyncClient, server: Server) -> None:
    body = await things.job_body(client)
    answers = await asyncio.gather(*(client.post("/v1/training_jobs", json=body, headers=KEY) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert await count(server, Job) == 1
    assert await count(server, Hold) == 1
    async with server.platform.db.read() as session:
        held = (await session.exec(select(col(Hold.amount_micros)))).one()
        assert (await session.get_one(Account, server.tenant.account.id)).held_micros == held


async def test_the_key_with_another_request_is_409(client: httpx2.AsyncClient, server: Server) -> None:
    body = await things.job_body(client)
    await client.post("/v1/training_jobs", json=body, headers=KEY)
    before = await things.everything(server)
    others: list[tuple[str, dict[str, Any]]] = [
        ("/v1/training_jobs", {"json": {**body, "output_name": "other"}}),
        ("/v1/api_keys", {"json": {"name": "other"}}),
    ]
    for path, sent in others:
        answer = await client.post(path, headers=KEY, **sent)
        found = answer.json()["error"]
        assert (answer.status_code, found["type"], found["code"]) == (409, "conflict_error", "idempotency_conflict")
        assert found["param"] == "Idempotency-Key"
    assert await things.everything(server) == before


async def test_a_key_belongs_to_its_account(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server) -> None:
    for tenant in (client, stranger):
        assert (await tenant.post("/v1/api_keys", json={"name": "a"}, headers=KEY)).status_code == 201


async def test_uploads_and_deployments_are_made_once_too(client: httpx2.AsyncClient, server: Server) -> None:
    deployment = {"model": "a/b", "source": "huggingface", "name": "b", "gpu": {"type": "CPU", "count": 1}}
    wanted: list[tuple[str, dict[str, Any], type[SQLModel]]] = [
        ("/v1/datasets", {"data": {"name": "a"}, "files": {"file": ("a", things.ROWS)}}, Dataset),
        ("/v1/reward_functions", {"data": {"name": "a"}, "files": {"file": ("a", things.REWARD)}}, RewardFunction),
        ("/v1/deployments", {"json": deployment}, Deployment),
    ]
    for number, (path, sent, table) in enumerate(wanted):
        key = {"Idempotency-Key": f"key-{number}"}
        answers = await asyncio.gather(*(client.post(path, headers=key, **sent) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        assert await count(server, table) == 1
    assert len(await server.platform.core.storage.list(server.tenant.account.id)) == 1


async def test_a_refused_request_does_not_use_up_its_key(client: httpx2.AsyncClient) -> None:
    body = await things.job_body(client)
    refused = await client.post("/v1/training_jobs", json={**body, "dataset_id": "ds_unknown"}, headers=KEY)
    assert refused.status_code == 404
    assert (await client.post("/v1/training_jobs", json=body, headers=KEY)).status_code == 201


async def test_a_key_out_of_bounds_is_400(client: httpx2.AsyncClient) -> None:
    for key in ("", "x" * 256):
        answer = await client.post("/v1/api_keys", json={"name": "a"}, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Idempotency-Key")

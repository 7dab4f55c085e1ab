"""Secrets go in by every way there is, right and wrong, and show up nowhere: no answer, log line, event, audit entry, error or
column that is not sealed.
"""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx2
import pytest
import structlog
from sqlalchemy import text

from burnish.kit import logging as platform_logging
from models import sealed
from resolvers import rate_limits, sign_in_links
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
CANARY = "canary-7f3a91d2c4b85e60-must-never-be-seen"
SSH, INTEGRATIONS = "/v1/ssh_keys", "/v1/settings/integrations"
CREATE = "mutation($input: SshKeyInput!) { createSshKey(input: $input) { sshKey { id name publicKey fingerprint } errors { message hint path reason } } }"  # noqa: E501
SET = "mutation($input: SetIntegrationInput!) { setIntegration(input: $input) { integration { provider keyPrefix } errors { message hint path reason } } }"  # noqa: E501


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """Everything that this process logs, at the platform's lowest level, with tracebacks."""
    out = StringIO()
    monkeypatch.setattr("sys.stderr", out)
    platform_logging.configure("debug")
    structlog.configure(cache_logger_on_first_use=False)
    handler = logging.StreamHandler(out)
    logging.getLogger().addHandler(handler)
    yield out
    logging.getLogger().removeHandler(handler)
    structlog.reset_defaults()


SIGN_IN = (
    "mutation($input: SignInInput!) { signIn(input: $input) { session { id userAgent } errors { message hint path reason } } }"
)
SET_PASSWORD = "mutation($input: SetPasswordInput!) { setPassword(input: $input) { errors { message hint path reason } } }"


async def execute(server: Server, statement: str) -> None:
    async with server.platform.db.transaction() as session:
        await (await session.connection()).execute(text(statement))


async def test_secrets_are_seen_nowhere(server: Server, logged: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = things.ssh_pair()
    private = pair["private_key"]
    hidden = [CANARY, *private.splitlines()[1:-1]]
    keyring = server.platform.core.secrets.keyring
    told: list[str] = []

    async def keep(response: httpx2.Response) -> None:
        await response.aread()
        told.append(response.text + repr(response.headers))

    async with server.client() as client:
        client.event_hooks = {"response": [keep]}
        bodies: list[Any] = [
            pair,
            {**pair, "private_key": CANARY},
            {**pair, "private_key": private.replace("OPENSSH", CANARY)},
            {**pair, "public_key": things.ssh_pair()["public_key"]},
            {**pair, "private_key": [CANARY]},
            {**pair, "private_key": {"a": CANARY}},
            {**pair, "private_key": CANARY + "\0"},
            {**pair, "private_key": CANARY + "\ud800"},
            {**pair, "private_key": CANARY * 1000},
            {**pair, "provider": "acme", "private_key": CANARY},
            {"private_key": private, "name": 7},
        ]
        for body in bodies:
            await client.post(SSH, content=json.dumps(body), headers={"Content-Type": "application/json"})
        for path in ("wandb", "acme"):
            for body in ({"token": CANARY}, {"api_key": CANARY}, {"token": CANARY, "api_key": CANARY}, {"token": [CANARY]}):
                await client.put(f"{INTEGRATIONS}/{path}", json=body, headers={"Idempotency-Key": f"{path}-{len(body)}"})
            for wrong in (CANARY + "ü", CANARY + " x", CANARY * 100, CANARY + "\0"):
                await client.put(f"{INTEGRATIONS}/{path}", json={"token": wrong})
        await client.put(f"{INTEGRATIONS}/wandb", content=f'{{"token": "{CANARY}"'.encode())
        await client.put(f"{INTEGRATIONS}/wandb", content=CANARY.encode())
        for name, query in (("SshKeyInput", CREATE), ("SetIntegrationInput", SET)):
            given: list[Any] = [
                {"name": "laptop", "publicKey": pair["public_key"], "privateKey": private},
                {"name": "laptop", "publicKey": pair["public_key"], "privateKey": CANARY},
                {"name": "laptop", "privateKey": CANARY},
                {"name": "laptop", "publicKey": "x", "privateKey": [CANARY]},
                {"name": "laptop", "publicKey": "x", "privateKey": {"a": CANARY}},
                {"provider": "WANDB", "token": CANARY},
                {"provider": "WANDB", "token": CANARY, "apiKey": CANARY},
                {"provider": "ACME", "token": CANARY},
                {"token": CANARY},
                {"provider": "WANDB", "token": [CANARY]},
                {"provider": "WANDB", "token": {"a": CANARY}},
                {"provider": "WANDB", "token": CANARY, "more": 1},
                CANARY,
                [CANARY],
                None,
            ]
            for value in given:
                await client.post("/graphql", json={"query": query, "variables": {"input": value}})
            await client.post("/graphql", json={"query": query, "variables": {name: CANARY}})

        # What goes wrong in the middle of it is logged with its traceback.
        def broken(plain: str, row_id: str) -> str:
            raise RuntimeError("the cipher is broken")

        with monkeypatch.context() as patch:
            patch.setattr(server.platform.core.secrets, "encrypt", broken)
            assert (await client.post(SSH, json=pair)).status_code == 500
            assert (await client.put(f"{INTEGRATIONS}/wandb", json={"token": CANARY})).status_code == 500
            await client.post("/graphql", json={"query": SET, "variables": {"input": {"provider": "WANDB", "token": CANARY}}})
        # No place for it in the database: an error of SQLAlchemy's, which shows the values of its statement if it is let.
        await execute(server, "ALTER TABLE integration RENAME COLUMN sealed_secret TO gone")
        assert (await client.put(f"{INTEGRATIONS}/wandb", json={"token": CANARY})).status_code == 503
        await execute(server, "ALTER TABLE integration RENAME COLUMN gone TO sealed_secret")
        for path in (SSH, INTEGRATIONS, f"{INTEGRATIONS}/wandb", "/v1/audit_log", "/v1/api_keys", "/v1/me"):
            assert (await client.get(path)).status_code == 200
        await client.post(
            "/graphql",
            json={
                "query": "{ sshKeys { nodes { id name publicKey fingerprint provider } } integrations { provider keyPrefix } "
                "auditLog(first: 100) { nodes { action details } } }"
            },
        )
    stored = await things.everything(server)
    rows = json.dumps(stored)
    assert sum(bool(stored[table.name]) for table, _ in sealed.columns()) == 2
    assert "hide_parameters=True" in logged.getvalue()
    assert "the cipher is broken" in logged.getvalue() and "gone" not in rows
    for secret in [*hidden, keyring.current.value.hex(), server.platform.core.secrets.pepper.hex(), server.tenant.key]:
        assert secret not in logged.getvalue()
        assert secret not in rows
        assert [answer for answer in told if secret in answer] == []


async def test_what_signs_in_is_seen_nowhere(server: Server, logged: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    core = server.platform.core
    told: list[str] = []
    secrets: list[str] = []

    async def keep(response: httpx2.Response) -> None:
        await response.aread()
        for cookie in response.headers.get_list("set-cookie"):
            secrets.append(cookie.partition("=")[2].partition(";")[0])
        told.append(response.text)

    async def ask(client: httpx2.AsyncClient, query: str, value: Any, name: str = "input") -> None:
        client.cookies.clear()
        await client.post("/graphql", json={"query": query, "variables": {name: value}})

    async with server.client() as client:
        client.event_hooks = {"response": [keep]}
        await ask(client, SET_PASSWORD, {"newPassword": CANARY, "idempotencyKey": "p"})
        await ask(client, SET_PASSWORD, {"newPassword": CANARY + "2", "currentPassword": CANARY + "3"})
        client.headers.pop("authorization")
        link = (await sign_in_links.create(core, "tenant")).token
        for given in ({"account": "tenant", "password": CANARY}, {"apiKey": server.tenant.key}, {"link": link}, {"link": link}):
            await ask(client, SIGN_IN, given)
        wrong: list[Any] = [CANARY, [CANARY], {"a": CANARY}, None, CANARY + "\0", CANARY + "\ud800", CANARY * 1000]
        for field in ("account", "password", "apiKey", "link"):
            for value in wrong:
                body = json.dumps({"query": SIGN_IN, "variables": {"input": {"account": "tenant", field: value}}})
                await client.post("/graphql", content=body, headers={"Content-Type": "application/json"})
                await ask(client, SIGN_IN, {field: CANARY, "more": CANARY})
        await ask(client, SIGN_IN, CANARY)
        await ask(client, SIGN_IN, CANARY, CANARY)
        cookies = {"Cookie": f"burnish_session={CANARY}", "Origin": server.url}
        await client.post("/graphql", json={"query": "{ viewer { account { id } } }"}, headers=cookies)
        await client.post("/graphql", json={"query": "{ viewer { account { id } } }"}, headers={**cookies, "Origin": CANARY})

        for limit in ("GUESSES_OF_ADDRESS", "GUESSES_AT_ANY"):
            monkeypatch.setattr(rate_limits, limit, 1000)

        # What goes wrong in the middle of it is logged with its traceback.
        def broken(stored: str, password: str) -> bool:
            raise RuntimeError("the comparison is broken")

        with monkeypatch.context() as patch:
            patch.setattr("resolvers.hashing._matches", broken)
            await ask(client, SIGN_IN, {"account": "tenant", "password": CANARY})
        await execute(server, "ALTER TABLE api_key RENAME COLUMN user_agent TO gone")
        await ask(client, SIGN_IN, {"account": "tenant", "password": CANARY})
        await execute(server, "ALTER TABLE api_key RENAME COLUMN gone TO user_agent")
    secrets = [secret for secret in secrets if secret]
    # Among the wrong ones is the right password.
    assert len(secrets) == 4
    assert "the comparison is broken" in logged.getvalue() and "user_agent" in logged.getvalue()
    rows = json.dumps(await things.everything(server))
    for secret in [*secrets, CANARY, link, server.tenant.key.removeprefix("vk_")]:
        assert secret not in logged.getvalue()
        assert secret not in rows
        assert [answer for answer in told if secret in answer] == []

"""SSH keys and integrations over REST."""

import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest
from sqlmodel import select

from models import integration
from models.integration import Integration
from models.ssh_key import SshKey
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
KEYS, INTEGRATIONS = "/v1/ssh_keys", "/v1/settings/integrations"


async def test_an_ssh_key_is_kept_listed_and_deleted(client: httpx2.AsyncClient, server: Server) -> None:
    body = things.ssh_pair() | {"provider": "runpod"}
    answer = await client.post(KEYS, json=body)
    made = answer.json()
    assert answer.status_code == 201
    assert made == {
        "id": made["id"],
        "object": "ssh_key",
        "name": "laptop",
        "provider": "runpod",
        "public_key_fingerprint": made["public_key_fingerprint"],
        "created_at": made["created_at"],
    }
    assert made["id"].startswith("sk_")
    assert (await client.get(KEYS)).json() == {"object": "list", "data": [made], "has_more": False}
    assert (await client.get(f"{KEYS}/{made['id']}")).json() == made
    async with server.platform.db.read() as session:
        row = (await session.exec(select(SshKey))).one()
    assert server.platform.core.secrets.decrypt(row.sealed_private_key, row.id) == body["private_key"]
    assert (await client.delete(f"{KEYS}/{made['id']}")).json() == {"id": made["id"], "object": "ssh_key", "deleted": True}
    assert (await client.get(KEYS)).json()["data"] == []
    for method in ("GET", "DELETE"):
        assert (await client.request(method, f"{KEYS}/{made['id']}")).status_code == 404
    async with server.platform.db.read() as session:
        assert (await session.exec(select(SshKey.sealed_private_key))).one() == ""


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not there")
async def test_the_fingerprint_is_that_of_ssh_keygen(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    body = things.ssh_pair()
    (tmp_path / "id.pub").write_text(body["public_key"])
    printed = subprocess.run(["ssh-keygen", "-lf", tmp_path / "id.pub"], capture_output=True, text=True, check=True).stdout  # noqa: ASYNC221
    assert (await client.post(KEYS, json=body)).json()["public_key_fingerprint"] == printed.split()[1]


async def test_bad_pairs_are_refused_with_their_field(client: httpx2.AsyncClient, server: Server) -> None:
    body = things.ssh_pair()
    before = await things.everything(server)
    for changes, status, param, code in (
        ({"private_key": things.ssh_pair()["private_key"]}, 400, "private_key", "invalid_ssh_key"),
        ({"private_key": "nonsense"}, 400, "private_key", "invalid_ssh_key"),
        ({"public_key": "nonsense"}, 400, "public_key", "invalid_ssh_key"),
        ({"provider": "acme"}, 400, "provider", None),
        ({"name": ""}, 422, "name", "schema_validation"),
        ({"private_key": "x" * 20_000}, 422, "private_key", "schema_validation"),
        ({"passphrase": "x"}, 422, "passphrase", "schema_validation"),
    ):
        error = (answer := await client.post(KEYS, json={**body, **changes})).json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
        assert body["private_key"].splitlines()[1] not in answer.text
    assert await things.everything(server) == before


async def test_one_idempotency_key_keeps_one_pair(client: httpx2.AsyncClient) -> None:
    body, headers = things.ssh_pair(), {"Idempotency-Key": "once"}
    first, again = [(await client.post(KEYS, json=body, headers=headers)).json() for _ in range(2)]
    assert first == again
    assert (await client.post(KEYS, json=things.ssh_pair(), headers=headers)).status_code == 409
    assert len((await client.get(KEYS)).json()["data"]) == 1


async def test_ssh_keys_of_another_account_are_404(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    made = (await client.post(KEYS, json=things.ssh_pair())).json()
    before = await things.everything(server)
    for method in ("GET", "DELETE"):
        assert (await stranger.request(method, f"{KEYS}/{made['id']}")).status_code == 404
    assert (await stranger.get(KEYS)).json()["data"] == []
    assert await things.everything(server) == before


@pytest.mark.parametrize("provider", integration.PROVIDERS)
async def test_an_integration_is_set_shown_and_removed(provider: str, client: httpx2.AsyncClient, server: Server) -> None:
    path = f"{INTEGRATIONS}/{provider}"
    nothing = {"object": "integration", "provider": provider, "configured": False, "key_prefix": None, "updated_at": None}
    assert (await client.get(path)).json() == nothing
    assert (await client.delete(path)).status_code == 404
    for field, secret in (("api_key", "first-" + "x" * 30), ("token", "second" + "y" * 30)):
        answer = await client.put(path, json={field: secret})
        shown = answer.json()
        assert answer.status_code == 200
        assert shown == nothing | {"configured": True, "key_prefix": secret[:8], "updated_at": shown["updated_at"]}
        assert (await client.get(path)).json() == shown
        async with server.platform.db.read() as session:
            found = await integration.secret(session, server.platform.core.secrets, server.tenant.account.id, provider)
            assert found == secret
            (row,) = (await session.exec(select(Integration))).all()
            assert secret not in row.sealed_secret and row.sealed_secret.startswith("1:")
    listed = (await client.get(INTEGRATIONS)).json()["data"]
    assert [item["provider"] for item in listed] == list(integration.PROVIDERS)
    assert [item for item in listed if item["configured"]] == [shown]
    assert (await client.delete(path)).json() == nothing
    assert (await client.get(path)).json() == nothing
    assert (await client.put(path, json={"token": "third-" + "z" * 30})).json()["configured"] is True


async def test_unknown_services_and_bad_credentials_are_refused(client: httpx2.AsyncClient, server: Server) -> None:
    before = await things.everything(server)
    for method in ("GET", "PUT", "DELETE"):
        answer = await client.request(method, f"{INTEGRATIONS}/acme", json={"token": "x" * 20} if method == "PUT" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_not_found")
        assert "openreward, huggingface, wandb" in answer.json()["error"]["message"]
    for body in (
        {},
        {"token": "x", "api_key": "x"},
        {"token": ""},
        {"token": "a b"},
        {"token": "a\nb"},
        {"token": 7},
        {"key": "x"},
    ):
        assert (await client.put(f"{INTEGRATIONS}/wandb", json=body)).status_code == 422, body
    assert await things.everything(server) == before


async def test_a_short_credential_is_shown_in_small_part(client: httpx2.AsyncClient) -> None:
    for secret, shown in (("abc", ""), ("abcdefgh", "ab"), ("a" * 100, "a" * 8)):
        assert (await client.put(f"{INTEGRATIONS}/wandb", json={"token": secret})).json()["key_prefix"] == shown


async def test_integrations_of_another_account_are_not_seen(
    client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, server: Server
) -> None:
    await client.put(f"{INTEGRATIONS}/wandb", json={"token": "x" * 20})
    before = await things.everything(server)
    assert (await stranger.get(f"{INTEGRATIONS}/wandb")).json()["configured"] is False
    assert (await stranger.delete(f"{INTEGRATIONS}/wandb")).status_code == 404
    assert await things.everything(server) == before

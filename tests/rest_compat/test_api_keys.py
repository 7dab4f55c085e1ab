"""API keys over REST, and the account behind one."""

import httpx2
import pytest

from tests.conftest import Server, Tenant

pytestmark = pytest.mark.anyio
REQUESTS, TOKENS = "inference_requests_per_minute", "inference_tokens_per_minute"


async def test_a_key_is_shown_once_and_works_at_once(client: httpx2.AsyncClient, server: Server) -> None:
    answer = await client.post("/v1/api_keys", json={"name": "ci", "expires_in_seconds": 60, "scopes": ["read"]})
    made = answer.json()
    assert answer.status_code == 201
    assert made == {
        "id": made["id"],
        "object": "api_key",
        "name": "ci",
        "key_prefix": made["key"][:11],
        "scopes": ["read"],
        "inference_requests_per_minute": None,
        "inference_tokens_per_minute": None,
        "created_at": made["created_at"],
        "expires_at": made["expires_at"],
        "last_used_at": None,
        "key": made["key"],
    }
    async with server.client(Tenant(server.tenant.account, made["key"])) as other:
        assert (await other.get("/v1/me")).json()["user_id"] == server.tenant.account.id
    listed = (await client.get("/v1/api_keys")).json()["data"]
    assert [item["name"] for item in listed] == ["ci", "default"]
    assert all("key" not in item for item in listed)
    assert listed[0]["last_used_at"].endswith("Z")


async def test_a_revoked_key_is_refused_from_the_next_request_on(client: httpx2.AsyncClient, server: Server) -> None:
    made = (await client.post("/v1/api_keys", json={"name": "ci"})).json()
    async with server.client(Tenant(server.tenant.account, made["key"])) as other:
        assert (await other.get("/v1/me")).status_code == 200
        answer = await client.delete(f"/v1/api_keys/{made['id']}")
        assert answer.json() == {"id": made["id"], "object": "api_key", "deleted": True}
        assert (await other.get("/v1/me")).status_code == 401
    assert (await client.delete(f"/v1/api_keys/{made['id']}")).status_code == 404
    assert [item["name"] for item in (await client.get("/v1/api_keys")).json()["data"]] == ["default"]


async def test_a_replayed_key_is_not_shown_again(client: httpx2.AsyncClient) -> None:
    first, again = [
        (await client.post("/v1/api_keys", json={"name": "ci"}, headers={"Idempotency-Key": "k"})).json() for _ in range(2)
    ]
    assert {**again, "key": first["key"]} == first
    assert "key" not in again
    assert len((await client.get("/v1/api_keys")).json()["data"]) == 2


async def test_a_key_says_what_its_limits_are_and_0_is_none(client: httpx2.AsyncClient) -> None:
    for given, shown in ((60, 60), (1_000_000_000, 1_000_000_000), (0, None), (None, None)):
        made = (await client.post("/v1/api_keys", json={"name": "ci", REQUESTS: given, TOKENS: given})).json()
        listed = (await client.get("/v1/api_keys")).json()["data"][0]
        assert [(row[REQUESTS], row[TOKENS]) for row in (made, listed)] == [(shown, shown)] * 2


async def test_bad_keys_are_refused(client: httpx2.AsyncClient) -> None:
    for body, status, param in (
        ({}, 422, "name"),
        ({"name": "a" * 129}, 422, "name"),
        ({"name": "a", "expires_in_seconds": 0}, 422, "expires_in_seconds"),
        ({"name": "a", "scopes": ["root"]}, 400, "scopes"),
        ({"name": "a", REQUESTS: -1}, 422, REQUESTS),
        ({"name": "a", REQUESTS: 1.5}, 422, REQUESTS),
        ({"name": "a", REQUESTS: True}, 422, REQUESTS),
        ({"name": "a", TOKENS: 1_000_000_001}, 422, TOKENS),
        ({"name": "a", TOKENS: "many"}, 422, TOKENS),
        ({"name": "a", "tokens_per_minute": 5}, 422, "tokens_per_minute"),
    ):
        answer = await client.post("/v1/api_keys", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert len((await client.get("/v1/api_keys")).json()["data"]) == 1


async def test_me_is_the_account_of_the_key(client: httpx2.AsyncClient, server: Server) -> None:
    assert (await client.get("/v1/me")).json() == {
        "object": "user",
        "user_id": server.tenant.account.id,
        "email": None,
        "plan": "prepaid",
        "org": "tenant",
    }

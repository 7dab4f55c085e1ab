"""Where the cookie of a session is taken, and from whose pages: HTTP, websockets, the chat routes and no others."""

import asyncio
import json
from contextlib import suppress

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tests.conftest import Server
from tests.rest_compat import things
from tests.schema.browsers import NAME, SIGN_IN, SIGN_OUT, WHO, Browser
from tests.schema.conftest import DEADLINE_S, NewRun, Sockets, hello

pytestmark = pytest.mark.anyio
MAKE = 'mutation { createApiKey(input: {name: "made"}) { secret errors { code } } }'
FOREIGN = ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost:{port}", "http://app.127.0.0.1:{port}", None)


def origins(server: Server) -> list[str | None]:
    port = server.url.rpartition(":")[2]
    return [None if origin is None else origin.format(port=port) for origin in FOREIGN]


@pytest.fixture
async def browser(server: Server) -> Browser:
    made = Browser(server)
    assert (await made.sign_in(apiKey=server.tenant.key))["errors"] == []
    return made


async def test_a_page_of_another_site_changes_and_reads_nothing(browser: Browser, server: Server) -> None:
    before = await things.everything(server)
    for browser.origin in origins(server):
        for query in (MAKE, WHO, "{ __typename }"):
            refused = await browser.post(query)
            assert refused.status_code == 403, browser.origin
            (error,) = refused.json()["errors"]
            assert (error["extensions"]["code"], error["extensions"]["reason"]) == ("FORBIDDEN", "foreign_origin")
            assert "data" not in refused.json()
            assert "set-cookie" not in refused.headers
    assert await things.everything(server) == before


async def test_a_page_of_ours_is_believed_by_its_origin_or_its_fetch_metadata(browser: Browser) -> None:
    assert (await browser.post(MAKE)).json()["data"]["createApiKey"]["errors"] == []
    browser.origin = None
    assert await browser.status({"Sec-Fetch-Site": "same-origin"}) == 200
    for site in ("none", "same-site", "cross-site"):
        assert await browser.status({"Sec-Fetch-Site": site}) == 403


async def test_a_page_of_another_site_signs_nobody_in(server: Server) -> None:
    for origin in origins(server)[:-1]:
        browser = Browser(server, origin)
        (error,) = (await browser.sign_in(apiKey=server.tenant.key))["errors"]
        assert (error["__typename"], error["reason"]) == ("ForbiddenError", "foreign_origin")
        assert browser.secret is None
    for site in ("cross-site", "same-site", "none"):
        found = await Browser(server, None).post(SIGN_IN, {"Sec-Fetch-Site": site}, input={"apiKey": server.tenant.key})
        assert found.json()["data"]["signIn"]["errors"][0]["reason"] == "foreign_origin"
    # A program names no origin.
    assert (await Browser(server, None).sign_in(apiKey=server.tenant.key))["errors"] == []


async def test_a_query_by_get_takes_the_cookie_and_writes_nothing(browser: Browser, server: Server) -> None:
    json_wanted = {"Accept": "application/json"}
    browser.origin = None
    found = await browser.send("GET", "/graphql", json_wanted, params={"query": WHO})
    assert found.json()["data"]["viewer"]["account"]["slug"] == "tenant"
    before = await things.everything(server)
    assert (await browser.send("GET", "/graphql", json_wanted, params={"query": MAKE})).status_code == 405
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}):
        refused = await browser.send("GET", "/graphql", json_wanted | headers, params={"query": WHO})
        assert refused.status_code == 403
    assert await things.everything(server) == before


async def test_the_chat_routes_take_the_cookie(browser: Browser, server: Server) -> None:
    body = {"model": "nothing", "messages": [{"role": "user", "content": "hi"}]}
    found = await browser.send("POST", "/v1/chat/completions", json=body)
    assert (found.status_code, found.json()["error"]["code"]) == (404, "model_not_found")
    assert (await browser.send("GET", "/v1/models")).json() == {"object": "list", "data": []}
    for browser.origin in origins(server):
        refused = await browser.send("POST", "/v1/chat/completions", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_origin")
        wanted = 200 if browser.origin is None else 403
        assert (await browser.send("GET", "/v1/models")).status_code == wanted


async def test_no_other_route_takes_the_cookie(browser: Browser, server: Server) -> None:
    paths = server.app.routes
    taking = {"/graphql", "/v1/chat/completions", "/v1/models"}
    asked = 0
    for route in paths:
        path = getattr(route, "path", "")
        if not path.startswith("/v1/") or path in taking or "{token}" in path or "webhook" in path or path == "/v1/openapi.json":
            continue
        for method in sorted(getattr(route, "methods", None) or ()):
            answer = await browser.send(method, path.replace("{model:path}", "x"), json=None if method == "GET" else {})
            assert answer.status_code == 401, (method, path)
            asked += 1
    assert asked > 60


async def ended(socket: ClientConnection) -> int | None:
    """Read until the server closes; return its code."""
    async with asyncio.timeout(DEADLINE_S):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code


async def ask(socket: ClientConnection, query: str, **variables: object) -> dict[str, object]:
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query, "variables": variables}}))
    answer: dict[str, object] = json.loads(await asyncio.wait_for(socket.recv(), DEADLINE_S))["payload"]
    return answer


def cookie_of(browser: Browser) -> dict[str, str]:
    return {"Cookie": f"{NAME}={browser.secret}"}


async def test_a_socket_is_opened_by_the_cookie_of_its_handshake(browser: Browser, sockets: Sockets, server: Server) -> None:
    async with sockets.raw(origin=Origin(server.url), additional_headers=cookie_of(browser)) as socket:
        await hello(socket, {})
        answer = await ask(socket, WHO)
        assert answer["data"]["viewer"]["session"]["isCurrent"] is True  # type: ignore[index]


async def test_a_key_of_connection_init_wins_over_the_cookie(browser: Browser, sockets: Sockets, server: Server) -> None:
    other = await server.new_tenant("other")
    async with sockets.raw(origin=Origin(server.url), additional_headers=cookie_of(browser)) as socket:
        await hello(socket, {"apiKey": other.key})
        viewer = (await ask(socket, WHO))["data"]["viewer"]  # type: ignore[index]
        assert (viewer["account"]["slug"], viewer["session"]) == ("other", None)
    async with sockets.raw(origin=Origin(server.url), additional_headers=cookie_of(browser)) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"apiKey": "vk_wrong"}}))
        assert await ended(socket) == 4403


async def test_a_socket_of_another_site_is_refused_whatever_its_cookie(
    browser: Browser, sockets: Sockets, server: Server
) -> None:
    for origin in origins(server)[:-1]:
        with pytest.raises(InvalidStatus, match="403"):
            async with sockets.raw(origin=Origin(str(origin)), additional_headers=cookie_of(browser)):
                pass
    # Without an origin it is no browser: it has to show a key.
    async with sockets.raw(additional_headers=cookie_of(browser)) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert await ended(socket) == 4403
    async with sockets.raw(additional_headers=cookie_of(browser)) as socket:
        await hello(socket, {"apiKey": server.tenant.key})
    for secret in ("planted", server.tenant.key, ""):
        headers = {"Cookie": f"{NAME}={secret}"}
        async with sockets.raw(origin=Origin(server.url), additional_headers=headers) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": {}}))
            assert await ended(socket) == 4403


async def test_nobody_signs_in_or_out_over_a_socket(browser: Browser, sockets: Sockets, server: Server) -> None:
    async with sockets.raw(origin=Origin(server.url), additional_headers=cookie_of(browser)) as socket:
        await hello(socket, {})
        found = (await ask(socket, SIGN_IN, input={"apiKey": server.tenant.key}))["data"]["signIn"]  # type: ignore[index]
        assert (found["session"], found["errors"][0]["__typename"]) == (None, "InvalidStateError")
    async with sockets.raw(origin=Origin(server.url), additional_headers=cookie_of(browser)) as socket:
        await hello(socket, {})
        assert (await ask(socket, SIGN_OUT))["data"]["signOut"]["session"] is None  # type: ignore[index]
    assert await browser.status() == 200


@pytest.mark.parametrize("way", ["sign out", "revoke the key"])
async def test_a_socket_ends_with_its_session(
    browser: Browser, sockets: Sockets, server: Server, new_run: NewRun, way: str
) -> None:
    run = await new_run()
    async with sockets.raw(origin=Origin(server.url), additional_headers=cookie_of(browser)) as socket:
        await hello(socket, {})
        follow = "subscription($id: ID!) { jobEvents(jobId: $id) { __typename } }"
        assert "errors" not in await ask(socket, follow, id=run.id)
        if way == "sign out":
            await browser(SIGN_OUT)
        else:
            key_id = (await server.context()).key.id
            async with server.client() as client:
                assert (await client.delete(f"/v1/api_keys/{key_id}")).status_code == 200
        assert await ended(socket) == 4403


async def test_sessions_share_subscriptions_with_keys_of_the_same_scopes(
    browser: Browser, sockets: Sockets, server: Server, new_run: NewRun
) -> None:
    run = await new_run()
    follow = "subscription($id: ID!) { jobLogs(jobId: $id) { __typename } }"
    async with sockets.raw(origin=Origin(server.url), additional_headers=cookie_of(browser)) as socket, sockets() as live:
        await hello(socket, {})
        assert "errors" not in await ask(socket, follow, id=run.id)
        await (await live.start(follow, id=run.id)).frame()
        async with asyncio.timeout(DEADLINE_S):
            while run.followers != 1:
                await asyncio.sleep(0.005)


async def test_urls_that_are_signed_need_no_cookie(browser: Browser, server: Server) -> None:
    upload = await browser("mutation { createUpload(input: {}) { upload { url } } }")
    async with httpx2.AsyncClient(verify=False) as client:
        assert (await client.put(upload["upload"]["url"], content=b"{}")).status_code == 201

"""Signing in and out over HTTP: the cookie, what a session may do, and what ends it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from burnish.kit import clock
from models.api_key import SESSION, ApiKey
from models.audit import AuditEntry
from resolvers import sign_in_links
from tests.conftest import Server
from tests.rest_compat import things
from tests.schema.browsers import (
    NAME,
    PASSWORD,
    REVOKE,
    SESSIONS,
    SET_PASSWORD,
    SIGN_IN,
    SIGN_OUT,
    WHO,
    Browser,
    with_password,
)
from tests.schema.conftest import Api

pytestmark = pytest.mark.anyio
ALL = ["read", "write", "inference"]
DAY_S = 86_400


async def token_of(server: Server, slug: str = "tenant") -> str:
    return (await sign_in_links.create(server.platform.core, slug)).token


async def rows(server: Server) -> list[ApiKey]:
    async with server.platform.db.read() as session:
        return list((await session.exec(select(ApiKey).where(ApiKey.kind == SESSION).order_by("id"))).all())


def wrong(message: str, *path: str, reason: str | None = "invalid_credentials") -> dict[str, Any]:
    error = {"__typename": "FieldError", "reason": reason, "message": message, "path": list(path)}
    return {"session": None, "errors": [error]}


async def test_a_password_signs_in_by_name_and_by_email(server: Server) -> None:
    await with_password(server.platform.core)
    from resolvers import account_users

    await account_users.set_email(server.platform.core, "tenant", "Ada@Example.org")
    for account in ("tenant", " Tenant ", "ada@example.org", "ADA@EXAMPLE.ORG"):
        browser = Browser(server)
        made = await browser.sign_in(account=account, password=PASSWORD)
        assert made["errors"] == []
        session = made["session"]
        assert (session["signedInWith"], session["scopes"], session["isCurrent"]) == ("PASSWORD", ALL, True)
        assert (session["apiKey"], session["userAgent"]) == (None, "Firefox")
        who = await browser.who()
        assert who["account"]["slug"] == "tenant"
        assert who["session"] == {"id": session["id"], "signedInWith": "PASSWORD", "isCurrent": True}
        assert who["apiKey"] == {"id": session["id"], "scopes": ALL}


async def test_the_cookie_is_kept_from_scripts_and_other_sites_for_thirty_days(server: Server) -> None:
    await with_password(server.platform.core)
    browser = Browser(server)
    await browser.sign_in(account="tenant", password=PASSWORD)
    assert browser.last is not None
    (cookie,) = browser.last.headers.get_list("set-cookie")
    name_and_secret, *attributes = cookie.split("; ")
    assert name_and_secret == f"{NAME}={browser.secret}"
    lasts_s = int(attributes.pop(1).removeprefix("Max-Age="))
    assert 30 * DAY_S - 60 < lasts_s <= 30 * DAY_S
    assert attributes == ["Path=/", "HttpOnly", "SameSite=Lax"]
    assert browser.last.headers["cache-control"] == "no-store"
    assert str(browser.secret) not in browser.last.text


async def test_over_https_the_cookie_is_secure_and_of_this_host_alone(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    await with_password(server.platform.core)
    monkeypatch.setitem(server.platform.core.settings.__dict__, "base_url", "https://burnish.example")
    browser = Browser(server, "https://burnish.example")
    await browser.sign_in(account="tenant", password=PASSWORD)
    assert browser.last is not None
    (cookie,) = browser.last.headers.get_list("set-cookie")
    assert cookie.startswith(f"__Host-{NAME}=") and cookie.endswith("; HttpOnly; SameSite=Lax; Secure")
    secret = cookie.partition("=")[2].partition(";")[0]
    assert await browser.status({"Cookie": f"__Host-{NAME}={secret}"}) == 200
    # One of the plain name may come from a subdomain or from before.
    assert await browser.status({"Cookie": f"{NAME}={secret}"}) == 401


async def test_a_key_signs_in_and_lends_its_scopes_and_its_end(api: Api, server: Server) -> None:
    make = "mutation($input: ApiKeyInput!) { createApiKey(input: $input) { secret apiKey { id expiresAt } } }"
    wanted = {"name": "ci", "scopes": ["read"], "expiresInSeconds": 600}
    made = (await api.data(make, input=wanted))["createApiKey"]
    browser = Browser(server)
    session = (await browser.sign_in(apiKey=made["secret"]))["session"]
    assert (session["signedInWith"], session["scopes"]) == ("API_KEY", ["read"])
    assert session["apiKey"] == {"id": made["apiKey"]["id"]}
    assert session["expiresAt"] == made["apiKey"]["expiresAt"]
    assert browser.last is not None
    assert "Max-Age=59" in browser.last.headers["set-cookie"] or "Max-Age=600" in browser.last.headers["set-cookie"]
    before = await things.everything(server)
    answer = await browser('mutation { createApiKey(input: {name: "more"}) { errors { __typename message } } }')
    message = "This session does not have the scope 'write'."
    assert answer == {"errors": [{"__typename": "ForbiddenError", "message": message}]}
    assert await things.everything(server) == before


async def test_a_key_without_an_end_signs_in_for_thirty_days(server: Server) -> None:
    session = (await Browser(server).sign_in(apiKey=server.tenant.key))["session"]
    (row,) = await rows(server)
    assert row.expires_at == row.created_at + timedelta(days=30)
    assert session["scopes"] == ALL


async def test_a_link_signs_in_once(server: Server) -> None:
    token = await token_of(server)
    browser = Browser(server)
    assert (await browser.sign_in(link=token))["session"]["signedInWith"] == "LINK"
    assert await browser.status() == 200
    other = Browser(server)
    assert await other.sign_in(link=token) == wrong("This link does not work: it was used, or its time is over.")
    assert other.secret is None
    assert len(await rows(server)) == 1


async def test_a_link_is_over_after_a_day(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    token, start = await token_of(server), clock.now_micros()
    monkeypatch.setattr(clock, "now_micros", lambda: start + 24 * 3600 * 1_000_000)
    made = await Browser(server).sign_in(link=token)
    assert made == wrong("This link does not work: it was used, or its time is over.")
    assert await rows(server) == []


async def test_whatever_is_wrong_is_answered_alike(server: Server) -> None:
    await with_password(server.platform.core)
    await server.new_tenant("without")
    before = await things.everything(server)
    answers = {
        str(await Browser(server).sign_in(account=account, password=password))
        for account, password in (
            ("tenant", "not the password"),
            ("tenant", PASSWORD + " "),
            ("nobody", PASSWORD),
            ("without", PASSWORD),
            ("a@b", PASSWORD),
            (server.tenant.account.id, PASSWORD),
        )
    }
    assert answers == {str(wrong("The account or the password is wrong."))}
    for key in ("vk_nothing", server.tenant.key[:-1], server.tenant.key.removeprefix("vk_"), "x" * 256):
        assert await Browser(server).sign_in(apiKey=key) == wrong("Invalid API key")
    assert (await Browser(server).sign_in(link="nothing"))["errors"][0]["reason"] == "invalid_credentials"
    assert await things.everything(server) == before


async def test_one_way_is_taken_and_each_field_says_what_it_lacks(server: Server) -> None:
    browser = Browser(server)
    message = "Sign in with account and password, or with an API key, or with a link: with one of them."
    for given in ({}, {"apiKey": "vk_x", "link": "x"}, {"account": "tenant", "password": "x", "link": "x"}):
        assert await browser.sign_in(**given) == wrong(message, reason="one_of")
    assert await browser.sign_in(account="tenant") == wrong("password: this field is required", "password", reason=None)
    assert await browser.sign_in(password="x") == wrong("account: this field is required", "account", reason=None)
    (error,) = (await browser.sign_in(apiKey="x" * 257))["errors"]
    assert (error["__typename"], error["path"]) == ("FieldError", ["apiKey"])


async def test_each_sign_in_has_a_new_secret_and_ends_the_one_before(server: Server) -> None:
    browser = Browser(server)
    await browser.sign_in(apiKey=server.tenant.key)
    first = browser.secret
    await browser.sign_in(apiKey=server.tenant.key)
    assert browser.secret not in (None, first)
    assert await browser.status() == 200
    browser.secret = first
    assert await browser.status() == 401
    assert [row.revoked_at is None for row in await rows(server)] == [False, True]


async def test_a_secret_that_somebody_planted_is_never_taken_over(server: Server) -> None:
    browser = Browser(server)
    browser.secret = "planted"
    await browser.sign_in(apiKey=server.tenant.key)
    assert browser.secret not in (None, "planted")
    assert "planted" not in str(await things.everything(server))


async def test_signing_out_ends_the_session_and_clears_the_cookie(api: Api, server: Server) -> None:
    browser = Browser(server)
    session = (await browser.sign_in(apiKey=server.tenant.key))["session"]
    secret = browser.secret
    gone = await browser(SIGN_OUT)
    assert (gone["session"]["id"], gone["errors"]) == (session["id"], [])
    assert gone["session"]["revokedAt"] is not None
    assert browser.last is not None
    assert browser.last.headers["set-cookie"] == f"{NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    assert browser.secret is None
    browser.secret = secret
    refused = await browser.post(WHO)
    assert (refused.status_code, "data" in refused.json()) == (401, False)
    assert refused.headers["set-cookie"].startswith(f"{NAME}=; ")
    assert (await api.data(SIGN_OUT))["signOut"] == {
        "session": None,
        "errors": [{"__typename": "InvalidStateError", "reason": "invalid_state"}],
    }


async def test_sessions_are_listed_and_ended_and_are_no_keys(api: Api, server: Server) -> None:
    one, two = Browser(server), Browser(server)
    first, second = [(await each.sign_in(apiKey=server.tenant.key))["session"]["id"] for each in (one, two)]
    listed = [(node["id"], node["isCurrent"]) for node in (await two(SESSIONS))["nodes"]]
    assert listed == [(second, True), (first, False)]
    assert [key["name"] for key in (await api.data("{ apiKeys(active: false) { nodes { name } } }"))["apiKeys"]["nodes"]] == [
        "default"
    ]
    assert (await api.data("query($id: ID!) { apiKey(id: $id) { id } }", id=first))["apiKey"] is None
    assert (await api.data("query($id: ID!) { node(id: $id) { __typename } }", id=first))["node"] == {"__typename": "Session"}
    revoke = "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { __typename } } }"
    assert (await api.data(revoke, id=first))["revokeApiKey"]["errors"] == [{"__typename": "NotFoundError"}]
    async with server.client() as client:
        assert [key["name"] for key in (await client.get("/v1/api_keys")).json()["data"]] == ["default"]
        assert (await client.delete(f"/v1/api_keys/{first}")).status_code == 404
    assert await one.status() == 200
    assert (await two(REVOKE, id=first)) == {"session": {"id": first}, "errors": []}
    assert (await one.status(), await two.status()) == (401, 200)
    assert (await two(REVOKE, id=first))["errors"] == [{"__typename": "NotFoundError"}]
    assert [node["id"] for node in (await two(SESSIONS))["nodes"]] == [second]


async def test_another_account_sees_and_ends_no_session(server: Server) -> None:
    mine, theirs = Browser(server), Browser(server)
    session = (await mine.sign_in(apiKey=server.tenant.key))["session"]["id"]
    await theirs.sign_in(apiKey=(await server.new_tenant("other")).key)
    assert len((await theirs(SESSIONS))["nodes"]) == 1
    assert await theirs("query($id: ID!) { node(id: $id) { id } }", id=session) is None
    assert (await theirs(REVOKE, id=session))["errors"] == [{"__typename": "NotFoundError"}]
    assert await mine.status() == 200


async def test_a_session_is_over_when_its_time_is(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, start = Browser(server), clock.now_micros()
    await browser.sign_in(apiKey=server.tenant.key)
    monkeypatch.setattr(clock, "now_micros", lambda: start + (30 * DAY_S - 60) * 1_000_000)
    assert await browser.status() == 200
    monkeypatch.setattr(clock, "now_micros", lambda: start + (30 * DAY_S + 60) * 1_000_000)
    assert await browser.status() == 401
    assert browser.secret is None


async def test_a_key_takes_its_sessions_with_it(api: Api, server: Server) -> None:
    made = (await api.data('mutation { createApiKey(input: {name: "ci"}) { secret apiKey { id } } }'))["createApiKey"]
    ended, other = Browser(server), Browser(server)
    await ended.sign_in(apiKey=made["secret"])
    await other.sign_in(apiKey=server.tenant.key)
    await api.data("mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } }", id=made["apiKey"]["id"])
    assert (await ended.status(), await other.status()) == (401, 200)
    assert (await Browser(server).sign_in(apiKey=made["secret"])) == wrong("Invalid API key")


async def test_a_session_is_no_key_and_a_key_is_no_session(server: Server) -> None:
    browser = Browser(server)
    await browser.sign_in(apiKey=server.tenant.key)
    secret = browser.secret
    async with server.client() as client:
        client.headers.pop("authorization")
        for prefix in ("", "vk_", "lk_"):
            for header, value in (("Authorization", f"Bearer {prefix}{secret}"), ("xi-api-key", f"{prefix}{secret}")):
                assert (await client.get("/v1/me", headers={header: value})).status_code == 401
    for planted in (server.tenant.key, server.tenant.key.removeprefix("vk_")):
        browser.secret = planted
        assert await browser.status() == 401
    assert (await Browser(server).sign_in(apiKey=f"vk_{secret}")) == wrong("Invalid API key")


async def test_a_header_always_wins_over_the_cookie(server: Server) -> None:
    browser, other = Browser(server), await server.new_tenant("other")
    await browser.sign_in(apiKey=server.tenant.key)
    answer = (await browser.post(WHO, other.headers)).json()["data"]["viewer"]
    assert (answer["account"]["slug"], answer["session"]) == ("other", None)
    for header in ({"Authorization": "Bearer vk_wrong"}, {"Authorization": "Basic dTpw"}, {"xi-api-key": "vk_wrong"}):
        assert await browser.status(header) == 401
        assert browser.secret is not None
    # Nothing is done with the cookie, so that it does not matter either whose page it is.
    browser.origin = "https://evil.example"
    assert await browser.status(other.headers) == 200


async def test_a_password_is_set_with_the_one_before_and_ends_other_sessions(server: Server) -> None:
    one, two = Browser(server), Browser(server)
    await one.sign_in(apiKey=server.tenant.key)
    await two.sign_in(apiKey=server.tenant.key)
    link = await token_of(server)
    assert (await one("{ viewer { account { hasPassword } } }")) == {"account": {"hasPassword": False}}
    assert await one(SET_PASSWORD, input={"newPassword": PASSWORD}) == {"errors": []}
    assert (await one("{ viewer { account { hasPassword } } }")) == {"account": {"hasPassword": True}}
    assert (await one.status(), await two.status()) == (200, 401)
    assert (await two.sign_in(link=link))["errors"][0]["reason"] == "invalid_credentials"
    assert (await two.sign_in(account="tenant", password=PASSWORD))["errors"] == []
    for given, reason in (
        ({"newPassword": "another password"}, None),
        (
            {"newPassword": "another password", "currentPassword": "wrong password"},
            "invalid_credentials",
        ),
    ):
        (error,) = (await one(SET_PASSWORD, input=given))["errors"]
        assert (error["__typename"], error["reason"], error["path"]) == ("FieldError", reason, ["currentPassword"])
    assert await two.status() == 200
    change = {"newPassword": "another password", "currentPassword": PASSWORD, "idempotencyKey": "p"}
    for _ in range(2):
        assert await two(SET_PASSWORD, input=change) == {"errors": []}
    assert (await one.status(), await two.status()) == (401, 200)
    assert (await one.sign_in(account="tenant", password=PASSWORD))["session"] is None
    assert (await one.sign_in(account="tenant", password="another password"))["errors"] == []


async def test_who_came_by_a_link_may_set_a_password_that_was_forgotten(server: Server) -> None:
    await with_password(server.platform.core)
    browser = Browser(server)
    await browser.sign_in(link=await token_of(server))
    assert await browser(SET_PASSWORD, input={"newPassword": "a new password"}) == {"errors": []}
    assert (await Browser(server).sign_in(account="tenant", password="a new password"))["errors"] == []


async def test_a_password_has_ten_characters_and_keeps_its_spaces(api: Api, server: Server) -> None:
    for short in ("", "123456789", " " * 9, "x" * 1025, "nine\0nine\0"):
        (error,) = (await api.data(SET_PASSWORD, input={"newPassword": short}))["setPassword"]["errors"]
        assert (error["__typename"], error["path"]) == ("FieldError", ["newPassword"]), short
    assert (await api.data(SET_PASSWORD, input={"newPassword": "  éspaced  "}))["setPassword"]["errors"] == []
    assert (await Browser(server).sign_in(account="tenant", password="éspaced"))["session"] is None
    # The same letter, composed otherwise.
    assert (await Browser(server).sign_in(account="tenant", password="  e\u0301spaced  "))["errors"] == []


async def test_a_key_that_may_not_do_everything_sets_no_password(api: Api, server: Server) -> None:
    make = 'mutation { createApiKey(input: {name: "w", scopes: ["write", "read"]}) { secret } }'
    browser = Browser(server)
    await browser.sign_in(apiKey=(await api.data(make))["createApiKey"]["secret"])
    before = await things.everything(server)
    (error,) = (await browser(SET_PASSWORD, input={"newPassword": PASSWORD}))["errors"]
    assert error["__typename"] == "ForbiddenError"
    assert await things.everything(server) == before


async def test_the_audit_log_tells_who_signed_in_and_out(server: Server) -> None:
    browser = Browser(server)
    session = (await browser.sign_in(apiKey=server.tenant.key))["session"]["id"]
    await browser(SET_PASSWORD, input={"newPassword": PASSWORD})
    await browser('mutation { createApiKey(input: {name: "ci"}) { errors { code } } }')
    await browser(SIGN_OUT)
    await Browser(server).sign_in(account="tenant", password="wrong password")
    async with server.platform.db.read() as read:
        entries = (await read.exec(select(AuditEntry).order_by("created_at", "id"))).all()
    told = [(entry.action, entry.actor, entry.actor_name) for entry in entries if entry.actor != "operator"]
    called = "session, by key default"
    done = ("sessions.sign_in", "passwords.set", "api_keys.create", "sessions.sign_out")
    assert told == [(action, session, called) for action in done]
    assert [entry.resource_id for entry in entries if entry.action.startswith("sessions.")] == [session, session]
    assert all(entry.request_id for entry in entries if entry.actor == session)


async def test_a_stranger_may_sign_in_and_nothing_else(server: Server) -> None:
    before = await things.everything(server)
    browser = Browser(server)
    key = server.tenant.key
    enter = f'signIn(input: {{apiKey: "{key}"}}) {{ session {{ id }} }}'
    leave = "signOut(input: {}) { errors { code } }"
    for query in (
        f'mutation {{ {enter} createApiKey(input: {{name: "x"}}) {{ secret }} }}',
        f"mutation {{ {leave} }}",
        f"mutation {{ {enter} ...More }} fragment More on Mutation {{ {leave} }}",
    ):
        refused = await browser.post(query)
        assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    assert await things.everything(server) == before
    assert (await browser(SIGN_IN.replace("mutation(", "mutation Enter("), input={"apiKey": key}))["errors"] == []


async def test_nobody_signs_in_by_get(server: Server) -> None:
    query = f'mutation {{ signIn(input: {{apiKey: "{server.tenant.key}"}}) {{ session {{ id }} }} }}'
    response = await Browser(server).send("GET", "/graphql", {"Accept": "application/json"}, params={"query": query})
    assert "set-cookie" not in response.headers
    assert response.status_code in (401, 405)
    assert await rows(server) == []

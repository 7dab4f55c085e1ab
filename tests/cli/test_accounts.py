"""The operator's ways to let people into the dashboard: a link, a password, an email address."""

import json

import pytest

from burnish import local
from burnish.kit.settings import Settings
from resolvers import sessions
from resolvers.context import Platform
from resolvers.inference import Gateway
from resolvers.sessions import Guest, SignInInput
from tests.cli.conftest import Commands
from tests.conftest import Server

pytestmark = pytest.mark.anyio
PASSWORD = "correct horse battery"


async def enters(server: Server, **given: str) -> str:
    """Sign in; return the account's name."""
    return (await sessions.sign_in(Guest(server.platform, "req", ""), SignInInput(**given))).context.account.slug


async def test_a_link_signs_in_at_the_address_that_the_platform_has(
    burnish: Commands, server: Server, settings: Settings
) -> None:
    burnish.environment["BURNISH_PORT"] = str(settings.port)
    made = await burnish.json("accounts", "link", "tenant")
    assert list(made) == ["url", "expires_at"]
    head, token = made["url"].split("#link=")
    assert head == f"{settings.base_url}/sign-in"
    assert await enters(server, link=token) == "tenant"
    local.write_private(settings.home / "credentials.json", {"base_url": "http://127.0.0.1:9999", "api_key": "vk_x"})
    assert (await burnish.json("accounts", "link", "tenant"))["url"].startswith("http://127.0.0.1:9999/sign-in#link=")
    burnish.environment["BURNISH_PUBLIC_URL"] = "https://burnish.example/"
    assert (await burnish.json("accounts", "link", "tenant"))["url"].startswith("https://burnish.example/sign-in#link=")
    await burnish("accounts", "link", "nobody", code=4)


async def test_a_password_is_read_from_standard_input(burnish: Commands, server: Server) -> None:
    said = await burnish("accounts", "password", "tenant", "--stdin", text=f"{PASSWORD}\r\nmore\n")
    assert (said.stdout, said.stderr) == ("", "tenant has a new password, and its sessions have ended.\n")
    assert await enters(server, account="tenant", password=PASSWORD) == "tenant"
    assert await burnish.json("accounts", "email", "tenant", "Ada@example.org") == {"name": "tenant"}
    assert await enters(server, account="ada@example.org", password=PASSWORD) == "tenant"
    short = await burnish("accounts", "password", "tenant", "--stdin", text="short\n", code=1)
    assert short.stderr == "Error: password: A password has 10 to 1024 characters.\n"
    assert "no email address" in (await burnish("accounts", "email", "tenant", "ada", code=1)).stderr
    await burnish("accounts", "password", "nobody", "--stdin", text=f"{PASSWORD}\n", code=4)
    assert await enters(server, account="tenant", password=PASSWORD) == "tenant"


async def test_a_password_is_typed_twice_and_not_shown(
    burnish: Commands, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed: list[str] = []
    shown: list[bool] = []

    def input_(self: object, asked: str, *, password: bool) -> str:
        shown.append(not password)
        return typed.pop(0)

    monkeypatch.setattr("rich.console.Console.input", input_)
    monkeypatch.setattr("burnish.cli.accounts._is_asked", lambda: True)
    typed += [PASSWORD, PASSWORD + "x"]
    assert "not the same" in (await burnish("accounts", "password", "tenant", code=2)).stderr
    typed += [PASSWORD, PASSWORD]
    await burnish("accounts", "password", "tenant")
    assert shown == [False] * 4
    assert await enters(server, account="tenant", password=PASSWORD) == "tenant"


async def test_the_first_start_makes_a_link_that_no_file_keeps(settings: Settings) -> None:
    from burnish.kit.core import opened

    link = await local._first_account(settings)
    assert link is not None
    kept = (settings.home / "credentials.json").read_text()
    assert json.loads(kept)["dashboard_url"] == f"{settings.base_url}/"
    head, token = link.split("#link=")
    assert head == f"{settings.base_url}/sign-in"
    assert token not in kept
    async with opened(settings) as core:
        signed = await sessions.sign_in(Guest(Platform(core, Gateway(core)), "req", ""), SignInInput(link=token))
        assert signed.context.account.is_operator
    assert await local._first_account(settings) is None
    assert (settings.home / "credentials.json").read_text() == kept


async def test_the_link_is_told_where_the_dashboard_is(
    server: Server, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials = {"base_url": settings.base_url, "api_key": "vk_x", "dashboard_url": f"{settings.base_url}/"}
    local.write_private(settings.home / "credentials.json", credentials)
    await local._announce(settings, "http://x/sign-in#link=y")
    assert json.loads(capsys.readouterr().out) == credentials | {"dashboard_url": "http://x/sign-in#link=y"}
    await local._announce(settings, None)
    assert json.loads(capsys.readouterr().out) == credentials

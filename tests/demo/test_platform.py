"""Which platform the demo takes: one that runs and is this installation's, and no other."""

import json

import anyio.to_thread
import pytest

from burnish.cli.exits import CliError
from burnish.cli.output import Output
from burnish.demo import platform
from burnish.kit.settings import Settings
from tests.conftest import Server, free_port

pytestmark = pytest.mark.anyio


def take(settings: Settings) -> tuple[str, bool]:
    """Return the key of the platform that the demo takes, and whether it started it."""
    with platform.running(settings, Output()) as found:
        return found.target.api_key, found.process is not None


async def test_running_platform_of_this_installation_is_taken(settings: Settings, server: Server) -> None:
    (settings.home / "credentials.json").write_text(json.dumps({"api_key": server.tenant.key}))
    assert await anyio.to_thread.run_sync(take, settings) == (server.tenant.key, False)


@pytest.mark.parametrize("credentials", [None, {"api_key": "vk_of_another"}])
async def test_running_platform_of_another_installation_is_refused(
    settings: Settings, server: Server, credentials: dict[str, str] | None
) -> None:
    if credentials:
        (settings.home / "credentials.json").write_text(json.dumps(credentials))
    with pytest.raises(CliError, match="is not the installation in"):
        await anyio.to_thread.run_sync(take, settings)


async def test_nothing_there_is_not_healthy(settings: Settings) -> None:
    assert not platform.healthy(Settings(home=settings.home, port=free_port()))


async def test_platform_that_cannot_start_shows_its_log(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_DATABASE_URL", "nonsense://")
    with pytest.raises(CliError, match="`burnish up` ended with exit code") as refused:
        await anyio.to_thread.run_sync(take, Settings(home=settings.home, port=free_port()))
    assert any("nonsense" in line for line in refused.value.details)

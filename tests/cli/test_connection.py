"""Where the URL and the key come from, and to whom a key is never sent."""

import json
import os
from pathlib import Path

import pytest

from burnish.cli import connection
from burnish.cli.exits import AUTH, USAGE, CliError


@pytest.fixture
def everywhere(plain: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every place names the same URL, with a key of its own."""
    home = Path(os.environ["BURNISH_HOME"])
    home.mkdir()
    (home / "credentials.json").write_text(json.dumps({"base_url": "http://one", "api_key": "vk_machine"}))
    connection.write_user_file("http://one", "vk_user")
    (plain / "burnish.toml").write_text('base_url = "http://one"\napi_key = "vk_project"\n')
    monkeypatch.setenv("BURNISH_BASE_URL", "http://one")
    monkeypatch.setenv("BURNISH_API_KEY", "vk_environment")
    return plain


def test_flag_outranks_environment_project_user_and_machine(everywhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [connection.resolve(None, "vk_flag").api_key, connection.resolve(None, None).api_key]
    monkeypatch.delenv("BURNISH_API_KEY")
    keys.append(connection.resolve(None, None).api_key)
    (everywhere / "burnish.toml").unlink()
    keys.append(connection.resolve(None, None).api_key)
    connection.user_file().unlink()
    keys.append(connection.resolve(None, None).api_key)
    assert keys == ["vk_flag", "vk_environment", "vk_project", "vk_user", "vk_machine"]


def test_url_comes_from_the_first_place_that_has_one(everywhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (everywhere / "burnish.toml").write_text('base_url = "http://project/v1/"\n')
    assert connection.resolve("http://flag", "vk_flag").base_url == "http://flag"
    assert connection.resolve(None, None).base_url == "http://one"
    monkeypatch.delenv("BURNISH_BASE_URL")
    assert connection.resolve(None, "vk_flag").base_url == "http://project"


def test_key_kept_for_one_platform_is_not_sent_to_another(everywhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BURNISH_API_KEY")
    with pytest.raises(CliError) as refused:
        connection.resolve("http://two", None)
    assert refused.value.code == AUTH


def test_key_without_a_url_beside_it_goes_with_any(plain: Path) -> None:
    (plain / "burnish.toml").write_text('api_key = "vk_project"\n')
    assert connection.resolve("http://two", None).api_key == "vk_project"


def test_default_url_is_this_machine(plain: Path) -> None:
    assert connection.resolve(None, "vk_x").base_url == "http://127.0.0.1:8400"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('base_url = "http://one\n', "line 1"),
        ('url = "http://one"\n', "unknown key 'url'"),
        ("api_key = 5\n", "api_key is a text"),
    ],
)
def test_bad_project_file_is_told_with_line_or_key(plain: Path, text: str, named: str) -> None:
    (plain / "burnish.toml").write_text(text)
    with pytest.raises(CliError) as refused:
        connection.resolve(None, "vk_x")
    assert refused.value.code == USAGE
    assert refused.value.message.startswith("burnish.toml: ")
    assert named in refused.value.message


def test_user_file_is_readable_by_its_user_only(plain: Path) -> None:
    path = connection.write_user_file("http://one", 'vk_"quoted"')
    assert path.stat().st_mode & 0o777 == 0o600
    assert connection.read_toml(path) == {"base_url": "http://one", "api_key": 'vk_"quoted"'}


def test_url_of_another_kind_is_refused(plain: Path) -> None:
    with pytest.raises(CliError) as refused:
        connection.resolve("localhost:8400", "vk_x")
    assert refused.value.code == USAGE

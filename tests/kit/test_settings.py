from pathlib import Path

import pytest
from pydantic import ValidationError

from burnish.kit.settings import Settings


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_says_what_it_does(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_PORT", "9000")
    monkeypatch.setenv("BURNISH_CPU_FALLBACK", "true")
    made = Settings()
    assert (made.port, made.cpu_fallback) == (9000, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "0"),
        ("port", "70000"),
        ("cpu_slots", "0"),
        ("lease_s", "0"),
        ("cpu_usd_per_hour", "free"),
        ("gpu_usd_per_hour", "-1"),
    ],
)
def test_a_value_that_cannot_work_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"BURNISH_{name.upper()}", value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert [error["loc"] for error in caught.value.errors()] == [(name,)]


def test_everything_lives_under_home_by_default(tmp_path: Path) -> None:
    made = Settings(home=tmp_path)
    assert made.database == f"sqlite+aiosqlite:///{tmp_path}/burnish.db"
    assert made.storage == f"file://{tmp_path}/storage"
    assert made.base_url == "http://127.0.0.1:8400"


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ({"host": "0.0.0.0", "port": 81}, "http://127.0.0.1:81"),
        ({"public_url": "https://burnish.example/"}, "https://burnish.example"),
        ({"host": "10.0.0.2"}, "http://10.0.0.2:8400"),
    ],
)
def test_the_base_url_is_one_that_clients_reach(given: dict[str, str | int], base_url: str) -> None:
    assert Settings.model_validate(given).base_url == base_url


def test_the_home_is_closed_to_others(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    Settings(home=home).prepare_home()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (home, *home.iterdir())}
    assert modes == {"b": 0o700, "run": 0o700, "cache": 0o700, "work": 0o700, "uploads": 0o700}

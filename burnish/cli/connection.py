"""Which platform the commands talk to, and with which key.

Each of `base_url` and `api_key` comes from the first place that has it: flag, environment, project file (`burnish.toml` in the
working folder), user file (`burnish login` writes it), and the credentials that `burnish up` left in this machine's
`$BURNISH_HOME`. The invariant: a key that a file keeps beside a `base_url` is sent to that URL and to no other.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.cli.exits import AUTH, USAGE, CliError

PROJECT_FILE = "burnish.toml"
DEFAULT_URL = "http://127.0.0.1:8400"


@dataclass(frozen=True)
class Target:
    """A platform and a key. `key_from` says where the key was found."""

    base_url: str
    api_key: str
    key_from: str


@dataclass(frozen=True)
class Place:
    """One place where settings are kept. `is_file` places may tie their key to their URL."""

    name: str
    values: Mapping[str, str]
    is_file: bool = False


def resolve(base_url: str | None, api_key: str | None) -> Target:
    """Return the platform to talk to; CliError (`AUTH`) where no place has a key for it."""
    places = all_places(base_url, api_key)
    url = clean_url(next((place.values["base_url"] for place in places if "base_url" in place.values), DEFAULT_URL))
    for place in places:
        key = place.values.get("api_key")
        if key and _may_send(place, url):
            return Target(url, key, place.name)
    raise CliError(
        f"There is no API key for {url}.",
        AUTH,
        hint="`burnish login` keeps one; or pass --api-key, or set BURNISH_API_KEY. `burnish up` makes the first.",
    )


def all_places(base_url: str | None, api_key: str | None) -> list[Place]:
    """Return every place, the strongest first."""
    flags = {"base_url": base_url, "api_key": api_key}
    environment = {"base_url": os.environ.get("BURNISH_BASE_URL"), "api_key": os.environ.get("BURNISH_API_KEY")}
    return [
        Place("flag", _given(flags)),
        Place("environment", _given(environment)),
        Place(PROJECT_FILE, read_toml(Path(PROJECT_FILE)), is_file=True),
        Place(str(user_file()), read_toml(user_file()), is_file=True),
        Place(str(credentials_file()), read_credentials(credentials_file()), is_file=True),
    ]


def user_file() -> Path:
    folder = os.environ.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else Path.home() / ".config") / "burnish" / "config.toml"


def credentials_file() -> Path:
    return home() / "credentials.json"


def home() -> Path:
    """Return `$BURNISH_HOME`, without reading any other setting of the platform."""
    return Path(os.environ.get("BURNISH_HOME") or Path.home() / ".burnish")


def write_user_file(base_url: str, api_key: str) -> Path:
    """Keep a key for a platform, readable by this user only; return the file."""
    path = user_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    # A JSON string is a TOML string too.
    text = f"base_url = {json.dumps(base_url)}\napi_key = {json.dumps(api_key)}\n"
    with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    draft.rename(path)
    return path


def read_toml(path: Path) -> dict[str, str]:
    """Return the settings of a file, nothing where there is no file; CliError (`USAGE`) naming the line or key that is wrong."""
    try:
        found = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CliError(f"{path}: {error}", USAGE) from None
    for key, value in found.items():
        if key not in ("base_url", "api_key"):
            raise CliError(f"{path}: unknown key '{key}'; there are base_url and api_key.", USAGE)
        if not isinstance(value, str):
            raise CliError(f"{path}: {key} is a text in quotes.", USAGE)
    return found


def read_credentials(path: Path) -> dict[str, str]:
    """Return what `burnish up` wrote; nothing where it has not run here or belongs to another user."""
    try:
        found: Any = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {key: str(found[key]) for key in ("base_url", "api_key") if isinstance(found, dict) and found.get(key)}


def clean_url(url: str) -> str:
    """Return the URL without what callers like to append; CliError (`USAGE`) where it is none."""
    plain = url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    if not plain.startswith(("http://", "https://")):
        raise CliError(f"The base URL starts with http:// or https://, not '{url}'.", USAGE)
    return plain


def _given(values: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _may_send(place: Place, url: str) -> bool:
    own = place.values.get("base_url")
    return not place.is_file or own is None or clean_url(own) == url

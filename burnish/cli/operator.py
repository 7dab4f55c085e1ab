"""What the operator's commands do on the database of this machine.

The platform's own modules are imported when a command runs and not before: they cost half a second, which no other command
should pay.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.cli.exits import BY_STATUS, ERROR, USAGE, CliError

if TYPE_CHECKING:
    from burnish.kit.core import Core
    from burnish.kit.settings import Settings
    from models.account import Account
    from models.base_model import BaseModel
    from resolvers.secrets import KeyUse

DRAIN_LOOK_S = 1.0


async def create_account(name: str, credit_micros: int, metered: bool) -> dict[str, Any]:
    """Make an account; return it with its key."""
    from resolvers import accounts

    async with database() as core:
        account, key = await accounts.create(core, name, credit_micros=credit_micros, metered=metered)
    made = _account(account)
    return {"id": made.pop("id"), "name": made.pop("name"), "api_key": key, **made}


async def credit_account(name: str, micros: int) -> dict[str, Any]:
    """Add credit to an account; return it."""
    from resolvers import accounts

    async with database() as core:
        return _account(await accounts.credit(core, name, micros))


async def set_mode(name: str, mode: str) -> dict[str, Any]:
    """Make an account prepaid or metered; return it."""
    from resolvers import accounts

    async with database() as core:
        return _account(await accounts.set_mode(core, name, mode))


async def set_customer(name: str, customer: str) -> dict[str, Any]:
    """Say which customer at Stripe an account is; return it."""
    from resolvers import accounts

    async with database() as core:
        return _account(await accounts.set_customer(core, name, customer))


async def link_account(name: str) -> dict[str, Any]:
    """Make a link that signs in to an account once; return it."""
    from resolvers import sign_in_links

    async with database() as core:
        link = await sign_in_links.create(core, name)
        base_url = _address(core.settings)
    return {"url": link.url(base_url), "expires_at": link.expires_at.isoformat().replace("+00:00", "Z")}


async def set_password(name: str, password: str) -> None:
    """Set an account's password and end its sessions."""
    from resolvers import passwords

    async with database() as core:
        await passwords.put(core, name, password)


async def set_email(name: str, email: str) -> None:
    """Set the address that an account signs in with beside its name."""
    from resolvers import account_users

    async with database() as core:
        await account_users.set_email(core, name, email)


async def list_rates() -> list[dict[str, Any]]:
    """Return every rate of the installation."""
    from burnish.kit.money import usd_float
    from resolvers import prices

    async with database() as core:
        book = await prices.own_book(core)
    return [
        {
            "provider": rate.provider,
            "gpu_type": rate.gpu_type,
            "usd_per_hour": usd_float(rate.micros_per_hour),
            "source": rate.source,
            "updated_at": rate.at.isoformat().replace("+00:00", "Z"),
        }
        for _, rate in sorted(book.rates.items())
    ]


async def refresh_rates() -> list[dict[str, Any]]:
    """Fetch the catalogues; return what came of each provider's."""
    from engines.compute import catalogue

    if not read_settings().rates_refresh_url:
        raise CliError("BURNISH_RATES_REFRESH_URL: no catalogue is named.", USAGE, hint="docs/costs.md has one.")
    async with database() as core:
        done = await catalogue.refresh(core)
    stored = [{"provider": name, "rates": count, "error": None} for name, count in done.stored.items()]
    return stored + [{"provider": name, "rates": 0, "error": error} for name, error in done.failed.items()]


async def drain_host(name: str | None, *, undo: bool, wait: bool) -> list[dict[str, Any]]:
    """Have a host give its work away, or take work again; return how it stands, once it has none where that is waited for."""
    from resolvers import hosts

    async with database() as core:
        found = await hosts.drain(core, name, undo=undo)
        ids = [host.id for host in found]
        while wait and any(host.working for host in found):
            await asyncio.sleep(DRAIN_LOOK_S)
            found = await hosts.states(core, ids)
    return [{"id": host.id, "name": host.name, "draining": host.draining, "working": host.working} for host in found]


async def add_model(name: str, path: Path) -> dict[str, Any]:
    """Register a folder as a base model."""
    from resolvers import base_models

    async with database() as core:
        return _model(await base_models.add(core, name, path))


async def list_models() -> list[dict[str, Any]]:
    from resolvers import base_models

    async with database() as core:
        return [_model(row) for row in await base_models.all_(core)]


async def list_secrets() -> list[dict[str, Any]]:
    """Return the encryption keys, by their ids."""
    from resolvers import secrets

    async with database() as core:
        return [_key_use(use, core) for use in await secrets.uses(core)]


async def rotate_secrets() -> dict[str, Any]:
    """Change the encryption key; return what was done, with what is to be said of it."""
    from resolvers import secrets

    async with database() as core:
        done = await secrets.rotate(core)
        notes = [f"{table} of {row_id} cannot be opened with any key that is here." for table, row_id in done.unopened]
        kept = [_key_use(use, core) for use in done.kept]
        if core.secrets.keyring.path is None:
            free = [use["key"] for use in kept if not use["sealed"]]
            notes += [f"{key} has sealed nothing: drop it once no URL that it signed is in use." for key in free]
        else:
            free = []
            notes += [
                f"{use['key']} is kept until {use['needed_until']}, for URLs that it signed."
                for use in kept
                if use["needed_until"]
            ]
    return {
        "current": done.current,
        "made": done.made,
        "resealed": done.resealed,
        "dropped": done.dropped,
        "may_be_dropped": free,
        "kept": kept,
        "unopened": [{"column": table, "id": row_id} for table, row_id in done.unopened],
        "notes": notes,
    }


@asynccontextmanager
async def database() -> AsyncIterator["Core"]:
    """Open this machine's installation; its refusals become CliErrors, and where there is none, none is made."""
    from sqlalchemy.exc import SQLAlchemyError

    from burnish.kit import logging
    from burnish.kit.core import opened
    from burnish.kit.errors import BurnishError
    from engines.compute.rates import Unreadable

    logging.configure("error")
    try:
        async with opened(installed()) as core:
            yield core
    except BurnishError as error:
        where = f"{error.param}: " if error.param else ""
        raise CliError(f"{where}{error.message}", BY_STATUS.get(error.status, ERROR), hint=error.hint) from None
    except Unreadable as error:
        raise CliError(str(error), USAGE) from None
    except (SQLAlchemyError, OSError) as error:
        raise CliError(f"The database of this installation cannot be used: {getattr(error, 'orig', None) or error}") from None


def installed() -> "Settings":
    """Return the settings of this machine's installation; CliError where it has never run here."""
    settings = read_settings()
    if not settings.database_url and not (settings.home / "burnish.db").is_file():
        raise CliError(f"There is no installation in {settings.home}.", hint="`burnish up` makes one; BURNISH_HOME says where.")
    return settings


def read_settings(**flags: Any) -> "Settings":
    """Return this machine's settings, flags before environment; CliError (`USAGE`) naming what is wrong."""
    from pydantic import ValidationError

    from burnish.kit.settings import Settings

    try:
        return Settings(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        shown = f"--{name}" if flags.get(name) is not None else f"BURNISH_{name.upper()}"
        raise CliError(f"{shown}: {first['msg']}", USAGE) from None


def _address(settings: "Settings") -> str:
    """Return where browsers reach the installation: `burnish up` was perhaps told another port than this command."""
    try:
        kept = json.loads((settings.home / "credentials.json").read_text())["base_url"]
    except (OSError, ValueError, KeyError):
        kept = settings.base_url
    return settings.base_url if settings.public_url else str(kept)


def _model(row: "BaseModel") -> dict[str, Any]:
    return {"name": row.name, "path": row.path, "created_at": row.created_at.isoformat().replace("+00:00", "Z")}


def _key_use(use: "KeyUse", core: "Core") -> dict[str, Any]:
    retired = "retired" if core.secrets.keyring.path is not None else "for reading"
    state = "current" if use.is_current else retired if use.is_known else "missing"
    until = None if use.needed_until_s is None else datetime.fromtimestamp(use.needed_until_s, UTC)
    return {
        "key": use.key_id,
        "state": state,
        "sealed": dict(use.sealed),
        "needed_until": until and until.isoformat().replace("+00:00", "Z"),
    }


def _account(account: "Account") -> dict[str, Any]:
    from burnish.kit.money import usd_float

    found = {"id": account.id, "name": account.slug, "credit_usd": usd_float(account.balance_micros)}
    return {**found, "billing": account.billing_mode, "stripe_customer_id": account.stripe_customer_id}

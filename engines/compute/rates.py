"""What hardware costs an hour: the operator's file over what was fetched from providers over defaults that carry their date.

The file is TOML, a table a provider, dollars an hour of one GPU by type; `false` says that a provider has none of a type:

    [local]
    CPU = 0.10
    H100-80GB = 2.50

    [runpod]
    B200-180GB = false

It is looked at again whenever it is needed, so that a change counts from the next start on. A file that cannot be read keeps the
platform from starting; one that becomes unreadable while it runs is logged, and what it said before goes on to count.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import structlog
from sqlmodel import select

from burnish.kit import clock
from burnish.kit.db import Session
from burnish.kit.money import parse_usd
from burnish.kit.settings import Settings
from engines.compute import hardware
from engines.compute.hardware import CPU, LOCAL, PROVIDERS, Shape
from models.provider_rate import ProviderRate

log = structlog.get_logger(__name__)
DEFAULTS = Path(__file__).with_name("rates.toml")
DEFAULT, FETCHED, FILE, SETTINGS = "default", "fetched", "file", "settings"
MAX_USD = 1000

Pair = tuple[str, str]
Table = Mapping[Pair, int | None]


class Unreadable(ValueError):
    """A file of rates has a mistake; the message says where."""


@dataclass(frozen=True)
class Rate:
    """What an hour of one GPU costs. `source` is `file`, `fetched`, `default` or `settings`, `at` when that was so."""

    provider: str
    gpu_type: str
    micros_per_hour: int
    source: str
    at: datetime


@dataclass(frozen=True)
class Book:
    """All rates of the installation, at one moment."""

    rates: Mapping[Pair, Rate]

    def find(self, provider: str, gpu_type: str) -> Rate | None:
        return self.rates.get((provider, gpu_type))

    @property
    def updated_at(self) -> datetime:
        return max(rate.at for rate in self.rates.values())


def own_micros(settings: Settings, shape: Shape) -> int:
    """Return what an hour of a shape costs on the installation's own hardware."""
    said = current(settings).get((LOCAL, shape.type))
    return _by_settings(settings, shape.type) * shape.count if said is None else said * shape.count


async def book(session: Session, settings: Settings, own_types: frozenset[str]) -> Book:
    """Return the rates that hold now; `own_types` are the types that the installation's own hosts have."""
    dated, found = _defaults()
    rates = {pair: Rate(*pair, micros, DEFAULT, dated) for pair, micros in found.items() if micros is not None}
    for row in (await session.exec(select(ProviderRate))).all():
        pair = (row.provider, row.gpu_type)
        rates[pair] = Rate(*pair, row.rate_micros_per_hour, FETCHED, row.fetched_at)
    for own in {CPU, *own_types}:
        rates[LOCAL, own] = Rate(LOCAL, own, _by_settings(settings, own), SETTINGS, dated)
    written = _written_at(settings) or clock.now()
    for pair, micros in current(settings).items():
        rates.pop(pair, None)
        if micros is not None:
            rates[pair] = Rate(*pair, micros, FILE, written)
    return Book(rates)


def default_micros(provider: str, gpu_type: str) -> int | None:
    return _defaults()[1].get((provider, gpu_type))


def check(settings: Settings) -> Path | None:
    """Return the operator's file, None where there is none; Unreadable where it has a mistake."""
    path = path_of(settings)
    if path is not None:
        read(path)
    return path


def path_of(settings: Settings) -> Path | None:
    """Return where the operator's file is, None where there is none."""
    if settings.rates_file is not None:
        return settings.rates_file
    path = settings.home / "rates.toml"
    return path if path.is_file() else None


_known: dict[Path, tuple[object, Table]] = {}


def current(settings: Settings) -> Table:
    """Return what the operator's file says, read again where it has changed."""
    path = path_of(settings)
    if path is None:
        return {}
    stamp = _stamp(path)
    known = _known.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    try:
        table = read(path)
    except Unreadable as error:
        if known is None:
            raise
        log.error("rates_file_unreadable", path=str(path), error=str(error))
        table = known[1]
    _known[path] = stamp, table
    return table


def read(path: Path) -> Table:
    """Read a file of rates; Unreadable naming the line."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return _parse(text, str(path))


def _parse(text: str, name: str) -> dict[Pair, int | None]:
    try:
        found = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"{name}: {error}") from None
    table: dict[Pair, int | None] = {}
    for provider, rates in found.items():
        if isinstance(rates, date) and provider == "as_of":
            continue
        where = f"{name}:{_line(text, provider)}"
        if provider not in PROVIDERS or not isinstance(rates, dict):
            raise Unreadable(f"{where}: '{provider}' is no provider; there are [{'], ['.join(PROVIDERS)}].")
        for gpu, value in rates.items():
            where = f"{name}:{_line(text, provider, gpu)}: [{provider}] {gpu}"
            pair = (provider, _type(gpu, where))
            if pair in table:
                raise Unreadable(f"{where}: {pair[1]} is there twice.")
            table[pair] = _micros(value, where)
    return table


def _type(gpu: str, where: str) -> str:
    known = hardware.canonical(gpu)
    if known is None:
        raise Unreadable(f"{where}: no such GPU type; there are {', '.join((CPU, *hardware.GPU_TYPES))}.")
    return known


def _micros(value: Any, where: str) -> int | None:
    if value is False:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            raise ValueError
        micros = parse_usd(value)
        if not 0 <= micros <= parse_usd(MAX_USD):
            raise ValueError
    except ValueError:
        raise Unreadable(f"{where}: '{value}' is no rate: dollars from 0 to {MAX_USD}, at most six decimals.") from None
    return micros


def _line(text: str, table: str, key: str | None = None) -> int:
    """Return the line that names a table or a key of it; 1 where it is written in some rarer way."""
    at = None
    for number, line in enumerate(text.splitlines(), 1):
        heading = re.match(r"\s*\[\s*[\"']?([^\"'\]]+?)[\"']?\s*\]", line)
        pair = re.match(r"\s*[\"']?([^\"'=\s]+)[\"']?\s*=", line)
        if heading:
            at = heading[1]
        found = (at, pair[1]) if pair else (at, None)
        if found == (table, key) or (pair and key is None and found == (None, table)):
            return number
    return 1


def _by_settings(settings: Settings, gpu_type: str) -> int:
    return parse_usd(settings.cpu_usd_per_hour if gpu_type == CPU else settings.gpu_usd_per_hour)


@cache
def _defaults() -> tuple[datetime, Table]:
    text = DEFAULTS.read_text()
    as_of: date = tomllib.loads(text)["as_of"]
    return datetime.combine(as_of, time(), UTC), _parse(text, DEFAULTS.name)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _written_at(settings: Settings) -> datetime | None:
    path = path_of(settings)
    try:
        return None if path is None else clock.from_micros(path.stat().st_mtime_ns // 1000)
    except OSError:
        return None

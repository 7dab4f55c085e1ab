"""Prices of rented GPUs, fetched from SkyPilot's public catalogues where the operator has turned that on.

A catalogue is a folder with `<cloud>/vms.csv`; of its columns `AcceleratorName`, `AcceleratorCount` and `Price` are read, the
last being the on-demand price of the whole machine, empty where it can only be had as a spot instance. What counts is the
cheapest machine of a type, by GPU. One host fetches for all, and only what is plausible is believed.
"""

import asyncio
import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal, InvalidOperation

import httpx2
import structlog
from redis.exceptions import RedisError
from sqlalchemy import delete, func
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.errors import Unavailable
from burnish.kit.money import MICROS
from engines.compute import rates
from models.provider_rate import ProviderRate

log = structlog.get_logger(__name__)
CLOUDS = {"prime_intellect": "primeintellect", "lambda": "lambda", "runpod": "runpod"}
# What the catalogues call our types. Their A100 is the one of 40 GB; their RTX6000 is an older card than ours.
NAMES = {
    "T4": "T4-16GB",
    "L4": "L4-24GB",
    "L40S": "L40S-48GB",
    "A100": "A100-40GB",
    "A100-80GB": "A100-80GB",
    "A100-80GB-SXM": "A100-80GB",
    "H100": "H100-80GB",
    "H100-SXM": "H100-80GB",
    "H200": "H200-141GB",
    "H200-SXM": "H200-141GB",
    "B200": "B200-180GB",
    "B300": "B300-270GB",
    "RTX6000-Ada": "RTX6000-48GB",
    "RTXPRO6000": "RTXPRO6000-96GB",
}
COLUMNS = {"AcceleratorName", "AcceleratorCount", "Price"}
MAX_BYTES = 32 * 2**20
TIMEOUT_S = 60.0
LOOK_S = 600.0
CLAIM = "burnish:rates:refresh"
CLAIM_S = 300
LEAST_USD, MOST_USD = Decimal("0.01"), Decimal(100)
# A price that is further than this from the one that is known is a mistake of the catalogue's.
FAR = 10


class CatalogueInvalid(Exception):
    """What was fetched is no catalogue."""


@dataclass
class Refreshed:
    """How many rates of each provider were stored, and why those of others were not."""

    stored: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


async def refresh_forever(core: Core) -> None:
    """Fetch whenever what is stored is too old; what fails is logged, and tried again some minutes later."""
    while core.settings.rates_refresh_url:
        try:
            if await _is_due(core) and await _claim(core):
                await refresh(core)
        except Exception as error:
            log.warning("rates_not_refreshed", error=str(error))
        await asyncio.sleep(LOOK_S)


async def refresh(core: Core) -> Refreshed:
    """Fetch the catalogues of all providers and store their rates; Unavailable where none could be had."""
    base = core.settings.rates_refresh_url.rstrip("/")
    done = Refreshed()
    async with httpx2.AsyncClient(timeout=TIMEOUT_S, follow_redirects=True) as client:
        for provider, cloud in CLOUDS.items():
            try:
                found = parse(provider, (await _fetch(client, f"{base}/{cloud}/vms.csv")).splitlines())
            except (httpx2.HTTPError, httpx2.InvalidURL, CatalogueInvalid, UnicodeDecodeError) as error:
                done.failed[provider] = str(error) or type(error).__name__
                log.warning("catalogue_refused", provider=provider, error=done.failed[provider])
                continue
            await _store(core, provider, found)
            done.stored[provider] = len(found)
    if not done.stored:
        raise Unavailable(f"No catalogue could be fetched from {base}: {'; '.join(map(': '.join, done.failed.items()))}")
    log.info("rates_refreshed", **done.stored)
    return done


def parse(provider: str, lines: Iterable[str]) -> dict[str, int]:
    """Return micro-dollars an hour of one GPU by type; CatalogueInvalid where there is none of ours in there."""
    reader = csv.DictReader(lines)
    if COLUMNS - set(reader.fieldnames or ()):
        raise CatalogueInvalid(f"the columns {', '.join(sorted(COLUMNS))} are not all there")
    cheapest: dict[str, Decimal] = {}
    try:
        for row in reader:
            known = NAMES.get(row["AcceleratorName"] or "")
            price = _price(row)
            if known is not None and price is not None and _is_plausible(provider, known, price):
                cheapest[known] = min(price, cheapest.get(known, price))
    except csv.Error as error:
        raise CatalogueInvalid(str(error)) from None
    if not cheapest:
        raise CatalogueInvalid("no GPU of a known type has a plausible price there")
    return {gpu: int(price * MICROS) for gpu, price in cheapest.items()}


def _price(row: Mapping[str, str]) -> Decimal | None:
    """Return the on-demand price of one GPU of a machine."""
    try:
        price, count = Decimal(row["Price"] or "nan"), Decimal(row["AcceleratorCount"] or "nan")
    except (InvalidOperation, TypeError):
        return None
    return price / count if price.is_finite() and count.is_finite() and count >= 1 else None


def _is_plausible(provider: str, gpu_type: str, price: Decimal) -> bool:
    known = rates.default_micros(provider, gpu_type)
    if known and not known / FAR <= price * MICROS <= known * FAR:
        return False
    return LEAST_USD <= price <= MOST_USD


async def _fetch(client: httpx2.AsyncClient, url: str) -> str:
    body = b""
    async with client.stream("GET", url) as response:
        if response.status_code != 200:
            raise CatalogueInvalid(f"HTTP {response.status_code}")
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise CatalogueInvalid(f"more than {MAX_BYTES} bytes")
    return body.decode()


async def _store(core: Core, provider: str, found: Mapping[str, int]) -> None:
    async with core.db.transaction() as session:
        await session.exec(delete(ProviderRate).where(col(ProviderRate.provider) == provider))
        now = clock.now()
        session.add_all(
            ProviderRate(provider=provider, gpu_type=gpu, rate_micros_per_hour=micros, fetched_at=now)
            for gpu, micros in found.items()
        )


async def _is_due(core: Core) -> bool:
    async with core.db.read() as session:
        newest = (await session.exec(select(func.max(col(ProviderRate.fetched_at))))).one()
    return newest is None or newest < clock.now() - timedelta(hours=core.settings.rates_refresh_hours)


async def _claim(core: Core) -> bool:
    """Say that this host fetches; False where another does. Without the broker nobody is told, and twice does no harm."""
    try:
        return bool(await core.redis.set(CLAIM, "1", nx=True, ex=CLAIM_S))
    except (RedisError, OSError):
        return True

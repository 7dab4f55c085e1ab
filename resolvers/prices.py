"""Prices: what hardware costs where, and what work on it would come to. Exact decimals; only answers are rounded.

An estimate of rented hardware is (GPUs + storage + overhead) x markup; own hardware is charged by its rate and nothing else. A
projection and a comparison are before the markup.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from pydantic import Field
from sqlmodel import col, select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.errors import Invalid
from burnish.kit.money import usd
from engines.compute import local, rates
from engines.compute.hardware import CPU, LOCAL, PROVIDERS, Shape
from engines.compute.rates import Book
from models.host import Host
from resolvers import hardware
from resolvers.context import Context
from resolvers.hardware import GpuInput
from resolvers.inputs import Input

MARKUP = Decimal("1.3")
OVERHEAD_USD_PER_SECOND = Decimal("0.00002")
KEEP_WARM_USD_PER_HOUR = Decimal("0.30")
MONTH_DAYS = 30
MONTH_HOURS = 720
MAX_MINUTES = 525_600
GPU_PARAM = "gpu_type"


class ShapeInput(Input):
    """Hardware by its parts, as a query string has it."""

    gpu_type: str = Field(min_length=1, max_length=64, description="The GPU type, such as A100-80GB, or CPU.")
    gpu_count: int = Field(1, ge=1, le=8, description="How many GPUs.")

    @property
    def gpu(self) -> GpuInput:
        return GpuInput(type=self.gpu_type, count=self.gpu_count)


class CompareInput(ShapeInput):
    duration_minutes: Decimal = Field(Decimal(60), gt=0, le=MAX_MINUTES, description="How long the hardware is used.")


class EstimateInput(CompareInput):
    provider: str | None = Field(None, description="Whose hardware; the cheapest that has it by default.")
    markup: Decimal = Field(MARKUP, gt=0, le=100, description="What rented hardware is multiplied by.")


class ProjectionInput(ShapeInput):
    jobs_per_day: int = Field(ge=0, le=1_000_000, description="How many jobs a day.")
    avg_duration_minutes: Decimal = Field(gt=0, le=MAX_MINUTES, description="How long each takes.")
    provider: str | None = Field(None, description="Whose hardware; the cheapest that has it by default.")


@dataclass(frozen=True)
class Estimate:
    """What work would come to, in dollars."""

    shape: Shape
    provider: str
    gpu_cost: Decimal
    storage_cost: Decimal
    overhead_cost: Decimal
    markup: Decimal
    duration_s: int

    @property
    def before_markup(self) -> Decimal:
        return self.gpu_cost + self.storage_cost + self.overhead_cost

    @property
    def cost(self) -> Decimal:
        return self.before_markup * self.markup


@dataclass(frozen=True)
class Projection:
    """What a habit would come to in 30 days, in dollars."""

    total_jobs: int
    per_job: Decimal
    total: Decimal
    keep_warm: Decimal


@dataclass(frozen=True)
class Comparison:
    """What a provider asks, in dollars; None where it has no such hardware."""

    provider: str
    shape: Shape
    rate_per_hour: Decimal | None
    cost: Decimal | None


async def book(ctx: Context) -> Book:
    """Return the rates that hold now."""
    ctx.require("read")
    return await own_book(ctx.core)


async def own_book(core: Core) -> Book:
    """Return the rates that hold now, to whoever owns the installation."""
    settings = core.settings
    async with core.db.read() as session:
        alive = col(Host.seen_at) > clock.now() - timedelta(seconds=settings.lease_s)
        hosts = (await session.exec(select(Host).where(alive))).all()
        types = {gpu["type"] for host in hosts for gpu in host.offers.get("gpus", [])}
        return await rates.book(session, settings, frozenset() if local.falls_back(settings) else frozenset(types))


async def estimate(ctx: Context, spec: EstimateInput) -> Estimate:
    """Return what work would come to; Invalid for hardware that nobody has, or not this provider."""
    return _estimate(*await _choose(ctx, spec.gpu, spec.provider), spec.duration_minutes, spec.markup)


async def project(ctx: Context, spec: ProjectionInput) -> Projection:
    """Return what a habit would come to in a month of 30 days, before the markup."""
    shape, provider, rate = await _choose(ctx, spec.gpu, spec.provider)
    each = _estimate(shape, provider, rate, spec.avg_duration_minutes, Decimal(1)).before_markup
    jobs = spec.jobs_per_day * MONTH_DAYS
    warm = Decimal(0) if provider == LOCAL else KEEP_WARM_USD_PER_HOUR * MONTH_HOURS
    return Projection(jobs, each, each * jobs, warm)


async def compare(ctx: Context, spec: CompareInput) -> Sequence[Comparison]:
    """Return what each provider asks for the hardware itself, the cheapest first, those that have none last."""
    shape, found = hardware.shape_of(spec.gpu, GPU_PARAM), await book(ctx)
    rows = []
    for provider in PROVIDERS:
        rate = found.find(provider, shape.type)
        hourly = None if rate is None else usd(rate.micros_per_hour)
        cost = None if hourly is None else hourly * shape.count * spec.duration_minutes / 60
        rows.append(Comparison(provider, shape, hourly, cost))
    return sorted(rows, key=lambda row: (row.cost is None, row.cost or 0, row.provider))


async def _choose(ctx: Context, gpu: GpuInput, provider: str | None) -> tuple[Shape, str, Decimal]:
    """Return the hardware, whose it is, and dollars an hour of all of it."""
    hardware.check_provider(provider)
    shape, found = hardware.shape_of(gpu, GPU_PARAM), await book(ctx)
    if provider == LOCAL:
        shape = hardware.runs_on(ctx.core, shape)
    offers = [
        rate
        for name in ([provider] if provider else PROVIDERS)
        if (rate := found.find(name, shape.type)) is not None and (shape.type != CPU or name == LOCAL)
    ]
    if not offers:
        known = sorted({name for name, type_ in found.rates if type_ == shape.type})
        hint = f"It is offered by {', '.join(known)}." if known else "No provider offers it; GET /v1/cost/rates lists what is."
        message = f"The provider '{provider}' has no {shape.type}." if provider else f"Nobody has {shape.type}."
        raise Invalid(message, code="not_offered", param="provider" if provider else "gpu_type", hint=hint)
    best = min(offers, key=lambda rate: rate.micros_per_hour)
    return shape, best.provider, usd(best.micros_per_hour) * shape.count


def _estimate(shape: Shape, provider: str, per_hour: Decimal, minutes: Decimal, markup: Decimal) -> Estimate:
    seconds = minutes * 60
    rented = provider != LOCAL
    return Estimate(
        shape=shape,
        provider=provider,
        gpu_cost=per_hour * seconds / 3600,
        storage_cost=Decimal(0),
        overhead_cost=OVERHEAD_USD_PER_SECOND * seconds if rented else Decimal(0),
        markup=markup if rented else Decimal(1),
        duration_s=int(seconds),
    )

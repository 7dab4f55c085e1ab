"""Costs: what was spent, and what things would come to. Dollars with four places, worked out in exact decimals."""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from pydantic import Field, RootModel
from starlette.requests import Request

from burnish.kit.money import usd
from resolvers import costs, prices
from resolvers.context import Context
from resolvers.costs import PeriodInput
from resolvers.inputs import Input
from resolvers.prices import CompareInput, EstimateInput, ProjectionInput
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Wire

TAG = "Cost"
PLACES = Decimal("0.0001")


class CostSummary(Wire):
    """What was spent lately, on training jobs and deployments; running work up to its last posting."""

    object: Literal["cost_summary"] = "cost_summary"
    period_days: int
    job_count: int = Field(description="Training jobs that ran in the period.")
    total_cost_usd: float
    total_gpu_hours: float = Field(description="Hours of hardware that were billed; a CPU slot counts as one.")
    avg_cost_per_job_usd: float


class ProviderCost(Wire):
    """What was spent on one provider's hardware."""

    provider: str
    job_count: int
    cost_usd: float


class ProviderCosts(RootModel[list[ProviderCost]]):
    """The dearest first."""


class GpuCost(Wire):
    """What was spent on hardware of one type."""

    gpu_type: str
    job_count: int
    cost_usd: float
    gpu_hours: float


class GpuCosts(RootModel[list[GpuCost]]):
    """The dearest first."""


class CostEstimate(Wire):
    """What work would come to: (GPUs + storage + overhead) x markup. Own hardware has neither overhead nor markup."""

    object: Literal["cost_estimate"] = "cost_estimate"
    cost_usd: float
    gpu_cost_usd: float
    storage_cost_usd: float
    overhead_cost_usd: float
    duration_seconds: int
    gpu_type: str
    gpu_count: int
    provider: str
    markup_multiplier: float


class MonthlyProjection(Wire):
    """What a habit would come to in 30 days, before the markup."""

    object: Literal["monthly_projection"] = "monthly_projection"
    total_jobs: int
    avg_cost_per_job_usd: float
    total_monthly_usd: float
    keep_warm_monthly_usd: float = Field(description="What keeping rented hardware warm between jobs costs.")
    with_keep_warm_usd: float


class ProviderOffer(Wire):
    """What a provider asks for hardware, before the markup. Rate and cost are null where it has none."""

    provider: str
    gpu_type: str
    gpu_count: int
    rate_per_hour_usd: float | None = Field(description="Of one GPU.")
    cost_usd: float | None = Field(description="Of all of them for the duration.")
    available: bool


class ProviderOffers(RootModel[list[ProviderOffer]]):
    """The cheapest first, those that have none last."""


class CostRates(Wire):
    """What an hour of one GPU costs, by provider and type."""

    object: Literal["cost_rates"] = "cost_rates"
    rates: dict[str, dict[str, float]]
    updated_at: datetime


class NoQuery(Input):
    """Nothing can be asked for."""


async def summary(ctx: Context, request: Request) -> CostSummary:
    """Get a summary of what was spent.

    Work that failed by a fault of the platform costs nothing; deleted jobs go on to count.
    """
    found = await costs.summary(ctx, http.query(request, PeriodInput))
    return CostSummary(
        period_days=found.days,
        job_count=found.total.job_count,
        total_cost_usd=shown(usd(found.total.cost_micros)),
        total_gpu_hours=shown(found.total.hours),
        avg_cost_per_job_usd=shown(found.average),
    )


async def by_provider(ctx: Context, request: Request) -> ProviderCosts:
    """Get what was spent by provider."""
    rows = await costs.breakdown(ctx, http.query(request, PeriodInput), "provider")
    return ProviderCosts(
        [ProviderCost(provider=str(row.provider), job_count=row.job_count, cost_usd=shown(usd(row.cost_micros))) for row in rows]
    )


async def by_gpu(ctx: Context, request: Request) -> GpuCosts:
    """Get what was spent by type of hardware."""
    rows = await costs.breakdown(ctx, http.query(request, PeriodInput), "gpu_type")
    return GpuCosts(
        [
            GpuCost(
                gpu_type=str(row.gpu_type),
                job_count=row.job_count,
                cost_usd=shown(usd(row.cost_micros)),
                gpu_hours=shown(row.hours),
            )
            for row in rows
        ]
    )


async def estimate(ctx: Context, request: Request) -> CostEstimate:
    """Estimate what work would cost."""
    found = await prices.estimate(ctx, http.query(request, EstimateInput))
    return CostEstimate(
        cost_usd=shown(found.cost),
        gpu_cost_usd=shown(found.gpu_cost),
        storage_cost_usd=shown(found.storage_cost),
        overhead_cost_usd=shown(found.overhead_cost),
        duration_seconds=found.duration_s,
        gpu_type=found.shape.type,
        gpu_count=found.shape.count,
        provider=found.provider,
        markup_multiplier=float(found.markup),
    )


async def projection(ctx: Context, request: Request) -> MonthlyProjection:
    """Project what a habit would cost in a month."""
    found = await prices.project(ctx, http.query(request, ProjectionInput))
    return MonthlyProjection(
        total_jobs=found.total_jobs,
        avg_cost_per_job_usd=shown(found.per_job),
        total_monthly_usd=shown(found.total),
        keep_warm_monthly_usd=shown(found.keep_warm),
        with_keep_warm_usd=shown(found.total + found.keep_warm),
    )


async def compare(ctx: Context, request: Request) -> ProviderOffers:
    """Compare what the providers ask for the same hardware."""
    rows = await prices.compare(ctx, http.query(request, CompareInput))
    return ProviderOffers(
        [
            ProviderOffer(
                provider=row.provider,
                gpu_type=row.shape.type,
                gpu_count=row.shape.count,
                rate_per_hour_usd=None if row.rate_per_hour is None else float(row.rate_per_hour),
                cost_usd=None if row.cost is None else shown(row.cost),
                available=row.cost is not None,
            )
            for row in rows
        ]
    )


async def rates(ctx: Context, request: Request) -> CostRates:
    """Get the rates that hold now."""
    http.query(request, NoQuery)
    book = await prices.book(ctx)
    found: dict[str, dict[str, float]] = {}
    for (provider, gpu_type), rate in sorted(book.rates.items()):
        found.setdefault(provider, {})[gpu_type] = float(usd(rate.micros_per_hour))
    return CostRates(rates=found, updated_at=book.updated_at)


def shown(amount: Decimal) -> float:
    return float(amount.quantize(PLACES, ROUND_HALF_EVEN))


OPERATIONS = [
    Operation(method="GET", path="/v1/cost/summary", handler=summary, tag=TAG, answers=CostSummary, query=PeriodInput),
    Operation(method="GET", path="/v1/cost/by_provider", handler=by_provider, tag=TAG, answers=ProviderCosts, query=PeriodInput),
    Operation(method="GET", path="/v1/cost/by_gpu", handler=by_gpu, tag=TAG, answers=GpuCosts, query=PeriodInput),
    Operation(
        method="GET",
        path="/v1/cost/estimate",
        handler=estimate,
        tag=TAG,
        answers=CostEstimate,
        query=EstimateInput,
        errors=(400,),
    ),
    Operation(
        method="GET",
        path="/v1/cost/monthly_projection",
        handler=projection,
        tag=TAG,
        answers=MonthlyProjection,
        query=ProjectionInput,
        errors=(400,),
    ),
    Operation(
        method="GET",
        path="/v1/cost/compare",
        handler=compare,
        tag=TAG,
        answers=ProviderOffers,
        query=CompareInput,
        errors=(400,),
    ),
    Operation(method="GET", path="/v1/cost/rates", handler=rates, tag=TAG, answers=CostRates, errors=(422,)),
]

"""What deployments have served in a period, counted from the request log, and what the ledger says they cost."""

from decimal import ROUND_HALF_EVEN, Decimal

from pydantic import Field, RootModel
from starlette.requests import Request

from resolvers import deployment_figures
from resolvers.context import Context
from resolvers.deployment_figures import Figures
from resolvers.inputs import parse
from rest_compat.deepinfra.deployments import DEPLOYMENT, TAG
from rest_compat.deepinfra.errors import DEEPINFRA
from rest_compat.deepinfra.periods import PeriodQuery
from rest_compat.operation import Handler, Operation
from rest_compat.wire import Wire

MICROS_PER_CENT = 10_000
REQUESTS = Field(description="How many requests arrived in the period.")
ERRORS = Field(description="How many of them were answered with 400 or more.")
CENTS = Field(description="What was charged in the period, in whole cents.")
MEAN_MS = Field(description="Mean time to the whole answer, in milliseconds.")
P95_MS = Field(description="Nineteen in twenty answers took no longer, in milliseconds.")
INPUT = Field(description="Tokens of the prompts.")
OUTPUT = Field(description="Tokens that were generated.")
SECONDS = Field(description="Time to the whole answers, added up, in whole seconds.")


class DeploymentStatsOut(Wire):
    """What a deployment has served in a period."""

    requests: int = REQUESTS
    total_time: int = SECONDS
    total_tokens: int = Field(description="Tokens of the prompts, and those that were generated.")
    input_tokens: int = INPUT
    output_tokens: int = OUTPUT
    total_amount: int = CENTS
    avg_time: float = MEAN_MS
    avg95_time: float = P95_MS
    errors: int = ERRORS


class LLMStats(Wire):
    """What a language model has served."""

    requests: int = REQUESTS
    input_tokens: int = INPUT
    output_tokens: int = OUTPUT
    avg_ttft_ms: float = Field(description="Mean time to the first token of streamed answers, in milliseconds.")
    avg95_ttft_ms: float = Field(description="Nineteen in twenty streamed answers began no later, in milliseconds.")
    avg_tpt_ms: float = Field(description="Mean of each answer's time per generated token, in milliseconds.")
    avg95_tpt_ms: float = Field(description="Nineteen in twenty answers took no longer per token, in milliseconds.")
    total_amount_cents: int = CENTS
    errors: int = ERRORS


class TimeStats(Wire):
    """How long answers took."""

    requests: int = REQUESTS
    total_time_s: int = SECONDS
    total_amount_cents: int = CENTS
    avg_time_ms: float = MEAN_MS
    avg95_time_ms: float = P95_MS
    errors: int = ERRORS


class DetailedStatsOut(Wire):
    """What a deployment has served in a period, in detail."""

    llm: LLMStats = Field(description="As a language model.")
    embeddings: None = Field(None, description="Always null: no deployment embeds.")
    time: TimeStats = Field(description="By time.")


class MainStatsOut(Wire):
    """How much a model was asked."""

    model_name: str = Field(description="The name of the deployment, or of several that had it one after the other.")
    requests: int = REQUESTS


class MainStatsList(RootModel[list[MainStatsOut]]):
    """The models that were asked anything in the period, by name."""


async def of_one(ctx: Context, request: Request) -> DeploymentStatsOut:
    """Get what a deployment has served in a period, and what it cost."""
    found = await _figures(ctx, request)
    return DeploymentStatsOut(
        requests=found.requests,
        total_time=_seconds(found),
        total_tokens=found.prompt_tokens + found.completion_tokens,
        input_tokens=found.prompt_tokens,
        output_tokens=found.completion_tokens,
        total_amount=_cents(found),
        avg_time=found.latency_ms.mean,
        avg95_time=found.latency_ms.p95,
        errors=found.errors,
    )


async def detailed(ctx: Context, request: Request) -> DetailedStatsOut:
    """Get what a deployment has served in a period, with times to the first token and per token."""
    found = await _figures(ctx, request)
    llm = LLMStats(
        requests=found.requests,
        input_tokens=found.prompt_tokens,
        output_tokens=found.completion_tokens,
        avg_ttft_ms=found.ttft_ms.mean,
        avg95_ttft_ms=found.ttft_ms.p95,
        avg_tpt_ms=found.token_ms.mean,
        avg95_tpt_ms=found.token_ms.p95,
        total_amount_cents=_cents(found),
        errors=found.errors,
    )
    by_time = TimeStats(
        requests=found.requests,
        total_time_s=_seconds(found),
        total_amount_cents=_cents(found),
        avg_time_ms=found.latency_ms.mean,
        avg95_time_ms=found.latency_ms.p95,
        errors=found.errors,
    )
    return DetailedStatsOut(llm=llm, time=by_time)


async def of_all(ctx: Context, request: Request) -> MainStatsList:
    """Count the requests of each model in a period."""
    span = parse(PeriodQuery, dict(request.query_params), at="query").span
    counts = await deployment_figures.requests_by_name(ctx, span)
    return MainStatsList([MainStatsOut(model_name=name, requests=count) for name, count in counts.items()])


async def _figures(ctx: Context, request: Request) -> Figures:
    query = parse(PeriodQuery, dict(request.query_params), at="query")
    return await deployment_figures.within(ctx, request.path_params["deploy_id"], query.span)


def _cents(found: Figures) -> int:
    return int((Decimal(found.cost_micros) / MICROS_PER_CENT).to_integral_value(ROUND_HALF_EVEN))


def _seconds(found: Figures) -> int:
    return round(found.latency_ms.total / 1000)


def _operation(path: str, handler: Handler, answers: type[Wire] | type[MainStatsList], *errors: int) -> Operation:
    return Operation(
        method="GET", path=path, handler=handler, tag=TAG, answers=answers, query=PeriodQuery, errors=errors, dialect=DEEPINFRA
    )


OPERATIONS = [
    _operation("/deploy/stats", of_all, MainStatsList),
    _operation(f"{DEPLOYMENT}/stats", of_one, DeploymentStatsOut, 404),
    _operation(f"{DEPLOYMENT}/stats2", detailed, DetailedStatsOut, 404),
]

"""Callers of the resolvers, without a server: tenants of an installation on SQLite, or on each of the two databases."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from burnish.kit.core import Core
from burnish.kit.money import parse_usd
from burnish.kit.settings import Settings
from models.dataset import Dataset
from models.reward_function import RewardFunction
from resolvers import accounts, datasets, reward_functions
from resolvers.auth import authenticate
from resolvers.context import Context, Platform
from resolvers.inference import Gateway

Tenants = Callable[..., Awaitable[Context]]
REWARD = b"def reward(prompts, completions, **columns):\n    return [1.0 for _ in completions]\n"


def tenants_of(core: Core) -> Tenants:
    """Return what makes a tenant and answers their context; `key` is an idempotency key."""

    async def new(slug: str = "tenant", credit_usd: str = "100", *, operator: bool = False, key: str | None = None) -> Context:
        _, api_key = await accounts.create(core, slug, credit_micros=parse_usd(credit_usd), operator=operator)
        return await as_caller(Platform(core, Gateway(core)), api_key, key)

    return new


async def as_caller(platform: Platform, api_key: str, key: str | None = None) -> Context:
    found = await authenticate(platform.core, api_key)
    return Context(platform, found.account, found.key, "req_test", key, frozenset(found.key.scopes))


@pytest.fixture
def tenants(core: Core) -> Tenants:
    return tenants_of(core)


@pytest.fixture
async def ctx(tenants: Tenants) -> Context:
    """A prepaid tenant with 100 USD."""
    return await tenants()


@pytest.fixture
async def on_both(settings: Settings, database_url: str) -> AsyncIterator[Tenants]:
    """Tenants of an installation, once on SQLite and once on Postgres."""
    core = Core(Settings(home=settings.home, cpu_fallback=True, database_url=database_url))
    yield tenants_of(core)
    await core.close()


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text('{"prompt": "1 + 1?", "answer": "2"}\n')
    return path


async def dataset(ctx: Context, file: Path) -> Dataset:
    return await datasets.create(ctx, datasets.DatasetInput(name="sums"), file)


async def reward(ctx: Context) -> RewardFunction:
    return await reward_functions.create(ctx, reward_functions.RewardFunctionInput(name="exact", source=REWARD))

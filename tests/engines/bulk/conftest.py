"""An installation with one deployment, on SQLite or, where a test asks for `any_installation`, on each database."""

from collections.abc import AsyncIterator

import pytest

from burnish.kit.settings import Settings
from engines.bulk import outcomes
from tests.engines.bulk.working import Installation


@pytest.fixture(autouse=True)
def written_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outcomes are written as they come: a test has few of them."""
    monkeypatch.setattr(outcomes, "FLUSH_S", 0.01)


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    made = Installation(settings)
    await made.begin()
    yield made
    await made.core.close()


@pytest.fixture
async def any_installation(settings: Settings, database_url: str) -> AsyncIterator[Installation]:
    made = Installation(settings.model_copy(update={"database_url": database_url}))
    await made.begin()
    yield made
    await made.core.close()

"""An installation for evals, where nobody waits for long."""

from collections.abc import AsyncIterator

import pytest

from burnish.kit.settings import Settings
from engines.bulk import outcomes
from engines.evals import evaluation_run, grading
from tests.engines.evals.running import Evals


@pytest.fixture
async def evals(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Evals]:
    monkeypatch.setattr(outcomes, "FLUSH_S", 0.01)
    monkeypatch.setattr(evaluation_run, "LOOK_S", 0.01)
    monkeypatch.setattr(grading, "PAGE_ITEMS", 4)
    made = Evals(settings)
    await made.begin()
    yield made
    await made.core.close()

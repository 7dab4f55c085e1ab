"""What hardware a form can offer: every type, its price, and whether a host has it."""

from typing import Any

import pytest

from burnish.kit import clock
from engines.compute import local
from models.host import Host
from tests.schema.conftest import Api

pytestmark = pytest.mark.anyio
QUERY = "{ hardwareTypes { type vramGb maxCount runsOn pricePerHour { amount } available unavailableReason } }"


async def types(api: Api) -> dict[str, Any]:
    return {found["type"]: found for found in (await api.data(QUERY))["hardwareTypes"]}


async def add_host(api: Api, *gpus: str, cpu_slots: int = 0) -> None:
    offers = {"gpus": [{"type": gpu, "vram_gib": 80} for gpu in gpus], "cpu_slots": cpu_slots, "cpu_fallback": False}
    async with api.server.platform.db.transaction() as session:
        session.add(Host(id="host_1", name="h", offers=offers, started_at=clock.now(), seen_at=clock.now()))


async def test_types_that_a_host_has_are_available(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "falls_back", lambda settings: False)
    found = await types(api)
    assert len(found) == 12 and {one["unavailableReason"] for one in found.values()} == {"No host is running."}
    await add_host(api, "H100-80GB", "H100-80GB", "T4-16GB", cpu_slots=2)
    found = await types(api)
    assert {name: one["maxCount"] for name, one in found.items() if one["available"]} == {"CPU": 8, "T4-16GB": 1, "H100-80GB": 2}
    assert (found["H100-80GB"]["vramGb"], found["CPU"]["vramGb"], found["H100-80GB"]["runsOn"]) == (80, None, "H100-80GB")
    assert found["B200-180GB"]["unavailableReason"] == "No host of this installation has a B200-180GB."


async def test_everything_runs_on_the_cpu_where_the_installation_falls_back_on_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "falls_back", lambda settings: True)
    await add_host(api, cpu_slots=2)
    found = await types(api)
    assert {(one["available"], one["runsOn"]) for one in found.values()} == {(True, "CPU")}
    assert found["H100-80GB"]["pricePerHour"] == found["CPU"]["pricePerHour"]

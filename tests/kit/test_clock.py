from datetime import UTC, datetime, timedelta, timezone

import pytest

from burnish.kit import clock
from burnish.kit.db import Database
from burnish.kit.tables import Outbox


@pytest.mark.parametrize("micros", [0, 1, -1, 1_800_000_000_123_456, 253_402_300_799_999_999, -62_135_596_800_000_000])
def test_microseconds_survive_the_way_to_a_datetime_and_back(micros: int) -> None:
    assert clock.to_micros(clock.from_micros(micros)) == micros


def test_now_is_utc_and_what_the_one_source_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_micros", lambda: 1_000_001)
    assert clock.now() == datetime(1970, 1, 1, 0, 0, 1, 1, tzinfo=UTC)


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(ValueError, match="without a timezone"):
        clock.to_micros(datetime(2026, 1, 1))  # noqa: DTZ001


def test_an_interval_is_never_negative() -> None:
    now = clock.now()
    assert clock.seconds_between(now, now + timedelta(seconds=2, microseconds=500_000)) == 2.5
    assert clock.seconds_between(now, now - timedelta(hours=1)) == 0.0


@pytest.mark.anyio
async def test_a_timestamp_comes_back_from_the_database_as_utc_to_the_microsecond(database_url: str) -> None:
    moment = datetime(2026, 11, 21, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=-5)))
    db = Database(database_url)
    async with db.transaction() as session:
        session.add(Outbox(id="msg", actor="a", resource_id="r", created_at=moment))
    async with db.read() as session:
        found = await session.get_one(Outbox, "msg")
    await db.dispose()
    assert found.created_at == moment
    assert found.created_at.utcoffset() == timedelta(0)

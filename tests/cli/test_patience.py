"""How long and how often a command tries again, by a clock of the test's own."""

import pytest

from burnish.cli import patience
from burnish.cli.exits import ApiError, CliError, Unreachable
from burnish.cli.patience import Patience, patiently

AWAY = Unreachable("Nothing answers.")


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(patience, "monotonic", lambda: made.now)
    monkeypatch.setattr(patience, "sleep", made.sleep)
    return made


def always(error: CliError, waiting: Patience) -> None:
    for _ in range(1000):
        waiting.wait(error)


def test_pauses_grow_and_an_outage_ends_after_a_minute(clock: Clock) -> None:
    told: list[str] = []
    with pytest.raises(Unreachable):
        always(AWAY, Patience(told.append))
    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, *[8.0] * 7]
    assert told == ["Nothing answers. Trying again."]


def test_an_answer_ends_an_outage(clock: Clock) -> None:
    told: list[str] = []
    waiting = Patience(told.append)
    for _ in range(100):
        waiting.wait(AWAY)
        waiting.wait(AWAY)
        waiting.answered()
    assert clock.pauses == [0.5, 1.0] * 100
    assert told[:3] == [
        "Nothing answers. Trying again.",
        "Connected again; nothing was missed.",
        "Nothing answers. Trying again.",
    ]


def test_connections_that_carry_nothing_and_break_at_once_are_one_outage(clock: Clock) -> None:
    waiting = Patience()

    def flapping() -> None:
        for _ in range(1000):
            waiting.wait(AWAY)
            waiting.connected()

    with pytest.raises(Unreachable):
        flapping()
    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, *[8.0] * 7]


def test_quiet_connections_that_hold_for_a_while_are_good_ones(clock: Clock) -> None:
    waiting = Patience()
    for _ in range(100):
        waiting.connected()
        clock.now += 20
        waiting.wait(AWAY)
    assert clock.pauses == [0.5] * 100


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_refusals_that_pass_are_waited_out(clock: Clock, status: int) -> None:
    answers = iter([ApiError("Not now.", status=status), AWAY])

    def ask() -> str:
        error = next(answers, None)
        if error is not None:
            raise error
        return "answer"

    assert patiently(ask) == "answer"
    assert clock.pauses == [0.5, 1.0]


@pytest.mark.parametrize("status", [400, 401, 404, 422, 500])
def test_other_refusals_are_not(clock: Clock, status: int) -> None:
    with pytest.raises(ApiError):
        always(ApiError("No.", status=status), Patience())
    assert clock.pauses == []

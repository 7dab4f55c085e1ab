"""When a replica is left alone, for how long, and what lets it in again."""

import pytest

from engines.serving import breaker
from engines.serving.breaker import Breaker, Outcome

OK, UNREACHABLE, FAULT, NEITHER = Outcome.OK, Outcome.UNREACHABLE, Outcome.FAULT, Outcome.NEITHER


def ended(made: Breaker, outcome: Outcome, now: float = 0.0) -> float | None:
    """A request of just now has ended."""
    return made.judge(outcome, made.age, now)


def passes(made: Breaker, now: float) -> bool:
    return made.shut_until is None or now >= made.shut_until


def test_a_replica_that_cannot_be_reached_is_left_alone_at_once() -> None:
    made = Breaker()
    assert ended(made, UNREACHABLE, 100.0) == 0.5
    assert [(now, passes(made, now), made.is_up(now)) for now in (100.0, 100.49, 100.5)] == [
        (100.0, False, False),
        (100.49, False, False),
        (100.5, True, True),
    ]


def test_five_faults_in_a_row_open_it() -> None:
    made = Breaker()
    assert [ended(made, FAULT) for _ in range(5)] == [None, None, None, None, 0.5]


def test_an_answer_ends_a_row_of_faults_and_what_says_nothing_does_not() -> None:
    made = Breaker()
    said = [ended(made, outcome) for outcome in (FAULT, FAULT, FAULT, FAULT, OK, FAULT, FAULT, FAULT, NEITHER, FAULT, FAULT)]
    assert said == [None] * 10 + [0.5]


def test_each_trial_that_fails_doubles_the_time_to_ten_seconds() -> None:
    made, now = Breaker(), 0.0
    times = [ended(made, UNREACHABLE, now)]
    for outcome in (UNREACHABLE, FAULT) * 3:
        assert made.shut_until is not None
        now = made.shut_until
        made.begin_trial(now)
        times.append(ended(made, outcome, now))
    assert times == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert made.shut_until == now + 10.0


def test_a_trial_that_ends_well_closes_it_and_the_next_time_is_short_again() -> None:
    made = Breaker()
    ended(made, UNREACHABLE, 0.0)
    made.begin_trial(0.5)
    ended(made, UNREACHABLE, 0.6)
    made.begin_trial(1.6)
    assert not passes(made, 1.7) and made.is_up(1.7)
    assert ended(made, OK, 1.7) is None
    assert passes(made, 1.7)
    assert ended(made, FAULT, 1.8) is None
    assert ended(made, UNREACHABLE, 1.8) == 0.5


def test_a_trial_that_says_nothing_lets_the_next_one_try_at_once() -> None:
    made = Breaker()
    ended(made, UNREACHABLE, 0.0)
    made.begin_trial(0.5)
    ended(made, NEITHER, 0.7)
    assert passes(made, 0.7)
    made.begin_trial(0.7)
    assert ended(made, FAULT, 0.8) == 1.0


def test_a_trial_that_does_not_end_lets_another_one_try() -> None:
    made = Breaker()
    ended(made, UNREACHABLE, 0.0)
    made.begin_trial(0.5)
    assert not passes(made, 0.4 + breaker.TRIAL_S) and passes(made, 0.5 + breaker.TRIAL_S)


@pytest.mark.parametrize("outcome", Outcome)
def test_what_began_before_it_opened_says_nothing_any_more(outcome: Outcome) -> None:
    made = Breaker()
    before = made.age
    ended(made, UNREACHABLE, 0.0)
    assert made.judge(outcome, before, 0.1) is None
    assert made.shut_until == 0.5
    made.begin_trial(0.5)
    assert made.judge(outcome, before, 0.6) is None
    assert (made.trying, made.shut_until) == (True, 0.5 + breaker.TRIAL_S)
    ended(made, OK, 0.7)
    assert made.judge(outcome, before, 0.8) is None
    assert (passes(made, 0.8), made.faults) == (True, 0)


def test_word_from_elsewhere_lengthens_and_never_shortens() -> None:
    made = Breaker()
    made.open(4.0, 0.0)
    assert made.shut_until == 4.0
    made.open(0.5, 1.0)
    assert made.shut_until == 4.0
    made.open(10.0, 1.0)
    assert made.shut_until == 11.0
    made.begin_trial(11.0)
    assert ended(made, FAULT, 11.0) == 10.0


def test_what_is_forgotten_is_closed_whatever_is_under_way() -> None:
    made = Breaker()
    ended(made, UNREACHABLE, 0.0)
    made.begin_trial(0.5)
    age = made.age
    made.forget()
    assert made.judge(UNREACHABLE, age, 0.6) is None
    assert passes(made, 0.6)
    assert ended(made, UNREACHABLE, 0.7) == 0.5

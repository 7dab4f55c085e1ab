"""The ledger under whatever a random caller does to it; `make faults` does the same for longer."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.models.ledger_machine import Books

QUICK = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_the_books_agree_whatever_is_done(database_url: str) -> None:
    run_state_machine_as_test(Books.on(database_url), settings=QUICK)

"""The ledger under a random caller, for as long as `BURNISH_LEDGER_EXAMPLES` says: each is an account and fifty steps."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.models.ledger_machine import Books

LONG = settings(
    max_examples=int(os.environ.get("BURNISH_LEDGER_EXAMPLES", "300")),
    stateful_step_count=50,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(0)
def test_the_books_agree_whatever_is_done(database_url: str) -> None:
    run_state_machine_as_test(Books.on(database_url), settings=LONG)

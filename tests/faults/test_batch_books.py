"""The judge of `test_batch.py` finds whatever is wrong with a batch."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.batch_books import verdict
from tests.faults.batch_kills import REFUSED, Line, Story
from tests.rest_compat.load.callers import Ask
from tests.rest_compat.load.engine import Orders
from tests.rest_compat.load.fleet import Entry

LINES = [
    Line(1, Ask(Orders(number=1), "left", tokens=2)),
    Line(2, Ask(Orders(number=2), "left", tokens=3, choices=2)),
    Line(3, Ask(Orders(number=3, refuse=REFUSED), "left")),
]


def answered(number: int, tokens: int) -> dict[str, Any]:
    usage = {"prompt_tokens": number, "completion_tokens": tokens, "total_tokens": number + tokens}
    response = {"status_code": 200, "request_id": f"req_{number}", "body": {"id": f"cmpl-9.{number}", "usage": usage}}
    return {"id": f"batch_req_{number}", "custom_id": f"line-{number}", "response": response, "error": None}


class Told:
    """What a batch of these lines leaves behind, for a test to spoil."""

    def __init__(self) -> None:
        self.output = [answered(1, 2), answered(2, 6)]
        refused = {"status_code": REFUSED, "request_id": "req_3", "body": {}}
        self.errors: list[dict[str, Any]] = [{"id": "batch_req_3", "custom_id": "line-3", "response": refused, "error": None}]
        self.row: dict[str, Any] = {
            "status": "completed",
            "errors": None,
            "request_counts": {"total": 3, "completed": 2, "failed": 1},
            "usage": {"input_tokens": 3, "output_tokens": 8, "total_tokens": 11},
        }
        self.entries = [
            Entry("left", "9.1", 1, 0.0, made=2, how="finished"),
            Entry("left", "9.0", 2, 0.0, made=1),
            Entry("left", "9.2", 2, 1.0, made=6, how="finished"),
        ]
        counts = {1: (200, 1, 2), 2: (200, 2, 6), 3: (REFUSED, 0, 0)}
        names = ("status_code", "prompt_tokens", "completion_tokens")
        self.log = [{"id": f"req_{number}", **dict(zip(names, found, strict=True))} for number, found in counts.items()]
        self.outcomes = 3

    def story(self) -> Story:
        output, errors = ("".join(json.dumps(line) + "\n" for line in lines).encode() for lines in (self.output, self.errors))
        return Story(LINES, self.row, output, errors, self.entries, self.log, self.outcomes)


def test_a_batch_that_is_right_is_found_right() -> None:
    found = verdict(Told().story())
    assert (found.wrong, found.once, found.asked_again) == ([], 3, 1)


def lose(told: Told) -> None:
    told.output.pop()


def double(told: Told) -> None:
    told.output.append(told.output[-1])


def put_in_both(told: Told) -> None:
    told.errors.append(told.output[0])


def turn_round(told: Told) -> None:
    told.output.reverse()


def swap_answers(told: Told) -> None:
    first, second = told.output
    first["response"], second["response"] = second["response"], first["response"]


def miscount_a_line(told: Told) -> None:
    told.output[0]["response"]["body"]["usage"]["completion_tokens"] = 3


def make_less(told: Told) -> None:
    told.entries[-1].made = 5


def miscount_the_batch(told: Told) -> None:
    told.row["usage"]["output_tokens"] = 9


def misjudge(told: Told) -> None:
    told.errors[0]["response"]["status_code"] = 500


def log_nothing(told: Told) -> None:
    told.log.pop(0)


def log_twice(told: Told) -> None:
    told.log.append(told.log[0])


def log_another(told: Told) -> None:
    told.log.append({**told.log[0], "id": "req_9"})


def keep_outcomes(told: Told) -> None:
    told.outcomes = 4


def expire(told: Told) -> None:
    told.row["status"] = "expired"


WRONGS = [
    *(lose, double, put_in_both, turn_round, swap_answers, miscount_a_line, make_less, miscount_the_batch, misjudge),
    *(log_nothing, log_twice, log_another, keep_outcomes, expire),
]


@pytest.mark.parametrize("spoil", WRONGS)
def test_whatever_is_wrong_is_found(spoil: Callable[[Told], None]) -> None:
    told = Told()
    spoil(told)
    assert verdict(told.story()).wrong

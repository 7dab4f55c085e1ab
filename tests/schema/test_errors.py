"""Every error of the platform has its one form in GraphQL."""

import pytest

from burnish.kit import errors
from burnish.kit.errors import BurnishError
from schema.errors import NAMES, PLAIN, REJECTED, TYPES, ErrorCode, TryLaterError, user_errors


def kinds(root: type[BurnishError]) -> list[type[BurnishError]]:
    return [root, *(found for child in root.__subclasses__() for found in kinds(child))]


def made(kind: type[BurnishError]) -> BurnishError:
    if kind is errors.InsufficientCredit:
        return errors.InsufficientCredit("short", balance_micros=1, needed_micros=2)
    if kind is errors.BudgetExceeded:
        return errors.BudgetExceeded("spent", limit_micros=1, spent_micros=1, needed_micros=2)
    return kind("wrong")


@pytest.mark.parametrize("kind", [kind for kind in kinds(BurnishError) if kind.__module__ == errors.__name__])
def test_every_error_is_data_or_is_raised(kind: type[BurnishError]) -> None:
    error = made(kind)
    if kind in (BurnishError, errors.Unauthenticated):
        assert error.kind not in ErrorCode.__members__
        return
    (found,) = user_errors(error, NAMES)
    assert type(found) in TYPES
    assert (found.code, found.message, found.path) == (ErrorCode[error.kind], error.message, [])


def test_every_type_of_error_can_come() -> None:
    of_money = {type(user_errors(made(kind), NAMES)[0]) for kind in (errors.InsufficientCredit, errors.BudgetExceeded)}
    coming = {*PLAIN.values(), *REJECTED.values(), TryLaterError, *of_money}
    assert coming == set(TYPES)


def test_paths_use_the_names_of_the_input() -> None:
    cases = {
        "gpu.type": ["hardware", "type"],
        "dataset_id": ["datasetId"],
        "hyperparameters.learning_rate": ["hyperparameters", "learning_rate"],
        "Idempotency-Key": ["idempotencyKey"],
        "file": ["source"],
    }
    for param, path in cases.items():
        (found,) = user_errors(errors.Invalid("wrong", param=param), NAMES | {"file": "source"})
        assert found.path == path


def test_trying_later_says_when() -> None:
    (found,) = user_errors(errors.RateLimited("slow down", retry_after_s=7), NAMES)
    assert isinstance(found, TryLaterError)
    assert found.retry_after_seconds == 7

"""The scalars beyond GraphQL's own, and how they read and write."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from resolvers.cursors import Cursor

JSON = strawberry.scalars.JSON
BigInt = NewType("BigInt", int)
EXACT = 2**53


def _write_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _read_time(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise GraphQLError(f"DateTime cannot represent {value!r}: RFC 3339 is needed, such as 2026-01-31T09:00:00Z.") from None
    if moment.tzinfo is None:
        raise GraphQLError(f"DateTime cannot represent {value!r}: its offset from UTC is missing.")
    return moment


def _read_decimal(value: Any) -> Decimal:
    try:
        number = Decimal(value if isinstance(value, (str, int)) and not isinstance(value, bool) else "none")
    except ArithmeticError:
        number = Decimal("nan")
    if not number.is_finite():
        raise GraphQLError(f'Decimal cannot represent {value!r}: a string such as "12.50" is needed.')
    return number


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise GraphQLError("A Cursor is a string that an earlier answer gave.")
    return value


def _read_big(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > EXACT:
        raise GraphQLError("BigInt is a whole number of at most 53 bits.")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment as RFC 3339 in UTC, to the microsecond, such as `2026-01-31T09:00:00.250000Z`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_write_time,
        parse_value=_read_time,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number as a string, never in exponent notation.",
        serialize=lambda value: format(value, "f"),
        parse_value=_read_decimal,
    ),
    Cursor: strawberry.scalar(
        name="Cursor",
        description="A position to continue after. Opaque: take it from an answer, never make or parse one.",
        serialize=str,
        parse_value=_read_text,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number that may not fit the 32 bits of Int, as a JSON number of at most 53 bits.",
        serialize=int,
        parse_value=_read_big,
    ),
}

"""Errors as GraphQL shows them, all made from `burnish.kit.errors` here.

What a caller can put right is data in the payload of the mutation. A query or subscription has no payload: there, and for a
missing key, it is an entry of `errors` with its code in `extensions`. Whatever else goes wrong is ours: logged, and shown as a
request id.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, Protocol, TypeVar

import strawberry
import structlog
from graphql import GraphQLError
from strawberry.extensions import MaskErrors

from burnish.kit import errors
from burnish.kit.errors import BurnishError
from resolvers.context import Context
from schema.context import Info
from schema.nodes import Money

log = structlog.get_logger(__name__)


@strawberry.enum(description="What kind of thing went wrong.")
class ErrorCode(Enum):
    INVALID = strawberry.enum_value("INVALID", description="A value cannot be used.")
    NOT_FOUND = strawberry.enum_value("NOT_FOUND", description="There is no such thing in this account.")
    FORBIDDEN = strawberry.enum_value("FORBIDDEN", description="The API key lacks the scope.")
    CONFLICT = strawberry.enum_value(
        "CONFLICT", description="A name is taken, or an idempotency key was used for something else."
    )
    INVALID_STATE = strawberry.enum_value("INVALID_STATE", description="The thing is not in a state that allows this.")
    INSUFFICIENT_CREDIT = strawberry.enum_value("INSUFFICIENT_CREDIT", description="The credit does not cover the start.")
    BUDGET_EXCEEDED = strawberry.enum_value("BUDGET_EXCEEDED", description="The account's budget does not cover the start.")
    RATE_LIMITED = strawberry.enum_value("RATE_LIMITED", description="Too many requests: try again later.")
    UNAVAILABLE = strawberry.enum_value("UNAVAILABLE", description="Something needed is away: try again later.")


@strawberry.interface(description="Why a mutation did nothing. Where there is an error, nothing was changed.")
class UserError:
    code: ErrorCode = strawberry.field(description="What kind of thing went wrong.")
    reason: str | None = strawberry.field(description="The closer reason, as a fixed word such as `INVALID_GPU_TYPE`.")
    message: str = strawberry.field(description="What went wrong, for a person.")
    path: list[str] = strawberry.field(description="The input field it is about; empty where it is about the whole.")
    hint: str | None = strawberry.field(description="What may help.")


@strawberry.type(description="A value of the input cannot be used.")
class FieldError(UserError): ...


@strawberry.type(description="There is no such thing in this account.")
class NotFoundError(UserError): ...


@strawberry.type(description="The API key lacks the scope.")
class ForbiddenError(UserError): ...


@strawberry.type(description="A name is taken, or an idempotency key was used for something else.")
class ConflictError(UserError): ...


@strawberry.type(description="The thing is not in a state that allows this.")
class InvalidStateError(UserError): ...


@strawberry.type(description="The credit does not cover the start, with an hour of the hardware set aside.")
class InsufficientCredit(UserError):
    balance: Money = strawberry.field(description="The credit that is free.")
    needed: Money = strawberry.field(description="The credit that is needed.")


@strawberry.type(description="The account's budget does not cover the start.")
class BudgetExceeded(UserError):
    limit: Money = strawberry.field(description="The budget.")
    spent: Money = strawberry.field(description="What was spent of it in this period.")
    needed: Money = strawberry.field(description="What the start sets aside.")


@strawberry.type(description="A problem in a file or a dataset.")
class LineIssue:
    line: int | None = strawberry.field(description="The line, from 1.")
    message: str = strawberry.field(description="What is wrong there.")


@strawberry.type(
    description="The rows are no dataset, or do not serve the method of a job. A file that was refused was deleted: correct it "
    "and upload it again."
)
class DatasetRejected(UserError):
    issues: list[LineIssue] = strawberry.field(description="Its first problems.")


@strawberry.type(description="The source is no reward function.")
class RewardFunctionRejected(UserError):
    issues: list[LineIssue] = strawberry.field(description="Its problems.")


@strawberry.type(description="Not now: try again later.")
class TryLaterError(UserError):
    retry_after_seconds: int = strawberry.field(description="How long to wait.")


TYPES = (
    FieldError,
    NotFoundError,
    ForbiddenError,
    ConflictError,
    InvalidStateError,
    InsufficientCredit,
    BudgetExceeded,
    DatasetRejected,
    RewardFunctionRejected,
    TryLaterError,
)
PLAIN: dict[str, type[UserError]] = {
    "INVALID": FieldError,
    "NOT_FOUND": NotFoundError,
    "FORBIDDEN": ForbiddenError,
    "CONFLICT": ConflictError,
    "INVALID_STATE": InvalidStateError,
}
REJECTED = {"invalid_dataset": DatasetRejected, "invalid_reward_function": RewardFunctionRejected}
NAMES = {"gpu": "hardware", "Idempotency-Key": "idempotencyKey"}
# Below these an input is free JSON, whose keys are the caller's own words.
FREE = "hyperparameters"
# Where graphql-core repeats what it was given, which may be a secret: who gave it knows it, and who logs errors must not.
GIVEN = re.compile(r"(?:,? found: .*|(cannot represent [^:'\"]*\bvalue): .*)$", re.DOTALL)


def user_errors(error: BurnishError, names: Mapping[str, str]) -> list[UserError]:
    """Return an expected error as data; `names` says what this mutation calls a parameter of the resolver."""
    if isinstance(error, errors.SchemaInvalid) and error.details:
        return [
            FieldError(**_common(error, names) | {"message": item["message"], "path": _path(item["param"], names)})
            for item in error.details
        ]
    common = _common(error, names)
    if isinstance(error, errors.InsufficientCredit):
        return [InsufficientCredit(balance=Money.of(error.balance_micros), needed=Money.of(error.needed_micros), **common)]
    if isinstance(error, errors.BudgetExceeded):
        limit, spent, needed = map(Money.of, (error.limit_micros, error.spent_micros, error.needed_micros))
        return [BudgetExceeded(limit=limit, spent=spent, needed=needed, **common)]
    if isinstance(error, (errors.RateLimited, errors.Unavailable)):
        return [TryLaterError(retry_after_seconds=error.retry_after_s, **common)]
    if error.code in REJECTED:
        issues = [LineIssue(line=item.get("line"), message=item["message"]) for item in error.details or ()]
        return [REJECTED[error.code](issues=issues, **common)]
    return [PLAIN[error.kind](**common)]


class _Input(Protocol):
    @property
    def idempotency_key(self) -> str | None: ...


@strawberry.type(description="What a mutation answers.")
class Payload:
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why nothing was done; empty where it was done.")


P = TypeVar("P", bound=Payload)


async def settle(
    info: Info,
    input: _Input,
    payload: type[P],
    act: Callable[[Context], Awaitable[P]],
    names: Mapping[str, str] | None = None,
    *,
    scope: str | None = "write",
) -> P:
    """Run a mutation under its idempotency key; what the caller can put right becomes the payload's errors.

    A key that lacks the scope gets no further than that; with None any will do.
    """
    ctx = replace(info.context.known, idempotency_key=input.idempotency_key)
    try:
        if scope is not None:
            ctx.require(scope)
        return await act(ctx)
    except BurnishError as error:
        return declined(error, payload, names)


def declined(error: BurnishError, payload: type[P], names: Mapping[str, str] | None = None) -> P:
    """Return a payload that says why nothing was done; what is no data is raised again."""
    if error.kind not in ErrorCode.__members__:
        raise error
    return payload(errors=user_errors(error, NAMES | dict(names or {})))


class PublicErrors(MaskErrors):
    """Gives every error of an operation its code, and hides what is not meant for callers behind the request id."""

    def __init__(self) -> None:
        super().__init__(should_mask_error=lambda error: True)

    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        return public(error, self.execution_context.context.request_id)


def public(error: GraphQLError, request_id: str) -> GraphQLError:
    """Return an error as its caller may see it; what is not meant for callers is logged."""
    cause = _cause(error)
    if isinstance(cause, BurnishError) and cause.kind != "INTERNAL":
        return _with(error, cause.message, _extensions(cause))
    # With a place in the document and none in the answer, a value could not be read: its scalar says why.
    if cause is None or (error.nodes and not error.path):
        message = GIVEN.sub(lambda found: f"{found[1] or ''}.", error.message)
        return _with(error, message, {"code": "BAD_REQUEST"} | (error.extensions or {}))
    log.error("graphql_failed", request_id=request_id, path=error.path, exc_info=cause)
    message = f"Something went wrong here. The request id is {request_id}."
    return _with(error, message, {"code": "INTERNAL", "requestId": request_id})


def _cause(error: GraphQLError) -> Exception | None:
    """Return the exception beneath, None where GraphQL itself refused something."""
    cause: Exception | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _with(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message, nodes=error.nodes, source=error.source, positions=error.positions, path=error.path, extensions=extensions
    )


def _extensions(error: BurnishError) -> dict[str, Any]:
    found = {
        "code": error.kind,
        "reason": error.code if error.code != error.kind else None,
        "param": _camel(error.param) if error.param else None,
        "hint": error.hint,
        "retryAfterSeconds": error.retry_after_s if isinstance(error, (errors.RateLimited, errors.Unavailable)) else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _common(error: BurnishError, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "code": ErrorCode[error.kind],
        "reason": error.code,
        "message": error.message,
        "path": _path(error.param, names),
        "hint": error.hint,
    }


def _path(param: str | None, names: Mapping[str, str]) -> list[str]:
    if not param:
        return []
    head, *rest = param.split(".")
    return [names.get(head, _camel(head)), *(rest if head == FREE else map(_camel, rest))]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)

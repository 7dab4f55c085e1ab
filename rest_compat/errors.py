"""One renderer for the error bodies of every dialect, from the same tree of errors.

A dialect says what a body looks like. The two under `/v1` answer `{"error": {"type", "code", "message", "param"}}` and differ in
the words: what each status is called, and a few codes. Nothing of an error but its public fields reaches a caller; what is our
own fault is masked, and its log line found by the request id.
"""

import errno
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import Response

from burnish.kit.errors import BurnishError, RateLimited, Unavailable
from rest_compat.wire import ErrorBody, ErrorDetail

log = structlog.get_logger(__name__)
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class RouteNotFound(BurnishError):
    status = 404
    kind = "NOT_FOUND"
    code = "route_not_found"


class MethodNotAllowed(BurnishError):
    """`allowed` are the methods that the path has."""

    status = 405
    kind = "INVALID"
    code = "method_not_allowed"

    def __init__(self, message: str, allowed: list[str]) -> None:
        super().__init__(message)
        self.allowed = allowed


class RangeNotSatisfiable(BurnishError):
    """Nothing of what there is lies within the range; `size_bytes` is how much there is."""

    status = 416
    kind = "INVALID"
    code = "range_not_satisfiable"

    def __init__(self, message: str, size_bytes: int) -> None:
        super().__init__(message, param="Range")
        self.size_bytes = size_bytes


@dataclass(frozen=True, kw_only=True)
class Dialect(ABC):
    """How the clients of one service read errors; `statuses` replaces ours where the service has its own."""

    statuses: Mapping[int, int] = field(default_factory=dict)

    @abstractmethod
    def body(self, error: BurnishError) -> BaseModel:
        """Return the error as the dialect's clients read it."""

    @abstractmethod
    def model(self, status: int) -> type[BaseModel]:
        """Return the model of the bodies that go with a status."""

    def status(self, error: BurnishError) -> int:
        return self.statuses.get(error.status, error.status)

    def response(self, error: BurnishError) -> Response:
        body = self.body(error).model_dump_json(exclude_unset=True)
        return Response(body, self.status(error), _headers(error), "application/json")


@dataclass(frozen=True, kw_only=True)
class Enveloped(Dialect):
    """A dialect under `/v1`. `types` names each status, `codes` replaces ours where the dialect has its own."""

    types: Mapping[int, str]
    codes: Mapping[str, str] = field(default_factory=dict)

    def body(self, error: BurnishError) -> ErrorBody:
        code = self.codes.get(error.code, error.code) if error.code else None
        several = {"details": [dict(item) for item in error.details]} if error.details else {}
        kind = self.types[self.status(error)]
        return ErrorBody(error=ErrorDetail(type=kind, code=code, message=told(error), param=error.param, **several))

    def model(self, status: int) -> type[BaseModel]:
        return ErrorBody


def told(error: BurnishError) -> str:
    """Return what a person is told of an error: its message, and its hint where there is one."""
    return f"{error.message} {error.hint}" if error.hint else error.message


VERI = Enveloped(
    types={
        400: "invalid_request_error",
        401: "invalid_request_error",
        402: "insufficient_credit",
        403: "permission_error",
        404: "not_found_error",
        405: "invalid_request_error",
        409: "conflict_error",
        413: "invalid_request_error",
        416: "invalid_request_error",
        422: "invalid_request_error",
        429: "rate_limit_error",
        500: "api_error",
        503: "api_error",
        504: "api_error",
    }
)
OPENAI = Enveloped(
    types={
        **VERI.types,
        404: "invalid_request_error",
        409: "invalid_request_error",
        429: "rate_limit_exceeded",
        500: "server_error",
        503: "server_error",
        504: "server_error",
    },
    codes={"RATE_LIMITED": "rate_limit_exceeded"},
    statuses={422: 400},
)


def public(error: Exception, request_id: str, route: str) -> BurnishError:
    """Return what a caller may know of any exception; what is not theirs is logged with the request's id and the route's pattern:
    of a download the path itself is a secret.
    """
    if isinstance(error, BurnishError):
        return error
    log.error("request_failed", request_id=request_id, route=route, exc_info=error)
    if isinstance(error, (OperationalError, InterfaceError, PoolTimeout, ConnectionError)):
        return Unavailable(f"The service cannot do this just now. Request id: {request_id}")
    if isinstance(error, OSError) and error.errno in FULL_DISK:
        return Unavailable(f"The service has no room left for this just now. Request id: {request_id}", retry_after_s=60)
    return BurnishError(f"Something went wrong on our side. Request id: {request_id}")


def _headers(error: BurnishError) -> dict[str, str]:
    if isinstance(error, (RateLimited, Unavailable)):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allowed)}
    if isinstance(error, RangeNotSatisfiable):
        return {"Content-Range": f"bytes */{error.size_bytes}"}
    return {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}

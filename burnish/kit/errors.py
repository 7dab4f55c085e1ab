"""Everything that a caller can be told went wrong.

    BurnishError                      500 internal
    ├── Invalid                       400 a value that parses but cannot be used
    │   ├── InvalidState              400 the thing exists, but is not in a state that allows this
    │   └── SchemaInvalid             422 the body does not have the documented shape
    ├── Unauthenticated               401
    ├── InsufficientCredit            402
    ├── BudgetExceeded                402 the account's own budget does not cover it
    ├── Forbidden                     403 the key lacks the scope
    ├── NotFound                      404 unknown, or another account's: never told apart
    ├── Conflict                      409 a name taken, or an idempotency key used for something else
    ├── PayloadTooLarge               413
    ├── RateLimited                   429
    └── Unavailable                   503 try again after `retry_after_s`

Each carries a public `message`, a closed `code`, the `param` (dotted path) that it is about and a `hint`. The dialects of
`rest_compat` and the payloads of `schema` render these; nothing else is ever shown to a caller.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class BurnishError(Exception):
    """The root; raised itself only for what is our own fault."""

    status = 500
    kind = "INTERNAL"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        hint: str | None = None,
        details: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else type(self).code
        self.param = param
        self.hint = hint
        self.details = list(details) if details is not None else None


class Invalid(BurnishError):
    status = 400
    kind = "INVALID"


class InvalidState(Invalid):
    kind = "INVALID_STATE"
    code = "invalid_state"


class SchemaInvalid(Invalid):
    status = 422
    code = "schema_validation"


class Unauthenticated(BurnishError):
    status = 401
    kind = "UNAUTHENTICATED"

    def __init__(self, message: str = "Invalid API key") -> None:
        super().__init__(message)


class InsufficientCredit(BurnishError):
    """`balance_micros` and `needed_micros` say how far the credit falls short."""

    status = 402
    kind = "INSUFFICIENT_CREDIT"
    code = "insufficient_credit"

    def __init__(self, message: str, *, balance_micros: int, needed_micros: int) -> None:
        super().__init__(message)
        self.balance_micros = balance_micros
        self.needed_micros = needed_micros


class BudgetExceeded(BurnishError):
    """`limit_micros`, `spent_micros` and `needed_micros` say how far the account's budget falls short."""

    status = 402
    kind = "BUDGET_EXCEEDED"
    code = "budget_exceeded"

    def __init__(self, message: str, *, limit_micros: int, spent_micros: int, needed_micros: int) -> None:
        super().__init__(message, hint="Raise the budget, or wait for its next period.")
        self.limit_micros = limit_micros
        self.spent_micros = spent_micros
        self.needed_micros = needed_micros


class Forbidden(BurnishError):
    status = 403
    kind = "FORBIDDEN"
    code = "insufficient_scope"


class NotFound(BurnishError):
    status = 404
    kind = "NOT_FOUND"
    code = "resource_not_found"


class Conflict(BurnishError):
    status = 409
    kind = "CONFLICT"
    code = "conflict"


class PayloadTooLarge(BurnishError):
    status = 413
    kind = "INVALID"
    code = "payload_too_large"


class RateLimited(BurnishError):
    status = 429
    kind = "RATE_LIMITED"
    code = "RATE_LIMITED"

    def __init__(self, message: str, *, retry_after_s: int = 1, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(BurnishError):
    status = 503
    kind = "UNAVAILABLE"
    code = "upstream_unavailable"

    def __init__(self, message: str, *, retry_after_s: int = 5, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s

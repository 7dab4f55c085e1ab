"""How a command ends: its exit code, and the one error type that carries it."""

from collections.abc import Sequence

OK = 0
ERROR = 1
USAGE = 2
FAILED = 3
NOT_FOUND = 4
AUTH = 5
CREDIT = 6
TIMED_OUT = 7
INTERRUPTED = 130

BY_STATUS = {401: AUTH, 402: CREDIT, 403: AUTH, 404: NOT_FOUND, 408: TIMED_OUT, 422: USAGE, 504: TIMED_OUT}


class CliError(Exception):
    """Ends the command with `code`. `message` is one line; `details` are printed below it, then `hint`."""

    def __init__(self, message: str, code: int = ERROR, *, details: Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = list(details)
        self.hint = hint


class Unreachable(CliError):
    """The platform is not there, or went away."""


class ApiError(CliError):
    """What the API refused. `param` is the dotted path of the field that it is about."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        error_code: str | None = None,
        param: str | None = None,
        details: Sequence[str] = (),
        hint: str | None = None,
    ) -> None:
        super().__init__(message, BY_STATUS.get(status, ERROR), details=details, hint=hint)
        self.status = status
        self.error_code = error_code
        self.param = param

"""What errors look like to the clients of DeepInfra: one text, or what is wrong with each field."""

from dataclasses import dataclass

from pydantic import BaseModel, Field

from burnish.kit.errors import BurnishError
from resolvers.inputs import UNKNOWN
from rest_compat.errors import Dialect, told
from rest_compat.wire import Wire

KINDS = {"this field is required": "missing", UNKNOWN: "extra_forbidden"}


class DeepError(Wire):
    """What went wrong."""

    error: str = Field(description="What went wrong, in words for people.")


class ValidationError(Wire):
    """What is wrong with one field."""

    loc: list[str | int] = Field(description="Where it is: `body` or `query`, then the way to the field.")
    msg: str = Field(description="What is wrong, in words for people.")
    type: str = Field(description="A word for programs: `missing`, `extra_forbidden` or `value_error`.")


class HTTPValidationError(Wire):
    """The request does not have the documented shape."""

    detail: list[ValidationError] = Field(description="Everything that is wrong.")


@dataclass(frozen=True, kw_only=True)
class DeepInfra(Dialect):
    """`by_field` says that a request of another shape is answered with each wrong field, not with a text."""

    by_field: bool = True

    def body(self, error: BurnishError) -> BaseModel:
        if self.model(self.status(error)) is DeepError:
            return DeepError(error=told(error))
        wrong = error.details or [{"param": error.param or "body", "message": error.message}]
        return HTTPValidationError(detail=[_one(str(item["param"]), str(item["message"])) for item in wrong])

    def model(self, status: int) -> type[BaseModel]:
        return HTTPValidationError if status == 422 and self.by_field else DeepError


DEEPINFRA = DeepInfra()
# Creating a deployment answers so, whatever is wrong.
IN_A_TEXT = DeepInfra(by_field=False)


def _one(param: str, message: str) -> ValidationError:
    way: list[str | int] = [int(part) if part.isdecimal() else part for part in param.split(".")]
    loc = ["header", *way] if param == "Content-Type" else way
    return ValidationError(loc=loc, msg=message, type=KINDS.get(message, "value_error"))

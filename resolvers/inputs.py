"""Reading what callers send: one strict model an input, errors that name the field."""

import re
from decimal import Decimal
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, field_validator

from burnish.kit.errors import SchemaInvalid

M = TypeVar("M", bound=BaseModel)
MAX_NAME = 128
UNKNOWN = "unknown field"
NUMBERS = {int, float, Decimal}
RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.IGNORECASE)


def _as_text(value: Any) -> Any:
    """Refuse what else can be read as a time: a number of seconds, or a day."""
    if isinstance(value, str) and not RFC_3339.fullmatch(value):
        raise ValueError("must be a time such as 2026-04-14T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_as_text)]


class Input(BaseModel):
    """Refuses what it does not know, so that nothing a caller sends is silently ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("holds a NUL character")
        # Python counts true as 1; a caller who writes it means something else.
        if isinstance(value, bool) and _is_number(cls.model_fields[info.field_name or ""].annotation):
            raise ValueError("must be a number, not true or false")
        return value


def _is_number(annotation: Any) -> bool:
    kinds = set(get_args(annotation)) or {annotation}
    return bool(kinds & NUMBERS) and bool not in kinds


def parse(model: type[M], data: Any, *, at: str = "") -> M:
    """Validate `data`; SchemaInvalid naming the first wrong field as a dotted path below `at`, with all of them in `details`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = problems_of(error, at)
    first, *others = problems
    where = f"{first['param']}: " if first["param"] else ""
    unknown = ", ".join(item["param"] for item in others if item["message"] == UNKNOWN)
    also = f"; unknown too: {unknown}" if unknown and first["message"] == UNKNOWN else f"; unknown: {unknown}" if unknown else ""
    raise SchemaInvalid(f"{where}{first['message']}{also}", param=first["param"] or None, details=problems)


def problems_of(error: ValidationError, at: str = "") -> list[dict[str, str]]:
    """Return the `param`, a dotted path below `at`, and the `message` of everything that is wrong."""
    return [{"param": _path(at, item["loc"]), "message": _message(item)} for item in error.errors()]


def _path(at: str, loc: tuple[int | str, ...]) -> str:
    return ".".join([*([at] if at else []), *(str(part) for part in loc)])


def _message(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return UNKNOWN
    if item["type"] == "missing":
        return "this field is required"
    if item["type"] == "model_type":
        return "must be an object"
    message: str = item["msg"]
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")

from typing import Any

import pytest
from pydantic import Field

from burnish.kit.errors import SchemaInvalid
from resolvers.inputs import Input, parse


class Inner(Input):
    count: int = Field(ge=1)


class Outer(Input):
    name: str = Field(min_length=1)
    inner: Inner
    ratio: float = 1.0


def refused(data: Any, at: str = "") -> SchemaInvalid:
    with pytest.raises(SchemaInvalid) as caught:
        parse(Outer, data, at=at)
    return caught.value


def test_what_is_right_is_read_without_the_spaces_around_it() -> None:
    assert parse(Outer, {"name": " a ", "inner": {"count": 2}}) == Outer(name="a", inner=Inner(count=2))


@pytest.mark.parametrize(
    ("data", "param", "message"),
    [
        ({"inner": {"count": 1}}, "name", "name: this field is required"),
        ({"name": "a"}, "inner", "inner: this field is required"),
        ({"name": "a", "inner": {}}, "inner.count", "inner.count: this field is required"),
        ({"name": "a", "inner": {"count": 1, "x": 1}}, "inner.x", "inner.x: unknown field"),
        ({"name": "a", "inner": []}, "inner", "inner: must be an object"),
        ({"name": "a\x00", "inner": {"count": 1}}, "name", "name: holds a NUL character"),
        ({"name": "a", "inner": {"count": True}}, "inner.count", "inner.count: must be a number, not true or false"),
        ({"name": "a", "inner": {"count": 1}, "ratio": False}, "ratio", "ratio: must be a number, not true or false"),
        ({"name": "a", "inner": {"count": 1}, "ratio": float("nan")}, "ratio", "ratio: Input should be a finite number"),
    ],
)
def test_the_first_wrong_field_is_named(data: dict[str, Any], param: str, message: str) -> None:
    error = refused(data)
    assert (error.status, error.param, error.message) == (422, param, message)


def test_all_wrong_fields_are_in_the_details_below_where_they_were_sent() -> None:
    error = refused({"inner": {"count": 0}, "other": 1}, at="body")
    assert error.details is not None
    assert [detail["param"] for detail in error.details] == ["body.name", "body.inner.count", "body.other"]


@pytest.mark.parametrize("data", [None, [], "text", 7])
def test_what_is_no_object_is_said_to_be_none(data: Any) -> None:
    error = refused(data)
    assert (error.param, error.message) == (None, "must be an object")


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_half_a_surrogate_pair_is_refused(text: str) -> None:
    assert refused({"name": text, "inner": {"count": 1}}).param == "name"

"""A document changed in its bytes says what the document changed and written anew says."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.serving import splice

TEXTS = st.sampled_from(['"model":"a"', "model", ',"model":"a"', "a", "b", "ü", '\\"', "{", "[", "}", "", '"model"'])
VALUES = st.recursive(
    TEXTS | st.none() | st.integers(0, 3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["model", "x", "y"]), inner, max_size=2),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from(["id", "model", "messages", "tools", "metadata", 'the "model"']), VALUES, max_size=5)
NAMES = st.sampled_from(["served", 'a"b', "ü", "", "a"])


def as_sent(draw: st.DataObject, body: dict[str, Any]) -> bytes:
    separators = draw.draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,", ":  ")]))
    raw = json.dumps(body, separators=separators, ensure_ascii=draw.draw(st.booleans())).encode()
    return draw.draw(st.sampled_from([b"", b" \n"])) + raw + draw.draw(st.sampled_from([b"", b"\n"]))


@given(draw=st.data(), body=BODIES, model=NAMES)
def test_another_model_is_asked_for(draw: st.DataObject, body: dict[str, Any], model: str) -> None:
    found = splice.asked_for(as_sent(draw, body), body, model)
    assert found is None or orjson.loads(found) == {**body, "model": model}


@given(draw=st.data(), body=BODIES, model=NAMES)
def test_an_answer_is_called_by_another_model(draw: st.DataObject, body: dict[str, Any], model: str) -> None:
    found = splice.called(as_sent(draw, body), body.get("model"), model)
    assert found is None or orjson.loads(found) == {**body, "model": model}


@given(draw=st.data(), body=BODIES)
def test_members_are_added(draw: st.DataObject, body: dict[str, Any]) -> None:
    more = {"stream_options": {"include_usage": True}}
    found = splice.with_members(as_sent(draw, body), body, more)
    assert (found is None) == (not body)
    assert found is None or orjson.loads(found) == {**body, **more}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"messages":[{"role":"user","content":"the \\"model\\" of"}],"model":"sums"}',
        b'{"model": "sums", "messages": []}',
        b'{"messages":[]}',
    ],
)
def test_what_clients_send_is_not_written_anew(raw: bytes) -> None:
    body = orjson.loads(raw)
    found = splice.asked_for(raw, body, "served")
    assert found is not None
    assert orjson.loads(found) == {**body, "model": "served"}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"\\u006dodel":"sums","x":{"model":"sums"}}',
        b'{"model":"other","model":"sums"}',
        b'{"model":"s\\u0075ms"}',
        b'{"x":["model"],"model":"sums"}',
    ],
)
def test_what_cannot_be_told_by_looking_is_left_to_the_caller(raw: bytes) -> None:
    assert splice.asked_for(raw, orjson.loads(raw), "served") is None

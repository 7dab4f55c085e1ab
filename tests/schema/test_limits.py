"""Operations that cost too much are refused before they run, quickly."""

import time

import pytest
from graphql import parse

from schema.limits import Size, sizes_of
from tests.schema.conftest import Api

pytestmark = pytest.mark.anyio


def nested(levels: int) -> str:
    """Return a query with fields on as many levels, the last a leaf."""
    pairs = (levels - 4) // 2
    inside = "dataset { id }" if levels % 2 == 0 else "id"
    return "{ jobs { nodes { " + "checkpoints { job { " * pairs + inside + " } }" * pairs + " } } }"


def chain(count: int, body: str) -> str:
    """Return fragments that each spread the next `body` times."""
    links = [f"fragment F{index} on Query {{ {body.replace('X', f'F{index + 1}')} }}" for index in range(count)]
    return "{ ...F0 } " + " ".join(links) + f" fragment F{count} on Query {{ __typename }}"


@pytest.mark.parametrize(
    ("document", "size"),
    [
        ("{ a }", Size(1, 0)),
        ("{ a { b { c } } x: d }", Size(3, 1)),
        ("{ a { ...F } b: a { ...F } } fragment F on T { x: c { y: d } }", Size(3, 5)),
        ("{ a { ... on T { b } } }", Size(2, 0)),
        ("{ __schema { types { fields { type { name } } } } }", Size(1, 0)),
        ("{ ...F } fragment F on T { a ...F }", Size(1, 0)),
        ("{ ...Missing }", Size(0, 0)),
    ],
)
def test_depth_and_aliases_are_counted_through_fragments(document: str, size: Size) -> None:
    assert sizes_of(parse(document)) == [size]


async def test_twelve_levels_are_taken_and_thirteen_refused(api: Api) -> None:
    assert sizes_of(parse(nested(12)))[0].depth == 12
    assert "errors" not in await api(nested(12))
    assert sizes_of(parse(nested(14)))[0].depth == 14
    (error,) = (await api(nested(14)))["errors"]
    assert error["message"] == "The operation is deeper than 12 levels."


async def test_fifty_aliases_are_taken_and_one_more_refused(api: Api) -> None:
    def query(count: int) -> str:
        return "{" + " ".join(f"a{index}: __typename" for index in range(count)) + "}"

    assert "errors" not in await api(query(50))
    (error,) = (await api(query(51)))["errors"]
    assert error["message"] == "The document has more than 50 aliases."


async def test_two_thousand_tokens_are_taken_and_more_refused(api: Api) -> None:
    def query(count: int) -> str:
        return "{ jobs(filter: {status: [" + "QUEUED " * count + "]}) { nodes { id } } }"

    assert "errors" not in await api(query(1970))
    (error,) = (await api(query(2000)))["errors"]
    assert "2000" in error["message"]
    assert error["extensions"] == {"code": "BAD_REQUEST"}


HOSTILE = (
    chain(180, "...X ...X"),
    chain(200, "...X"),
    chain(120, "a: __typename ...X b: __typename ...X"),
    "{" * 900 + "}" * 900,
    "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }",
    "{ jobs" + " @include(if: true)" * 300 + " { nodes { id } } }",
)


async def test_a_hostile_document_is_answered_at_once(api: Api) -> None:
    for query in HOSTILE:
        started = time.process_time()
        response = await api.post({"query": query})
        assert time.process_time() - started < 2
        answer = response.json()
        assert answer.get("errors") or answer["data"], query
        assert {error["extensions"]["code"] for error in answer.get("errors", ())} <= {"BAD_REQUEST"}


async def test_pages_have_a_most(api: Api) -> None:
    for first in (0, -1, 101):
        (error,) = (await api("query($first: Int!) { jobs(first: $first) { nodes { id } } }", first=first))["errors"]
        assert error["message"] == "first is 1 to 100."
        assert error["extensions"] == {"code": "INVALID", "param": "first"}

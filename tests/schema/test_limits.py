"""Operations that cost too much are refused before they run, quickly."""

import itertools
import time

import pytest
from graphql import GraphQLError, parse

from schema.limits import MAX_TEXT, Size, check_text, sizes_of
from tests.conftest import Server
from tests.schema.conftest import Api

pytestmark = pytest.mark.anyio


def nested(levels: int) -> str:
    """Return a query with fields on as many levels, the last a leaf, that reads little."""
    fields = itertools.islice(itertools.cycle(("jobs(first: 1)", "nodes", "dataset")), levels - 1)
    return "{ " + " { ".join([*fields, "id"]) + " }" * levels


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
    assert sizes_of(parse(nested(13)))[0].depth == 13
    (error,) = (await api(nested(13)))["errors"]
    assert error["message"] == "The operation is deeper than 12 levels."


def aliased(count: int) -> str:
    return "{" + " ".join(f"a{index}: __typename" for index in range(count)) + "}"


async def test_fifty_aliases_are_taken_and_one_more_refused(api: Api) -> None:
    assert "errors" not in await api(aliased(50))
    spread = "{ ...F ...F } fragment F on Query { " + aliased(26) + " }"
    for query in (aliased(51), spread.replace("{ {", "{ ...on Query {").replace("} }", "} }")):
        (error,) = (await api(query))["errors"]
        assert error["message"] == "The document has more than 50 aliases."


async def test_twenty_repeats_are_taken_and_one_more_refused(api: Api) -> None:
    def query(count: int) -> str:
        return "{ viewer { " + "__typename " * 11 + " } other: viewer { " + "__typename " * (count - 9) + "} }"

    assert "errors" not in await api(query(20))
    (error,) = (await api(query(21)))["errors"]
    assert error["message"] == "The document asks more than 20 times for what the same selection has already."


async def test_what_is_written_into_arguments_is_bounded(api: Api) -> None:
    def query(count: int) -> str:
        return "{ jobs(filter: {status: [" + "QUEUED " * count + "]}) { nodes { id } } }"

    assert check_text(query(242)) == 261
    assert "errors" not in await api(query(242))
    (error,) = (await api(query(243)))["errors"]
    assert error["message"] == "The arguments have more than 250 tokens. Long values go into variables."


async def test_two_thousand_tokens_are_the_most(api: Api) -> None:
    (error,) = (await api("# nothing\n" * 2000 + "{ viewer { account { id } } }"))["errors"]
    assert error == {"message": "The document has more than 2000 tokens.", "extensions": {"code": "BAD_REQUEST"}}


async def test_a_stranger_has_room_for_reading_the_schema_and_no_more(server: Server) -> None:
    async with server.client() as client:
        client.headers.pop("authorization")
        types = " ".join(f'a{index}: __type(name: "Job") {{ name }}' for index in range(36))
        query = f"{{ {types} __typename __typename }}"
        taken = await client.post("/graphql", json={"query": query})
        refused = await client.post("/graphql", json={"query": query.replace("{", "{ __typename", 1)})
    assert check_text(query) == 400
    assert taken.json()["data"]["__typename"] == "Query"
    assert refused.json()["errors"][0]["message"] == "The document has more than 400 tokens."


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("{ a }", 3),
        ("{,a\ufeff}", 3),
        ('{ a(b: "x y { : (") }', 8),
        ('{ a(b: "\\" {") }', 8),
        ('{ a(b: """ "quoted" \\""" { """) }', 8),
        ("{ a ...B } # a: {", 6),
        ("query($a: Int = -1.5e3) { x: a(b: {c: [1, 2]}) @d }", 28),
    ],
)
def test_tokens_are_counted_as_the_parser_reads_them(text: str, tokens: int) -> None:
    assert check_text(text) == tokens
    if text:
        assert parse(text, max_tokens=tokens)
        with pytest.raises(GraphQLError, match="tokens"):
            parse(text, max_tokens=tokens - 1)


REFUSED = {
    "{" * 25: "The document nests selections more than 24 times.",
    "{ " + "a " * 401: "The document has more than 400 fields, fragments and directives.",
    "{ a" + " @skip(if: true)" * 51: "The document has more than 50 directives.",
    '{ a(b: "x) }': "Syntax Error: Unterminated string.",
    '{ a(b: """x) }': "Syntax Error: Unterminated string.",
    " " * (MAX_TEXT + 1): "The document has more than 25000 characters. Long values go into variables.",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_one_look_at_a_text_refuses_what_is_far_too_large(text: str, message: str) -> None:
    with pytest.raises(GraphQLError) as refused:
        check_text(text)
    assert refused.value.message == message


HOSTILE = (
    chain(180, "...X ...X"),
    chain(200, "...X"),
    chain(240, "...X"),
    chain(120, "a: __typename ...X b: __typename ...X"),
    "{" * 900 + "}" * 900,
    "{ jobs(filter: " + "[" * 900 + "]" * 900 + ") { nodes { id } } }",
    "{ jobs(filter: " + "{a: " * 450 + "1" + "}" * 450 + ") { nodes { id } } }",
    "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }",
    "{ jobs" + " @include(if: true)" * 300 + " { nodes { id } } }",
    "{ viewer {" + " account { slug }" * 490 + " } }",
    "{ ...F0 }" + "".join(f" fragment F{index} on Query {{ ...F{(index + 1) % 200} }}" for index in range(200)),
    "{ jobs(first: " + "9" * 5000 + ") { nodes { id } } }",
    '{ jobs(after: "' + "x" * 31_000 + '") { nodes { id } } } x',
    "{ viewer { " * 999,
    "query q($a: " * 500,
)


async def test_a_hostile_document_is_answered_at_once(api: Api) -> None:
    for query in HOSTILE:
        started = time.process_time()
        response = await api.post({"query": query})
        assert time.process_time() - started < 2
        answer = response.json()
        assert answer.get("errors") or answer["data"], query[:100]
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert codes <= {"BAD_REQUEST", "COST_LIMIT"}, query[:100]


async def test_pages_have_a_most(api: Api) -> None:
    for first in (0, -1, 101):
        (error,) = (await api("query($first: Int!) { jobs(first: $first) { nodes { id } } }", first=first))["errors"]
        assert error["message"] == "first is 1 to 100."
        assert error["extensions"] == {"code": "INVALID", "param": "first"}

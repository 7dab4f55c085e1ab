"""What every operation goes through before it runs, and how long it may run."""

import asyncio
from typing import Any

import pytest
from graphql import GraphQLError, get_introspection_query

from resolvers import api_keys
from schema import admission, documents
from schema.documents import Document, Documents
from schema.errors import public
from schema.root import schema
from tests.conftest import Server
from tests.schema.conftest import Api, NewRun

pytestmark = pytest.mark.anyio
SLUG = "{ viewer { account { slug } } }"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Documents:
    made = Documents(schema._schema)
    monkeypatch.setattr(admission, "DOCUMENTS", made)
    return made


async def test_a_document_is_parsed_and_validated_once(api: Api, fresh: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.data("query($first: Int!) { jobs(first: $first) { nodes { id } } }", first=1)
    monkeypatch.setattr(Document, "__init__", None)
    monkeypatch.setattr(Document, "validate", None)
    monkeypatch.setattr("strawberry.schema.schema.parse", None)
    monkeypatch.setattr("strawberry.schema.schema.validate_document", None)
    for first in (1, 100):
        await api.data("query($first: Int!) { jobs(first: $first) { nodes { id } } }", first=first)
    (error,) = (await api("query($first: Int!) { jobs(first: $first) { nodes { id } } }", first=9999))["errors"]
    assert error["extensions"]["code"] == "COST_LIMIT"


async def test_only_valid_documents_of_callers_with_a_key_are_kept(api: Api, fresh: Documents) -> None:
    unkept = ("{ nothing }", "{ jobs(first: 5000) { nodes { id } } }", "{ __typename }")
    for text in unkept[:2]:
        await api(text)
    async with api.server.client() as client:
        client.headers.pop("authorization")
        assert (await client.post("/graphql", json={"query": "{ __typename }"})).json()["data"]
    assert [fresh.find(text) for text in unkept] == [None, None, None]
    await api("{ __typename }")
    assert fresh.find("{ __typename }") is not None


def test_the_least_used_documents_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_KEPT", 50)
    kept = Documents(schema._schema)
    texts = [f"{{ a{index}: __typename }}".ljust(20) for index in range(3)]
    for text in texts[:2]:
        kept.keep(kept.read(text, known=True))
    assert kept.find(texts[0]) is not None
    kept.keep(kept.read(texts[2], known=True))
    assert [kept.find(text) is not None for text in texts] == [True, False, True]


async def test_nobody_is_told_of_names_that_are_nearly_right(api: Api) -> None:
    for query in ("{ jobz { nodes { id } } }", "{ jobs(frist: 1) { nodes { id } } }", "{ jobs { nodes { statuz } } }"):
        assert "Did you mean" not in str((await api(query))["errors"])


async def test_a_stranger_learns_nothing_of_fields(server: Server) -> None:
    async with server.client() as client:
        client.headers.pop("authorization")
        answers = [await client.post("/graphql", json={"query": query}) for query in ("{ jobs { nodes { id } } }", SLUG)]
    for answer in answers:
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.json() == {"errors": [{"message": "Invalid API key", "extensions": {"code": "UNAUTHENTICATED"}}]}


async def test_introspection_can_be_switched_off(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.server.platform.core.settings, "introspection", False)
    hidden = ("{ ...F } fragment F on Query { ... { s: __schema { queryType { name } } } }", '{ __type(name: "Job") { name } }')
    for query in (get_introspection_query(), *hidden):
        answer = await api(query)
        assert answer["errors"][0]["message"] == "This installation does not answer questions about its schema."
        assert "data" not in answer
    assert await api.data("{ __typename viewer { __typename } }") == {"__typename": "Query", "viewer": {"__typename": "Viewer"}}
    monkeypatch.setattr(api.server.platform.core.settings, "introspection", True)
    assert "errors" not in await api(get_introspection_query())


async def test_which_operation_runs_must_be_clear(api: Api) -> None:
    both = "query A { __typename } query B { b: __typename }"
    assert (await api.post({"query": both, "operationName": "B"})).json()["data"] == {"b": "Query"}
    for name, message in (
        (None, "The document has several operations: operationName says which to run."),
        ("C", "The document has no operation of this name."),
        ("", "The document has no operation of this name."),
    ):
        (error,) = (await api.post({"query": both, "operationName": name})).json()["errors"]
        assert (error["message"], error["extensions"]) == (message, {"code": "BAD_REQUEST"})


async def test_a_query_that_takes_too_long_is_cut(api: Api, new_run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await new_run()
    monkeypatch.setattr(api.server.platform.core.settings, "query_timeout_s", 0.05)
    cut: list[str] = []

    def hangs(name: str) -> object:
        async def hang(*args: object, **options: object) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cut.append(name)
                raise

        return hang

    monkeypatch.setattr("resolvers.related.by_id", hangs("loader"))
    monkeypatch.setattr("resolvers.jobs.page", hangs("page"))
    for query, name in ((f'{{ job(id: "{run.id}") {{ id }} }}', "loader"), ("{ jobs { nodes { id } } }", "page")):
        response = await api.post({"query": query})
        assert response.status_code == 504
        answer = response.json()
        del answer["extensions"]
        message = "The query took longer than 0.05 seconds."
        assert answer == {"data": None, "errors": [{"message": message, "extensions": {"code": "TIMEOUT"}}]}
        assert cut.pop() == name


async def test_a_mutation_is_never_cut(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.server.platform.core.settings, "query_timeout_s", 0.05)
    started, query_was_cut = asyncio.Event(), asyncio.Event()
    make = api_keys.create

    async def slowly(*args: Any, **options: Any) -> Any:
        started.set()
        await query_was_cut.wait()
        return await make(*args, **options)

    async def never(*args: object, **options: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("resolvers.api_keys.create", slowly)
    monkeypatch.setattr("resolvers.jobs.page", never)
    making = asyncio.create_task(api.data('mutation { createApiKey(input: {name: "slow"}) { apiKey { name } } }'))
    await started.wait()
    assert (await api("{ jobs { nodes { id } } }"))["errors"][0]["extensions"] == {"code": "TIMEOUT"}
    query_was_cut.set()
    assert (await making)["createApiKey"]["apiKey"] == {"name": "slow"}


def test_an_error_without_a_place_is_hidden_too() -> None:
    shown = public(GraphQLError("the password is hunter2", original_error=RuntimeError("the password is hunter2")), "req_1")
    assert shown.message == "Something went wrong here. The request id is req_1."
    assert shown.extensions == {"code": "INTERNAL", "requestId": "req_1"}
    assert shown.original_error is None


async def test_a_value_that_cannot_be_read_says_why(api: Api) -> None:
    answer = await api("query($after: DateTime) { datasets(createdAfter: $after) { nodes { id } } }", after="yesterday")
    assert "RFC 3339 is needed" in answer["errors"][0]["message"]
    assert answer["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}

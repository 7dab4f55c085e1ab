"""What an operation costs is told before it runs, and what costs too much does not run."""

from typing import Any

import pytest
from graphql import GraphQLError, GraphQLInterfaceType, GraphQLObjectType, get_introspection_query

from schema.cost import MAX_COST, RULES
from schema.documents import Documents
from schema.root import schema
from tests.schema.conftest import Api

pytestmark = pytest.mark.anyio

PAGE_OF_JOBS = """
query Jobs($first: Int = 50) {
  jobs(first: $first) {
    nodes {
      id outputName status progress { step totalSteps } hardware { type count }
      dataset { id name } rewardFunction { id name } deployments { id name status }
      cost { total { amount currency } } metrics(maxPoints: 3) { key steps values } error { code message }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
JOB_LIVE = """
query Job($id: ID!) {
  job(id: $id) {
    id status dataset { id name } rewardFunction { id source }
    metrics { key steps values lower upper }
    logs(first: 1000) { nodes { cursor message } }
    events(first: 100) { nodes { type at metadata } }
    checkpoints { id step downloadUrl files { path } }
    rolloutGroups(first: 10) { nodes { step completions { text reward components { name value } } } }
  }
}
"""
HOME = """
{
  viewer { account { available { amount } } apiKey { name } }
  running: jobs(first: 20, filter: {status: [RUNNING]}) { nodes { id progress { fraction } dataset { name } } }
  deployments(first: 20) { nodes { id status stats { requestCount } replicas { id status } } }
}
"""


def cost(text: str, **variables: Any) -> int:
    return Documents(schema._schema).read(text, known=True).operation(None).cost(variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 1),
        ("{ viewer { account { slug balance { amount } } } }", 1),
        ("{ jobs(first: 100) { nodes { id } } }", 21),
        ("{ jobs { nodes { id } } }", 5),
        ("{ jobs(first: 10) { edges { cursor node { id } } nodes { id } pageInfo { endCursor } } }", 5),
        ("{ jobs(first: 10) { nodes { dataset { id } } } }", 13),
        ("{ jobs(first: 10) { nodes { dataset { id } a: dataset { name } } } }", 23),
        ("{ jobs(first: 10) { nodes { logs(first: 100) { nodes { message } } } } }", 213),
        ("{ job(id: 1) { logs(last: 100) { nodes { message } } } }", 22),
        ("{ job(id: 1) { logs(last: null) { nodes { message } } } }", 42),
        ('{ job(id: 1) { logs(first: 1, filter: {search: "a"}) { nodes { message } } } }', 23),
        ('{ job(id: 1) { logCount(filter: {search: "a"}) { lines } logRange { total } } }', 102),
        ("{ job(id: 1) { rolloutGroups(first: 1, step: 4) { nodes { step } } } }", 3),
        ("{ job(id: 1) { rolloutGroups(first: 1, datasetRow: 4) { nodes { step } } } }", 103),
        ("{ job(id: 1) { rolloutGroups(first: 1, datasetRow: 4, filter: {truncated: true}) { nodes { step } } } }", 103),
        ("{ jobs(first: 0) { nodes { dataset { id } } } }", 1),
        ("{ jobs(first: -5) { nodes { dataset { id } } } }", 1),
        ("{ jobs(first: 99999999999) { nodes { id } } }", 200_000_001),
        ("{ job(id: 1) { metrics { key } } }", 14),
        ("{ job(id: 1) { metrics(maxPoints: 10000) { key } } }", 204),
        ("{ job(id: 1) { deployments { replicas { id } } } }", 9),
        ("{ checkpoint(id: 1) { downloadUrl } }", 2),
        ("{ jobs(first: 10) { ...F } } fragment F on JobConnection { nodes { ...on TrainingJob { dataset { id } } } }", 13),
        ("mutation { cancelTrainingJob(input: {id: 1}) { job { id } } }", 10),
        ("mutation { cancelTrainingJob(input: {id: 1}) { job { dataset { id } } } }", 11),
        ("subscription { jobLogs(jobId: 1) { ...on LogBatch { lines { message } } ...on StreamEnd { reason } } }", 21),
        ("subscription { jobRollouts(jobId: 1, sampleGroups: 50) { ...on RolloutBatch { groups { id } } } }", 11),
        ("{ rateLimit { remaining } }", 1),
    ],
)
def test_an_operation_costs_what_it_reads_and_writes(text: str, expected: int) -> None:
    assert cost(text) == expected


def test_variables_count_and_so_do_their_defaults() -> None:
    text = "query($first: Int = 30) { jobs(first: $first) { nodes { dataset { id } } } }"
    assert [cost(text), cost(text, first=50), cost(text, first=0)] == [37, 61, 1]
    # What cannot be read as a number is refused when it runs; until then the schema's default is as good as any.
    assert [cost(text, first="many"), cost(text, first=None)] == [25, 25]


def test_how_much_is_read_backwards_counts_where_it_is_given() -> None:
    text = "query($last: Int) { job(id: 1) { logs(first: 50, last: $last) { nodes { message } } } }"
    assert [cost(text, last=1000), cost(text, last=None), cost(text)] == [202, 12, 12]


def test_the_length_of_a_list_counts() -> None:
    text = "query($ids: [ID!]!) { compareJobs(ids: $ids) { jobs { dataset { id } } } }"
    assert cost(text, ids=["a", "b", "c"]) - cost(text, ids=["a"]) == pytest.approx(2.4, abs=1)
    assert cost(text.replace("$ids)", '["a", "b", "c"])')) == cost(text, ids=["a", "b", "c"])


def test_only_the_dearest_type_of_a_thing_counts() -> None:
    job = "... on TrainingJob { dataset { id } rewardFunction { id } }"
    deployment = "... on Deployment { checkpoint { id } }"
    assert cost(f"{{ node(id: 1) {{ id {job} {deployment} }} }}") == 3
    assert cost(f"{{ node(id: 1) {{ id {deployment} {deployment} }} }}") == 3


def test_fragments_that_spread_each_other_are_looked_at_once() -> None:
    links = " ".join(f"fragment F{index} on Query {{ ...F{index + 1} ...F{index + 1} }}" for index in range(60))
    assert cost("{ ...F0 } " + links + " fragment F60 on Query { viewer { account { slug } } }") == 10**9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ viewer { nothing } }", "Cannot query field 'nothing' on type 'Viewer'."),
        ("{ ...F } fragment F on Query { ...F }", "Cannot spread fragment 'F' within itself."),
        ("{ ...F }", "Unknown fragment 'F'."),
        ("{ ... on Nothing { id } }", "There is no type 'Nothing' to select from."),
        ("fragment F on Query { viewer }", "The document has no operation."),
    ],
)
def test_what_has_no_price_is_refused(text: str, message: str) -> None:
    with pytest.raises(GraphQLError) as refused:
        cost(text)
    assert refused.value.message == message


def test_every_screen_is_well_within_the_limit() -> None:
    for text in (PAGE_OF_JOBS, JOB_LIVE, HOME):
        assert Documents(schema._schema).read(text, known=True).validate() == []
        assert cost(text) < MAX_COST / 2, text
    newest = get_introspection_query(specified_by_url=True, schema_description=True, input_value_deprecation=True)
    assert cost(get_introspection_query()) == cost(newest) < MAX_COST / 2


def test_the_rules_are_about_fields_that_there_are() -> None:
    for name, rule in RULES.items():
        parent, _, field = name.partition(".")
        kind = schema._schema.get_type(parent)
        assert isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)), name
        given = {rule.page if rule.page != "first" else None, rule.points} - {None}
        assert given <= set(kind.fields[field].args), name


async def test_each_answer_tells_its_cost(api: Api) -> None:
    read = (await api("{ jobs(first: 10) { nodes { id } } }"))["extensions"]["cost"]
    assert {name: read[name] for name in ("requested", "maximum", "limit", "remaining")} == {
        "requested": 3,
        "maximum": 1000,
        "limit": 600_000,
        "remaining": 599_997,
    }
    failed = await api('{ jobs(after: "nonsense") { nodes { id } } }')
    assert failed["errors"]
    assert failed["extensions"]["cost"]["requested"] == 5


async def test_what_costs_too_much_does_not_run(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*args: object, **options: object) -> None:
        raise AssertionError("it ran")

    monkeypatch.setattr("resolvers.jobs.page", never)
    answer = await api("{ jobs(first: 100) { nodes { logs(first: 1000) { nodes { message } } } } }")
    assert answer == {
        "errors": [
            {
                "message": "The operation costs 20121 points, and 1000 are the most.",
                "extensions": {
                    "code": "COST_LIMIT",
                    "cost": {"requested": 20121, "maximum": 1000},
                    "hint": "Ask for fewer items, or for less of each.",
                },
            }
        ]
    }

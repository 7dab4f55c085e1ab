"""A log as a viewer reads it: any window by the number of a line, either way, searched and counted."""

from typing import Any

import pytest

from burnish.kit import clock, stream
from schema import logs
from tests.schema.conftest import Answer, Api, NewRun, Run, Sockets

pytestmark = pytest.mark.anyio
QUERY = """query($id: ID!, $first: Int! = 200, $after: Cursor, $last: Int, $before: Cursor, $fromLine: Int, $filter: LogFilter) {
  job(id: $id) { logs(first: $first, after: $after, last: $last, before: $before, fromLine: $fromLine, filter: $filter) {
    nodes { number message cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
RANGE = "query($id: ID!) { job(id: $id) { logRange { firstLine lastLine total ended } } }"
COUNT = """query($id: ID!, $filter: LogFilter!, $after: Cursor) { job(id: $id) {
  logCount(filter: $filter, after: $after) { lines more lookedAtThrough endCursor } } }"""


async def log_of(api: Api, run: Run, **given: Any) -> tuple[list[int], Answer]:
    page = (await api.data(QUERY, id=run.id, **given))["job"]["logs"]
    return [node["number"] for node in page["nodes"]], page["pageInfo"]


async def count_of(api: Api, run: Run, **given: Any) -> Answer:
    count: Answer = (await api.data(COUNT, id=run.id, **given))["job"]["logCount"]
    return count


@pytest.fixture
async def run(new_run: NewRun) -> Run:
    """A job whose log has the line of its status and 20 more in chunks of four; line 7 and line 18 say `needle`."""
    made = await new_run()
    for start in range(2, 22, 4):
        await made.log(*(f"line {number}{' Needle' if number in (7, 18) else ''}" for number in range(start, start + 4)))
    return made


async def test_any_window_is_read_by_the_number_of_its_first_line(api: Api, run: Run) -> None:
    assert (await api.data(RANGE, id=run.id))["job"]["logRange"] == {"firstLine": 1, "lastLine": 21, "total": 21, "ended": False}
    for number in range(1, 24):
        assert (await log_of(api, run, first=5, fromLine=number))[0] == list(range(number, min(number + 5, 22)))
    _, info = await log_of(api, run, first=5, fromLine=17)
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (False, True)
    assert (await log_of(api, run, first=5, fromLine=1))[1]["hasPreviousPage"] is False


@pytest.mark.parametrize("wanted", [None, {}])
async def test_a_log_is_read_backwards_to_its_beginning(api: Api, run: Run, wanted: Answer | None) -> None:
    numbers, info = await log_of(api, run, last=8, filter=wanted)
    assert (numbers, info["hasNextPage"], info["hasPreviousPage"]) == ([14, 15, 16, 17, 18, 19, 20, 21], False, True)
    numbers, info = await log_of(api, run, last=8, before=info["startCursor"], filter=wanted)
    assert (numbers, info["hasNextPage"], info["hasPreviousPage"]) == ([6, 7, 8, 9, 10, 11, 12, 13], True, True)
    numbers, info = await log_of(api, run, last=8, before=info["startCursor"], filter=wanted)
    assert (numbers, info["hasNextPage"], info["hasPreviousPage"]) == ([1, 2, 3, 4, 5], True, False)
    assert (await log_of(api, run, last=8, before=info["startCursor"], filter=wanted))[0] == []


async def test_the_next_and_the_previous_match_are_found_from_a_line(api: Api, run: Run) -> None:
    (node,) = (await api.data(QUERY, id=run.id, first=1, fromLine=12))["job"]["logs"]["nodes"]
    wanted = {"search": "needle"}
    assert (await log_of(api, run, first=1, after=node["cursor"], filter=wanted))[0] == [18]
    numbers, info = await log_of(api, run, last=1, before=node["cursor"], filter=wanted)
    assert numbers == [7]
    assert (await log_of(api, run, last=1, before=info["startCursor"], filter=wanted))[0] == []
    assert (await log_of(api, run, first=1, fromLine=7, filter=wanted))[0] == [7]


async def test_matches_are_counted_in_bounded_steps(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await count_of(api, run, filter={"search": "NEEDLE"})
    assert {**found, "endCursor": None} == {"lines": 2, "more": False, "lookedAtThrough": 21, "endCursor": None}
    monkeypatch.setattr(logs, "COUNT_LOOKS_AT", 9)
    part = await count_of(api, run, filter={"search": "needle"})
    assert (part["lines"], part["more"], part["lookedAtThrough"]) == (1, True, 9)
    part = await count_of(api, run, filter={"search": "needle"}, after=part["endCursor"])
    assert (part["lines"], part["more"], part["lookedAtThrough"]) == (1, False, 21)
    monkeypatch.setattr(logs, "MOST_COUNTED", 3)
    part = await count_of(api, run, filter={"search": "line"})
    assert (part["lines"], part["more"], part["lookedAtThrough"]) == (3, True, 4)


@pytest.mark.parametrize("first", [1, 3, 100])
async def test_a_filtered_log_is_read_in_bounded_steps(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    monkeypatch.setattr(logs, "MOST_LOOKED_AT", 8)
    found: list[int] = []
    after, pages = None, 0
    while True:
        numbers, info = await log_of(api, run, first=first, after=after, filter={"search": "needle"})
        found, after, pages = found + numbers, info["endCursor"], pages + 1
        if not info["hasNextPage"]:
            break
    # 9, 17 and 21 lines have been looked at; of one line each, up to 7, 15, 18 and 21.
    assert (found, pages) == ([7, 18], 4 if first == 1 else 3)


async def test_lines_that_retention_took_are_passed_over(api: Api, run: Run) -> None:
    async with run.server.platform.db.transaction() as session:
        await stream.trim(session, run.id, "logs", through=9)
    assert (await api.data(RANGE, id=run.id))["job"]["logRange"] == {"firstLine": 10, "lastLine": 21, "total": 12, "ended": False}
    numbers, info = await log_of(api, run, last=100)
    assert (numbers, info["hasPreviousPage"]) == (list(range(10, 22)), False)
    assert (await log_of(api, run, last=3, before=info["startCursor"]))[0] == []
    assert (await log_of(api, run, first=2, fromLine=3))[0] == [10, 11]


async def test_levels_and_sources_are_found_by_what_they_are_stored_as(api: Api, run: Run) -> None:
    words = ("critical", "warn", "info", "notice")
    rows = [{"at": clock.now().isoformat(), "level": level, "source": "my code", "message": "m"} for level in words]
    await run.append("logs", rows)
    assert (await log_of(api, run, filter={"levels": ["ERROR"]}))[0] == [22]
    assert (await log_of(api, run, filter={"levels": ["WARNING"]}))[0] == [23]
    assert (await log_of(api, run, filter={"levels": ["INFO"], "sources": ["my code"]}))[0] == [24, 25]
    assert (await log_of(api, run, filter={"levels": []}))[0] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"last": 0}, "last is 1 to 1000."),
        ({"last": 1001}, "last is 1 to 1000."),
        ({"last": 1, "fromLine": 2}, "Give last with before, and first with after or from_line."),
        ({"fromLine": 0}, "Lines are numbered from 1."),
    ],
)
async def test_a_window_that_cannot_be_is_refused(api: Api, run: Run, given: Answer, message: str) -> None:
    (error,) = (await api(QUERY, id=run.id, **given))["errors"]
    assert error["message"] == message
    before = (await log_of(api, run, last=1))[1]["startCursor"]
    (error,) = (await api(QUERY, id=run.id, before=before))["errors"]
    assert error["message"] == "before needs last: how many lines to give."


async def test_the_log_of_a_deployment_is_another_ones_no_business(api: Api, run: Run) -> None:
    query = 'query { deployment(id: "dep_none") { logRange { total } } }'
    assert (await api.data(query))["deployment"] is None


TOO_MUCH: list[tuple[Answer, str]] = [
    ({"sources": ["a"] * 21}, "sources"),
    ({"levels": ["INFO"] * 5}, "levels"),
    ({"search": "a" * 1001}, "search"),
    ({"sources": ["a" * 1001]}, "search"),
]


@pytest.mark.parametrize(("wanted", "param"), TOO_MUCH)
async def test_a_filter_that_would_look_for_too_much_is_refused(
    api: Api, sockets: Sockets, run: Run, wanted: Answer, param: str
) -> None:
    live = "subscription($id: ID!, $filter: LogFilter) { jobLogs(jobId: $id, filter: $filter) { __typename } }"
    for query in (QUERY, COUNT):
        (error,) = (await api(query, id=run.id, filter=wanted))["errors"]
        assert (error["extensions"]["code"], error["extensions"]["param"]) == ("INVALID", param)
    async with sockets() as socket:
        answer = await (await socket.start(live, id=run.id, filter=wanted)).next()
    (error,) = answer["payload"]
    assert (error["extensions"]["code"], error["extensions"]["param"]) == ("INVALID", param)

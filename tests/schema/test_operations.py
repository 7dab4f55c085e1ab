"""Operations that clients send: each stays valid, and is answered as it was, whatever the schema becomes.

A file in `operations/` says since which version its operation works, where it comes from, and its variables, in which `$job` and
the like stand for ids. A change that fails here breaks a client: it is the schema that has to give way, not the file.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from graphql import OperationDefinitionNode, OperationType, build_schema, parse, validate

from burnish.kit import clock, stream
from models import job
from schema import export
from tests.schema.conftest import Api, NewRun, Run, Sockets
from tests.schema.test_statements import fill

FOLDER = Path(__file__).parent / "operations"
HEADER = re.compile(r"# since: (?P<since>\d+\.\d+\.\d+)\n# from: (?P<source>.+)\n# variables: (?P<variables>\{.*\})\n")
STANDS_FOR = re.compile(r'"\$(\w+)"')


class Operation(NamedTuple):
    name: str
    text: str
    variables: str

    @property
    def kind(self) -> OperationType:
        (found,) = [node for node in parse(self.text).definitions if isinstance(node, OperationDefinitionNode)]
        return found.operation

    def given(self, ids: dict[str, str]) -> dict[str, Any]:
        """Return the variables with the ids that they stand for."""
        found: dict[str, Any] = json.loads(STANDS_FOR.sub(lambda match: json.dumps(ids[match[1]]), self.variables))
        return found


def operations() -> Iterator[Operation]:
    for file in sorted(FOLDER.glob("*.graphql")):
        text = file.read_text()
        header = HEADER.match(text)
        assert header is not None, f"{file.name} has no header"
        yield Operation(file.stem, text, header["variables"])


OPERATIONS = list(operations())


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_of_a_client_stays_valid(operation: Operation) -> None:
    assert validate(build_schema(export.text()), parse(operation.text)) == []


def test_the_operations_of_the_documents_are_kept() -> None:
    """What the documents show is an operation here, or part of one, so that it cannot grow old unseen."""
    shown = re.findall(
        r'-d \'\{"query": "([^"]+)"|```graphql\n(.+?)```', (FOLDER.parents[2] / "README.md").read_text(), re.DOTALL
    )
    kept = [_plain(operation.text) for operation in OPERATIONS]
    missing = [text for pair in shown for text in pair if text and not any(_plain(text) in known for known in kept)]
    assert shown != []
    assert missing == []


@pytest.fixture
async def ids(api: Api, new_run: NewRun) -> dict[str, str]:
    """Make what the operations speak of: a job that has run and ended, another one, a deployment that serves."""
    await fill(api, 1)
    run = await new_run(output_name="run")
    await run_to_the_end(run)
    found = (await api.data(f'{{ job(id: "{run.id}") {{ dataset {{ id }} rewardFunction {{ id }} }} }}'))["job"]
    others = await api.data("{ jobs { nodes { id } } deployments { nodes { id } } }")
    (other,) = [node["id"] for node in others["jobs"]["nodes"] if node["id"] != run.id]
    return {
        "job": run.id,
        "other": other,
        "dataset": found["dataset"]["id"],
        "reward": found["rewardFunction"]["id"],
        "deployment": others["deployments"]["nodes"][0]["id"],
    }


async def run_to_the_end(run: Run) -> None:
    await run.move(job.PROVISIONING, job.RUNNING)
    await run.metrics([1, 2], reward=0.5, kl=0.1)
    completion = {
        "text": "2",
        "reward": 1.0,
        "components": {},
        "advantage": 0.0,
        "tokens": 1,
        "truncated": False,
        "score_error": None,
    }
    group = {"dataset_row": 0, "prompt": "1 + 1 = ?", "completions": [completion]}
    await run.append("rollouts", [{"step": 1, "groups": [group]}])
    line = {"at": clock.now().isoformat(), "level": "warning", "source": "trainer", "message": "The loss is high"}
    await run.append("logs", [line])
    await run.move(job.COMPLETED)
    async with run.server.platform.db.transaction() as session:
        await stream.end(session, run.id, job.STREAMS, job.COMPLETED)


@pytest.mark.anyio
async def test_every_operation_of_a_client_is_answered(api: Api, sockets: Sockets, ids: dict[str, str]) -> None:
    for operation in OPERATIONS:
        if operation.kind is not OperationType.SUBSCRIPTION:
            answer = await api(operation.text, **operation.given(ids))
            assert "errors" not in answer, (operation.name, answer)
            for name, found in answer["data"].items():
                assert found is not None, (operation.name, name)
                assert operation.kind is OperationType.QUERY or found["errors"] == [], (operation.name, found)
            continue
        async with sockets() as live:
            frames = await (await live.start(operation.text, **operation.given(ids))).until_end()
        assert len(frames) > 1, operation.name
        assert frames[-1]["reason"] == job.COMPLETED, operation.name


def _plain(text: str) -> str:
    """Return an operation without comments, spaces and the id that it is about."""
    uncommented = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    anonymous = uncommented.replace("($id: ID!)", "").replace("jobId: $id", 'jobId: "job_…"')
    return re.sub(r"\s+", "", anonymous)

"""The audit log: an entry for every mutation, and reading it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from graphql import build_schema
from sqlmodel import col, select

from burnish.kit import clock
from models import job
from models.audit import AuditEntry
from schema import export
from tests.conftest import Server, Tenant
from tests.rest_compat import bulk, things
from tests.schema.conftest import REWARD, Answer, Api, NewRun

pytestmark = pytest.mark.anyio
Prepare = Callable[[Api, NewRun], Awaitable[Answer]]
NO_CHANGE = "looks, and changes nothing"
HEARTBEAT = "says every few seconds that somebody is there"
NOTHING_YET = "makes room for a file, and nothing of it before the data set is made"
BY_THE_OPERATOR = "is for the operator alone: tests/cli/test_adopting.py has its entry"
OWN_ACTOR = "its entry is the session's own, as tests/schema/test_sessions.py has it"
FIELDS = build_schema(export.text()).mutation_type
LOG = """query Log($first: Int, $after: Cursor, $filter: AuditFilter) { auditLog(first: $first, after: $after, filter: $filter) {
    nodes { id actor actorName action resourceId requestId details createdAt } pageInfo { hasNextPage endCursor } } }"""


def given(**values: Any) -> Prepare:
    async def prepare(api: Api, new_run: NewRun) -> Answer:
        return values

    return prepare


def pair() -> Answer:
    made = things.ssh_pair()
    return {"name": made["name"], "publicKey": made["public_key"], "privateKey": made["private_key"]}


async def made(api: Api, mutation: str, kind: str, thing: str, values: Answer) -> str:
    """Run a mutation; return the id of what it made."""
    query = f"mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {thing} {{ id }} errors {{ message }} }} }}"
    answer = (await api.data(query, input=values))[mutation]
    assert answer["errors"] == []
    item_id: str = answer[thing]["id"]
    return item_id


async def a_key(api: Api, new_run: NewRun) -> Answer:
    return {"id": await made(api, "createApiKey", "ApiKeyInput", "apiKey", {"name": "ci"})}


async def an_ssh_key(api: Api, new_run: NewRun) -> Answer:
    return {"id": await made(api, "createSshKey", "SshKeyInput", "sshKey", pair())}


async def an_integration(api: Api, new_run: NewRun) -> Answer:
    query = "mutation($input: SetIntegrationInput!) { setIntegration(input: $input) { integration { configured } } }"
    await api.data(query, input={"provider": "WANDB", "apiKey": "w" * 40})
    return {"provider": "WANDB"}


async def an_upload(api: Api, new_run: NewRun) -> Answer:
    return {"name": "sums", "uploadId": await api.upload()}


async def a_file_upload(api: Api, new_run: NewRun) -> Answer:
    return {"filename": "sums.jsonl", "uploadId": await api.upload()}


async def a_file(api: Api, new_run: NewRun) -> Answer:
    return {"id": await made(api, "createFile", "CreateFileInput", "file", await a_file_upload(api, new_run))}


async def a_job(api: Api, new_run: NewRun) -> Answer:
    run = await new_run(api.tenant)
    query = "query($id: ID!) { job(id: $id) { dataset { id } rewardFunction { id } } }"
    found = (await api.data(query, id=run.id))["job"]
    return {
        "baseModel": "tiny",
        "datasetId": found["dataset"]["id"],
        "rewardFunctionId": found["rewardFunction"]["id"],
        "outputName": "sums",
        "hardware": {"type": "H100", "count": 1},
    }


async def a_running_job(api: Api, new_run: NewRun) -> Answer:
    return {"id": (await new_run(api.tenant)).id}


DEPLOYMENT = {"name": "sums", "model": "Qwen/Qwen3-4B", "source": "HUGGINGFACE", "hardware": {"type": "CPU", "count": 1}}


async def an_active_deployment(api: Api, new_run: NewRun) -> Answer:
    return {"id": (await things.queued_deployment(api.server, tenant=api.tenant)).id}


async def a_dataset(api: Api, new_run: NewRun) -> Answer:
    return {"id": await made(api, "createDataset", "CreateDatasetInput", "dataset", await an_upload(api, new_run))}


async def a_reward_function(api: Api, new_run: NewRun) -> Answer:
    given = {"name": "exact", "source": REWARD}
    return {"id": await made(api, "createRewardFunction", "CreateRewardFunctionInput", "rewardFunction", given)}


async def an_ended_job(api: Api, new_run: NewRun) -> Answer:
    run = await new_run(api.tenant)
    await things.moved(api.server, run.id, job.CANCELLED)
    return {"id": run.id}


async def a_stopped_deployment(api: Api, new_run: NewRun) -> Answer:
    found = await an_active_deployment(api, new_run)
    query = "mutation($input: DeploymentActionInput!) { stopDeployment(input: $input) { errors { message } } }"
    assert (await api.data(query, input=found))["stopDeployment"] == {"errors": []}
    return found


async def a_paused_deployment(api: Api, new_run: NewRun) -> Answer:
    found = await an_active_deployment(api, new_run)
    query = "mutation($input: DeploymentActionInput!) { pauseDeployment(input: $input) { errors { message } } }"
    assert (await api.data(query, input=found))["pauseDeployment"] == {"errors": []}
    return found


async def another_bound(api: Api, new_run: NewRun) -> Answer:
    return {**await an_active_deployment(api, new_run), "maxReplicas": 3}


async def another_model(api: Api, new_run: NewRun) -> Answer:
    return {**await an_active_deployment(api, new_run), "model": "Qwen/Qwen3-8B", "source": "HUGGINGFACE"}


async def a_session(api: Api, new_run: NewRun) -> Answer:
    return {"id": await made(api, "signIn", "SignInInput", "session", {"apiKey": api.tenant.key})}


async def a_batch_file(api: Api, new_run: NewRun) -> Answer:
    return {"inputFileId": (await bulk.stored_file(await api.server.context(api.tenant), bulk.lines(1))).id}


async def a_batch(api: Api, new_run: NewRun) -> Answer:
    return {"id": (await bulk.made(await api.server.context(api.tenant))).id}


async def an_eval_of(api: Api, new_run: NewRun) -> Answer:
    return {"name": "sums", "datasetId": (await a_dataset(api, new_run))["id"], "scorers": [{"type": "exact-match"}]}


async def an_eval(api: Api, new_run: NewRun) -> Answer:
    return {"id": await made(api, "createEval", "CreateEvalInput", "eval", await an_eval_of(api, new_run))}


async def a_run_of_one(api: Api, new_run: NewRun) -> Answer:
    await things.queued_deployment(api.server, tenant=api.tenant)
    return {"evalId": (await an_eval(api, new_run))["id"], "model": "sums"}


async def an_eval_run(api: Api, new_run: NewRun) -> Answer:
    return {"id": await made(api, "startEvalRun", "StartEvalRunInput", "run", await a_run_of_one(api, new_run))}


async def an_ended_batch(api: Api, new_run: NewRun) -> Answer:
    ctx, found = await api.server.context(api.tenant), await a_batch(api, new_run)
    await bulk.moved(ctx, found["id"], "in_progress", total=1)
    await bulk.finished(ctx, found["id"], [bulk.bad(1)])
    return found


# The input of each mutation, or why it leaves no entry.
MUTATIONS: dict[str, Prepare | str] = {
    "adoptDeployment": BY_THE_OPERATOR,
    "cancelBatch": a_batch,
    "cancelEvalRun": an_eval_run,
    "createEval": an_eval_of,
    "deleteEval": an_eval,
    "startEvalRun": a_run_of_one,
    "cancelTrainingJob": a_running_job,
    "connectDataset": given(name="sums", sourceType="HF", huggingfaceDataset="openai/gsm8k"),
    "createApiKey": given(name="ci"),
    "createBatch": a_batch_file,
    "createDataset": an_upload,
    "createFile": a_file_upload,
    "createDeployment": given(**DEPLOYMENT),
    "createRewardFunction": given(name="exact", source=REWARD),
    "createSshKey": given(**pair()),
    "createTrainingJob": a_job,
    "createUpload": NOTHING_YET,
    "deleteDataset": a_dataset,
    "deleteDeployment": a_stopped_deployment,
    "deleteFile": a_file,
    "deleteRewardFunction": a_reward_function,
    "deleteSshKey": an_ssh_key,
    "deleteTrainingJob": an_ended_job,
    "heartbeatTrainingJob": HEARTBEAT,
    "pauseDeployment": an_active_deployment,
    "planTrainingJob": NO_CHANGE,
    "removeIntegration": an_integration,
    "resumeDeployment": a_paused_deployment,
    "retryBatch": an_ended_batch,
    "revokeApiKey": a_key,
    "revokeSession": a_session,
    "scaleDeployment": another_bound,
    "setBudget": given(limitUsd="5", period="MONTH"),
    "setIntegration": given(provider="WANDB", token="w" * 40),
    "setPassword": given(newPassword="correct horse battery"),
    "signIn": OWN_ACTOR,
    "signOut": OWN_ACTOR,
    "stopDeployment": an_active_deployment,
    "testReward": NO_CHANGE,
    "updateDeployment": another_model,
    "validateDatasetSource": NO_CHANGE,
}


async def entries(server: Server) -> list[AuditEntry]:
    async with server.platform.db.read() as session:
        order = (col(AuditEntry.created_at), col(AuditEntry.id))
        return list((await session.exec(select(AuditEntry).order_by(*order))).all())


def test_every_mutation_is_walked() -> None:
    assert FIELDS is not None
    assert set(FIELDS.fields) <= set(MUTATIONS)


@pytest.mark.parametrize(
    "mutation", sorted(name for name in (FIELDS.fields if FIELDS else ()) if not isinstance(MUTATIONS.get(name, ""), str))
)
async def test_every_mutation_has_its_entry_and_a_replay_none(mutation: str, api: Api, server: Server, new_run: NewRun) -> None:
    prepare = MUTATIONS[mutation]
    assert not isinstance(prepare, str) and FIELDS is not None
    kind = FIELDS.fields[mutation].args["input"].type
    query = f"mutation($input: {kind}) {{ {mutation}(input: $input) {{ errors {{ message path }} }} }}"
    values = {**await prepare(api, new_run), "idempotencyKey": "once"}
    before = len(await entries(server))
    for _ in range(2):
        assert (await api.data(query, input=values))[mutation] == {"errors": []}
    (entry,) = (await entries(server))[before:]
    key = (await server.context()).key
    assert (entry.account_id, entry.actor, entry.actor_name) == (server.tenant.account.id, key.id, "default")
    assert entry.request_id is not None and entry.resource_id is not None


async def test_the_log_is_read_in_pages_and_filtered(api: Api, server: Server) -> None:
    for name in ("one", "two", "three"):
        await made(api, "createApiKey", "ApiKeyInput", "apiKey", {"name": name})
    page = (await api.data(LOG, first=2))["auditLog"]
    assert [entry["details"]["name"] for entry in page["nodes"]] == ["three", "two"]
    rest = (await api.data(LOG, first=2, after=page["pageInfo"]["endCursor"]))["auditLog"]
    assert [entry["action"] for entry in rest["nodes"]] == ["api_keys.create", "accounts.create"]
    assert not rest["pageInfo"]["hasNextPage"]
    entry = page["nodes"][0]
    hour_ago = (clock.now() - timedelta(hours=1)).isoformat()
    for wanted, count in [
        ({"resourceId": entry["resourceId"]}, 1),
        ({"action": "api_keys"}, 3),
        ({"action": "api_keys.revoke"}, 0),
        ({"actor": "operator"}, 1),
        ({"actor": entry["actor"], "createdAfter": hour_ago}, 3),
        ({"createdBefore": hour_ago}, 0),
    ]:
        assert len((await api.data(LOG, filter=wanted))["auditLog"]["nodes"]) == count, wanted
    node = "query($id: ID!) { node(id: $id) { id ... on AuditEntry { action } } }"
    assert (await api.data(node, id=entry["id"]))["node"] == {"id": entry["id"], "action": "api_keys.create"}
    other = Api(server, await server.new_tenant("other"))
    assert (await other.data(node, id=entry["id"]))["node"] is None
    assert [item["action"] for item in (await other.data(LOG))["auditLog"]["nodes"]] == ["accounts.create"]
    assert isinstance(other.tenant, Tenant)

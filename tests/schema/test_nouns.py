"""Each noun through GraphQL: made, read, listed in pages, ended; and what is said of wrong input."""

from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from burnish.kit.tables import Outbox, StreamHead
from models import deployment as dep
from models import job
from models.job import Checkpoint, Job
from models.ledger import Hold
from models.replica import Replica
from tests.schema.conftest import REWARD, Api, NewRun, Run

pytestmark = pytest.mark.anyio

ERRORS = "errors { __typename code reason message path hint }"
CREATE_JOB = f"mutation($input: TrainingJobInput!) {{ createTrainingJob(input: $input) {{ job {{ id status }} {ERRORS} }} }}"
CREATE_DEPLOYMENT = (
    f"mutation($input: DeploymentInput!) {{ createDeployment(input: $input) {{ deployment {{ id status }} {ERRORS} }} }}"
)


async def counts(api: Api) -> tuple[int, ...]:
    """Return how many jobs, holds, messages and streams there are: what a refused write must not change."""
    async with api.server.platform.db.read() as session:
        tables = (Job.id, Hold.resource_id, Outbox.id, StreamHead.resource_id)
        return tuple([(await session.exec(select(func.count(col(column))))).one() for column in tables])


async def inputs(api: Api, run: Run) -> dict[str, Any]:
    """Return the input of a job like that of the run."""
    query = "query($id: ID!) { job(id: $id) { dataset { id } rewardFunction { id } } }"
    found = (await api.data(query, id=run.id))["job"]
    return {
        "baseModel": "tiny",
        "datasetId": found["dataset"]["id"],
        "rewardFunctionId": found["rewardFunction"]["id"],
        "outputName": "sums",
        "hardware": {"type": "h100", "count": 1},
    }


async def test_the_viewer_is_the_account_and_its_key(api: Api) -> None:
    query = """{ viewer { account { id slug isOperator billingMode
      balance { amount currency } held { amount } available { amount } } apiKey { id name prefix scopes expiresAt } } }"""
    viewer = (await api.data(query))["viewer"]
    assert viewer["account"] == {
        "id": api.tenant.account.id,
        "slug": "tenant",
        "isOperator": False,
        "billingMode": "prepaid",
        "balance": {"amount": "100", "currency": "USD"},
        "held": {"amount": "0"},
        "available": {"amount": "100"},
    }
    assert viewer["apiKey"]["prefix"] == api.tenant.key[:11]
    assert sorted(viewer["apiKey"]["scopes"]) == ["inference", "read", "write"]


async def test_a_key_has_limits_of_inference_of_its_own(api: Api) -> None:
    limits = "inferenceRequestsPerMinute inferenceTokensPerMinute"
    make = f"mutation($input: ApiKeyInput!) {{ createApiKey(input: $input) {{ apiKey {{ {limits} }} {ERRORS} }} }}"
    given = {"name": "ci", "inferenceRequestsPerMinute": 60, "inferenceTokensPerMinute": 0}
    told = {"inferenceRequestsPerMinute": 60, "inferenceTokensPerMinute": None}
    assert (await api.data(make, input=given))["createApiKey"] == {"apiKey": told, "errors": []}
    for name in ("inferenceRequestsPerMinute", "inferenceTokensPerMinute"):
        (error,) = (await api.data(make, input={"name": "x", name: -1}))["createApiKey"]["errors"]
        assert (error["__typename"], error["path"]) == ("FieldError", [name])
    nodes = (await api.data(f"{{ apiKeys {{ nodes {{ name {limits} }} }} }}"))["apiKeys"]["nodes"]
    none = dict.fromkeys(told)
    assert nodes == [{"name": "ci", **told}, {"name": "default", **none}]


async def test_a_key_is_made_used_listed_and_revoked(api: Api) -> None:
    create = """mutation { createApiKey(input: {name: "ci", scopes: ["read"], expiresInSeconds: 60}) {
      secret apiKey { id prefix scopes expiresAt createdAt } errors { message } } }"""
    made = (await api.data(create))["createApiKey"]
    assert made["secret"].startswith(made["apiKey"]["prefix"])
    assert made["apiKey"]["expiresAt"].endswith("Z")
    headers = {"Authorization": f"Bearer {made['secret']}"}
    async with api.server.client() as client:
        listed = await client.post("/graphql", json={"query": "{ apiKeys { nodes { name } } }"}, headers=headers)
        assert [node["name"] for node in listed.json()["data"]["apiKeys"]["nodes"]] == ["ci", "default"]
        revoke = f"mutation($id: ID!) {{ revokeApiKey(input: {{id: $id}}) {{ apiKey {{ revokedAt }} {ERRORS} }} }}"
        gone = (await api.data(revoke, id=made["apiKey"]["id"]))["revokeApiKey"]
        assert gone["apiKey"]["revokedAt"] is not None
        refused = await client.post("/graphql", json={"query": "{ apiKeys { nodes { name } } }"}, headers=headers)
        assert refused.status_code == 401
    (error,) = (await api.data(revoke, id=made["apiKey"]["id"]))["revokeApiKey"]["errors"]
    assert error["__typename"] == "NotFoundError"
    assert [node["name"] for node in (await api.data("{ apiKeys { nodes { name } } }"))["apiKeys"]["nodes"]] == ["default"]


async def test_a_reward_function_is_made_and_a_wrong_one_is_rejected_by_line(api: Api) -> None:
    create = """mutation($input: CreateRewardFunctionInput!) { createRewardFunction(input: $input) {
      rewardFunction { id name source format } errors { __typename path reason
        ... on RewardFunctionRejected { issues { line message } } } } }"""
    made = (await api.data(create, input={"name": "length", "source": REWARD}))["createRewardFunction"]
    assert made["errors"] == []
    assert (made["rewardFunction"]["source"], made["rewardFunction"]["format"]) == (REWARD, "TRL")
    (error,) = (await api.data(create, input={"name": "broken", "source": "x = 1\ndef reward(:\n"}))["createRewardFunction"][
        "errors"
    ]
    assert (error["__typename"], error["path"], error["reason"]) == (
        "RewardFunctionRejected",
        ["source"],
        "invalid_reward_function",
    )
    assert error["issues"][0]["line"] == 2
    listed = await api.data("{ rewardFunctions { nodes { id name } } }")
    assert [node["name"] for node in listed["rewardFunctions"]["nodes"]] == ["length"]
    assert (await api.data("query($id: ID!) { rewardFunction(id: $id) { name } }", id=made["rewardFunction"]["id"])) == {
        "rewardFunction": {"name": "length"}
    }


async def test_a_job_is_made_read_and_cancelled(api: Api, new_run: NewRun) -> None:
    wanted = await inputs(api, await new_run()) | {"hyperparameters": {"learning_rate": 1e-5, "max_steps": 4}}
    made = (await api.data(CREATE_JOB, input=wanted))["createTrainingJob"]
    assert (made["job"]["status"], made["errors"]) == ("QUEUED", [])
    query = """query($id: ID!) { job(id: $id) { outputName status phase method baseModel hyperparameters hyperparametersDefaulted
      hardwareRequested { type count provider } hardware { type } progress { step totalSteps fraction etaSeconds secondsPerStep }
      cost { total { amount currency } } error { code } metricKeys attempt checkpoints { id } deployments { id } startedAt } }"""
    found = (await api.data(query, id=made["job"]["id"]))["job"]
    assert found["hyperparameters"]["max_steps"] == 4
    assert found["hyperparameters"]["learning_rate"] == 1e-5
    assert "max_steps" not in found["hyperparametersDefaulted"]
    assert "kl_coef" in found["hyperparametersDefaulted"]
    assert (found["hardwareRequested"], found["hardware"]) == ({"type": "h100", "count": 1, "provider": None}, None)
    assert found["progress"] == {"step": 0, "totalSteps": None, "fraction": None, "etaSeconds": None, "secondsPerStep": None}
    assert (found["cost"], found["method"], found["phase"]) == ({"total": {"amount": "0", "currency": "USD"}}, "GRPO", None)
    cancel = f"mutation($id: ID!) {{ cancelTrainingJob(input: {{id: $id}}) {{ job {{ status completedAt }} {ERRORS} }} }}"
    assert (await api.data(cancel, id=made["job"]["id"]))["cancelTrainingJob"]["job"]["status"] == "CANCELLED"
    again = (await api.data(cancel, id=made["job"]["id"]))["cancelTrainingJob"]
    assert again["job"] is None
    assert [(error["__typename"], error["code"]) for error in again["errors"]] == [("InvalidStateError", "INVALID_STATE")]


async def test_wrong_input_names_the_field_and_changes_nothing(api: Api, new_run: NewRun) -> None:
    wanted = await inputs(api, await new_run())
    before = await counts(api)
    cases: list[tuple[dict[str, Any], str, list[str], str | None]] = [
        ({"hardware": {"type": "abacus"}}, "FieldError", ["hardware", "type"], "INVALID_GPU_TYPE"),
        ({"hardware": {"type": "h100", "count": 0}}, "FieldError", ["hardware", "count"], "schema_validation"),
        ({"hardware": {"type": "h100", "provider": "nobody"}}, "FieldError", ["provider"], None),
        ({"hyperparameters": {"learning_rate": -1}}, "FieldError", ["hyperparameters", "learning_rate"], "schema_validation"),
        ({"hyperparameters": {"lr": 1}}, "FieldError", ["hyperparameters", "lr"], "schema_validation"),
        ({"hyperparameters": [1]}, "FieldError", ["hyperparameters"], "schema_validation"),
        ({"outputName": "no spaces"}, "FieldError", ["outputName"], "schema_validation"),
        ({"baseModel": "../etc/passwd"}, "FieldError", ["baseModel"], None),
        ({"datasetId": "ds_nothing"}, "NotFoundError", ["datasetId"], "resource_not_found"),
        ({"rewardFunctionId": "rf_nothing"}, "NotFoundError", ["rewardFunctionId"], "resource_not_found"),
    ]
    for change, kind, path, reason in cases:
        answer = (await api.data(CREATE_JOB, input=wanted | change))["createTrainingJob"]
        assert answer["job"] is None
        (error,) = answer["errors"]
        assert (error["__typename"], error["path"], error["reason"]) == (kind, path, reason), change
        assert error["message"]
    assert await counts(api) == before


async def test_several_wrong_fields_are_told_together(api: Api, new_run: NewRun) -> None:
    wanted = await inputs(api, await new_run()) | {"outputName": "", "baseModel": ""}
    found = (await api.data(CREATE_JOB, input=wanted))["createTrainingJob"]["errors"]
    assert sorted(error["path"] for error in found) == [["baseModel"], ["outputName"]]


async def test_credit_that_does_not_cover_the_start_is_data(api: Api, new_run: NewRun) -> None:
    poor = Api(api.server, await api.server.new_tenant("poor", "0.05"))
    query = """mutation($input: DeploymentInput!) { createDeployment(input: $input) { deployment { id }
      errors { __typename code ... on InsufficientCredit { balance { amount } needed { amount } } } } }"""
    wanted = {"model": "tiny", "source": "HUGGINGFACE", "name": "chat", "hardware": {"type": "CPU"}}
    before = await counts(api)
    answer = (await poor.data(query, input=wanted))["createDeployment"]
    assert answer == {
        "deployment": None,
        "errors": [
            {
                "__typename": "InsufficientCredit",
                "code": "INSUFFICIENT_CREDIT",
                "balance": {"amount": "0.05"},
                "needed": {"amount": "0.1"},
            }
        ],
    }
    assert await counts(api) == before
    assert (await poor.data("{ viewer { account { held { amount } } } }"))["viewer"]["account"]["held"]["amount"] == "0"


async def test_a_deployment_is_made_read_and_stopped(api: Api) -> None:
    wanted = {"model": "tiny", "source": "HUGGINGFACE", "name": "chat", "hardware": {"type": "CPU"}}
    made = (await api.data(CREATE_DEPLOYMENT, input=wanted))["createDeployment"]
    assert (made["errors"], made["deployment"]["status"]) == ([], "QUEUED")
    (error,) = (await api.data(CREATE_DEPLOYMENT, input=wanted))["createDeployment"]["errors"]
    assert (error["__typename"], error["path"], error["hint"]) == ("ConflictError", ["name"], "Stop it, or take another name.")
    async with api.server.platform.db.transaction() as session:
        for index in range(3):
            session.add(
                dep.InferenceRequest(
                    id=f"req_{index}",
                    account_id=api.tenant.account.id,
                    deployment_id=made["deployment"]["id"],
                    replica_id="rep",
                    prompt_tokens=10,
                    completion_tokens=5,
                    latency_ms=100.0 * (index + 1),
                    status_code=500 if index == 2 else 200,
                    created_at=api.tenant.account.created_at,
                )
            )
        session.add(
            Replica(
                id="rep_1",
                account_id=api.tenant.account.id,
                gpu_requested={"type": "CPU", "count": 1},
                deployment_id=made["deployment"]["id"],
                host_id="host_1",
                status="running",
                url="http://127.0.0.1:1",
                created_at=api.tenant.account.created_at,
            )
        )
    query = """query($id: ID!, $after: Cursor) { deployment(id: $id) { name source model status checkpoint { id } endpointUrl
      replicas { id status hostId } stats { requestCount promptTokens completionTokens latencyMeanMs errorRate uptimeSeconds }
      requests(first: 2, after: $after) { nodes { id latencyMs } pageInfo { hasNextPage endCursor } }
      events { nodes { type } } logs { nodes { message } } } }"""
    found = (await api.data(query, id=made["deployment"]["id"]))["deployment"]
    assert found["replicas"] == [{"id": "rep_1", "status": "running", "hostId": "host_1"}]
    assert found["stats"] == {
        "requestCount": 3,
        "promptTokens": 30,
        "completionTokens": 15,
        "latencyMeanMs": 200.0,
        "errorRate": 0.333333,
        "uptimeSeconds": 0.0,
    }
    assert [node["id"] for node in found["requests"]["nodes"]] == ["req_2", "req_1"]
    rest = (await api.data(query, id=made["deployment"]["id"], after=found["requests"]["pageInfo"]["endCursor"]))["deployment"]
    assert [node["id"] for node in rest["requests"]["nodes"]] == ["req_0"]
    assert rest["requests"]["pageInfo"]["hasNextPage"] is False
    assert ([node["type"] for node in found["events"]["nodes"]], found["endpointUrl"]) == (["created"], None)
    assert (await api.data('{ node(id: "req_1") { id ... on InferenceRequest { latencyMs } } }'))["node"]["latencyMs"] == 200.0
    stop = f"mutation($id: ID!) {{ stopDeployment(input: {{id: $id}}) {{ deployment {{ status }} {ERRORS} }} }}"
    for _ in range(2):
        stopped = (await api.data(stop, id=made["deployment"]["id"]))["stopDeployment"]
        assert stopped == {"deployment": {"status": "STOPPED"}, "errors": []}
    listed = await api.data(
        "{ deployments(status: [STOPPED]) { nodes { name } } active: deployments(status: [QUEUED]) { nodes { name } } }"
    )
    assert listed == {"deployments": {"nodes": [{"name": "chat"}]}, "active": {"nodes": []}}


async def test_a_completed_job_has_a_checkpoint_that_is_deployed(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    wanted = {"model": run.id, "name": "sums", "hardware": {"type": "CPU"}}
    (early,) = (await api.data(CREATE_DEPLOYMENT, input=wanted))["createDeployment"]["errors"]
    assert (early["__typename"], early["path"]) == ("InvalidStateError", ["model"])
    await run.move(job.PROVISIONING, job.RUNNING)
    async with api.server.platform.db.transaction() as session:
        session.add(
            Checkpoint(
                id="ckpt_1",
                job_id=run.id,
                account_id=api.tenant.account.id,
                attempt=1,
                step=8,
                final=True,
                storage_prefix="p",
                file_count=2,
                size_bytes=5_000_000_000,
                created_at=api.tenant.account.created_at,
            )
        )
    await run.move(job.COMPLETED)
    made = (await api.data(CREATE_DEPLOYMENT, input=wanted))["createDeployment"]
    query = """query($id: ID!) { job(id: $id) { checkpoints { id step final sizeBytes downloadUrl job { id } }
      deployments { name checkpoint { id } } } }"""
    found = (await api.data(query, id=run.id))["job"]
    url = found["checkpoints"][0].pop("downloadUrl")
    assert url.startswith(api.server.platform.core.settings.base_url)
    assert found == {
        "checkpoints": [{"id": "ckpt_1", "step": 8, "final": True, "sizeBytes": 5_000_000_000, "job": {"id": run.id}}],
        "deployments": [{"name": "sums", "checkpoint": {"id": "ckpt_1"}}],
    }
    assert made["deployment"]["status"] == "QUEUED"


async def test_a_failed_job_tells_why(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    await run.log(*(f"line {index}" for index in range(30)))
    error = {"code": "reward_function_error", "message": "division by zero", "attribution": "user", "user_code_line": 3}
    await run.move(job.PROVISIONING)
    await run.move(job.FAILED, error=error)
    query = "query($id: ID!) { job(id: $id) { error { code message attribution userCodeLine lastLogs { message } } } }"
    found = (await api.data(query, id=run.id))["job"]["error"]
    assert (found["code"], found["attribution"], found["userCodeLine"]) == ("reward_function_error", "user", 3)
    assert len(found["lastLogs"]) == 20
    assert found["lastLogs"][-1]["message"] == "Status: failed"


async def test_lists_are_paged_by_cursor_without_gaps(api: Api, new_run: NewRun) -> None:
    runs = [(await new_run(output_name=f"job-{index}")).id for index in range(5)]
    query = """query($after: Cursor) { jobs(first: 2, after: $after) { edges { cursor node { id } } nodes { id }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    seen: list[str] = []
    after, more = None, True
    while more:
        page = (await api.data(query, after=after))["jobs"]
        assert [edge["node"] for edge in page["edges"]] == page["nodes"]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        seen += [node["id"] for node in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert seen == runs[::-1]
    (error,) = (await api("query($after: Cursor) { datasets(after: $after) { nodes { id } } }", after=after))["errors"]
    assert error["extensions"] == {"code": "INVALID", "reason": "invalid_cursor", "param": "after"}
    await api.data("mutation($id: ID!) { cancelTrainingJob(input: {id: $id}) { job { id } } }", id=runs[0])
    filtered = await api.data("{ jobs(filter: {status: [CANCELLED], method: GRPO}) { nodes { id } } }")
    assert filtered == {"jobs": {"nodes": [{"id": runs[0]}]}}


async def test_anothers_things_are_as_unknown_as_those_of_nobody(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    query = "query($id: ID!) { job(id: $id) { dataset { id } rewardFunction { id } } }"
    mine = (await api.data(query, id=run.id))["job"]
    deployed = await api.data(
        CREATE_DEPLOYMENT, input={"model": "tiny", "source": "HUGGINGFACE", "name": "chat", "hardware": {"type": "CPU"}}
    )
    ids = [run.id, mine["dataset"]["id"], mine["rewardFunction"]["id"], deployed["createDeployment"]["deployment"]["id"]]
    ids += [(await api.data("{ viewer { apiKey { id } } }"))["viewer"]["apiKey"]["id"]]
    other = Api(api.server, await api.server.new_tenant("other"))
    node = "query($id: ID!) { node(id: $id) { __typename id } }"
    kinds = [(await api.data(node, id=found))["node"]["__typename"] for found in ids]
    assert kinds == ["TrainingJob", "Dataset", "RewardFunction", "Deployment", "ApiKey"]
    before = await counts(api)
    for found in [*ids, "job_nothing", "nothing", ""]:
        assert (await other.data(node, id=found))["node"] is None
    lists = "{ jobs { nodes { id } } datasets { nodes { id } } rewardFunctions { nodes { id } } deployments { nodes { id } } }"
    assert all(part["nodes"] == [] for part in (await other.data(lists)).values())
    for mutation, wanted in (("cancelTrainingJob", run.id), ("stopDeployment", ids[3]), ("revokeApiKey", ids[4])):
        text = f"mutation($id: ID!) {{ {mutation}(input: {{id: $id}}) {{ {ERRORS} }} }}"
        (error,) = (await other.data(text, id=wanted))[mutation]["errors"]
        (unknown,) = (await other.data(text, id=wanted[:-4] + "0000"))[mutation]["errors"]
        assert error["__typename"] == unknown["__typename"] == "NotFoundError"
        assert error["message"].replace(wanted, "ID") == unknown["message"].replace(wanted[:-4] + "0000", "ID")
    (error,) = (await other.data(CREATE_JOB, input=await inputs(api, run)))["createTrainingJob"]["errors"]
    assert (error["__typename"], error["path"]) == ("NotFoundError", ["datasetId"])
    assert await counts(api) == before
    assert (await api.data("query($id: ID!) { job(id: $id) { status } }", id=run.id))["job"]["status"] == "QUEUED"


async def test_a_reading_key_changes_nothing(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    made = await api.data('mutation { createApiKey(input: {name: "reader", scopes: ["read"]}) { secret } }')
    headers = {"Authorization": f"Bearer {made['createApiKey']['secret']}"}
    query = f"mutation($id: ID!) {{ cancelTrainingJob(input: {{id: $id}}) {{ job {{ id }} {ERRORS} }} }}"
    async with api.server.client() as client:
        answer = await client.post("/graphql", json={"query": query, "variables": {"id": run.id}}, headers=headers)
    (error,) = answer.json()["data"]["cancelTrainingJob"]["errors"]
    assert (error["__typename"], error["reason"]) == ("ForbiddenError", "insufficient_scope")
    assert (await api.data("query($id: ID!) { job(id: $id) { status } }", id=run.id))["job"]["status"] == "QUEUED"


async def test_every_write_is_done_once_under_an_idempotency_key(api: Api, new_run: NewRun) -> None:
    wanted = await inputs(api, await new_run()) | {"idempotencyKey": "job-1"}
    first = await api.data(CREATE_JOB, input=wanted)
    assert await api.data(CREATE_JOB, input=wanted) == first
    (error,) = (await api.data(CREATE_JOB, input=wanted | {"outputName": "else"}))["createTrainingJob"]["errors"]
    assert (error["__typename"], error["reason"], error["path"]) == ("ConflictError", "idempotency_conflict", ["idempotencyKey"])
    job_id = first["createTrainingJob"]["job"]["id"]
    cancel = 'mutation($id: ID!) { cancelTrainingJob(input: {id: $id, idempotencyKey: "c"}) { job { status } errors { code } } }'
    for _ in range(2):
        assert (await api.data(cancel, id=job_id))["cancelTrainingJob"] == {"job": {"status": "CANCELLED"}, "errors": []}
    key = 'mutation { createApiKey(input: {name: "ci", idempotencyKey: "k"}) { secret apiKey { id } } }'
    made, again = (await api.data(key))["createApiKey"], (await api.data(key))["createApiKey"]
    assert made["secret"] is not None
    assert again == {"secret": None, "apiKey": made["apiKey"]}
    revoke = 'mutation($id: ID!) { revokeApiKey(input: {id: $id, idempotencyKey: "r"}) { apiKey { id } errors { code } } }'
    for _ in range(2):
        assert (await api.data(revoke, id=made["apiKey"]["id"]))["revokeApiKey"] == {"apiKey": made["apiKey"], "errors": []}
    (error,) = (await api.data(CREATE_JOB, input=wanted | {"idempotencyKey": ""}))["createTrainingJob"]["errors"]
    assert error["path"] == ["idempotencyKey"]
    assert len((await api.data("{ jobs { nodes { id } } }"))["jobs"]["nodes"]) == 2

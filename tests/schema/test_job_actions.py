"""What REST does with training jobs, through GraphQL: plans, destinations, resuming, heartbeats, deletes; and the methods."""

from typing import Any

import pytest

from burnish.kit import clock
from models import job
from resolvers import deployments, jobs
from resolvers.deployment_inputs import DeploymentInput
from tests.conftest import Server
from tests.resolvers.test_resuming import saved
from tests.schema.conftest import Api, NewRun, Run
from tests.schema.test_nouns import CREATE_JOB, ERRORS, counts, inputs

pytestmark = pytest.mark.anyio
PLAN = f"""mutation($input: TrainingJobInput!) {{ planTrainingJob(input: $input) {{ {ERRORS} plan {{
  hyperparameters offer {{ hardware {{ type count provider }} pricePerHour {{ amount }} }}
  needed {{ amount }} balance {{ amount }} free {{ amount }} covered }} }} }}"""
DELETE_JOB = f"mutation($id: ID!) {{ deleteTrainingJob(input: {{id: $id}}) {{ deletedId {ERRORS} }} }}"
DELETE_DEPLOYMENT = f"mutation($id: ID!) {{ deleteDeployment(input: {{id: $id}}) {{ deletedId {ERRORS} }} }}"
HEARTBEAT = f"mutation($id: ID!) {{ heartbeatTrainingJob(input: {{id: $id}}) {{ job {{ id heartbeatAt }} {ERRORS} }} }}"


async def completed(api: Api, run: Run) -> None:
    ctx = await api.server.context()
    await saved(ctx, await jobs.get(ctx, run.id), 5)
    await saved(ctx, await jobs.get(ctx, run.id), 10, final=True)
    await run.move(job.PROVISIONING, job.RUNNING, job.COMPLETED, completed_at=clock.now())
    await run.end()


async def test_a_plan_has_the_price_the_credit_and_all_defaults(api: Api, new_run: NewRun) -> None:
    wanted = await inputs(api, await new_run())
    before = await counts(api)
    found = (await api.data(PLAN, input=wanted | {"hyperparameters": {"max_steps": 4}}))["planTrainingJob"]
    assert found["errors"] == []
    plan = found["plan"]
    assert (plan["hyperparameters"]["max_steps"], plan["hyperparameters"]["seed"]) == (4, 42)
    assert plan["offer"] == {
        "hardware": {"type": "CPU", "count": 1, "provider": "local"},
        "pricePerHour": {"amount": "0.1"},
    }
    # The job that the inputs were taken from holds an hour already.
    assert (plan["needed"], plan["balance"], plan["free"]) == ({"amount": "0.1"}, {"amount": "100"}, {"amount": "99.9"})
    assert plan["covered"] is True
    assert await counts(api) == before


async def test_a_plan_tells_all_errors_by_field_and_changes_nothing(api: Api, new_run: NewRun) -> None:
    wanted = await inputs(api, await new_run())
    before = await counts(api)
    wrong = {
        "hyperparameters": {"learning_rate": -1, "speed": 2, "haste": 3},
        "datasetId": "ds_nothing",
        "outputName": "no spaces",
        "hardware": {"type": "abacus"},
        "checkpointDestination": {"type": "S3", "uri": "s3://bucket/folder"},
        "resumeFrom": "ckpt_nothing",
    }
    found = (await api.data(PLAN, input=wanted | wrong))["planTrainingJob"]
    assert [(error["__typename"], error["path"]) for error in found["errors"]] == [
        ("FieldError", ["outputName"]),
        ("FieldError", ["hardware", "type"]),
        ("FieldError", ["hyperparameters", "learning_rate"]),
        ("FieldError", ["hyperparameters", "speed"]),
        ("FieldError", ["hyperparameters", "haste"]),
        ("NotFoundError", ["datasetId"]),
        ("FieldError", ["checkpointDestination", "uri"]),
        ("NotFoundError", ["resumeFrom"]),
    ]
    assert (found["plan"]["hyperparameters"], found["plan"]["offer"], found["plan"]["covered"]) == (None, None, False)
    assert await counts(api) == before


async def test_credit_that_does_not_cover_a_plan_is_an_error_with_amounts(server: Server, new_run: NewRun) -> None:
    poor = await server.new_tenant("poor", credit_usd="0.15")
    api = Api(server, poor)
    wanted = await inputs(api, await new_run(poor))
    query = PLAN.replace("hint }", "hint ... on InsufficientCredit { balance { amount } needed { amount } } }")
    (error,) = (await api.data(query, input=wanted))["planTrainingJob"]["errors"]
    assert (error["__typename"], error["code"]) == ("InsufficientCredit", "INSUFFICIENT_CREDIT")
    assert (error["balance"], error["needed"]) == ({"amount": "0.15"}, {"amount": "0.1"})


async def test_methods_say_what_a_form_needs(api: Api) -> None:
    query = """{ methods { method description takesReward unavailable hyperparametersSchema hyperparameters {
      name type default nullable description minimum maximum exclusiveMinimum exclusiveMaximum } } }"""
    every = (await api.data(query))["methods"]
    told = [(found["method"], found["takesReward"], found["unavailable"]) for found in every]
    assert told == [("GRPO", True, None), ("SFT", False, None), ("DPO", False, None), ("SFT_VIDEO_GEN", False, None)]
    grpo = every[0]
    assert grpo["hyperparameters"][0] == {
        "name": "learning_rate",
        "type": "number",
        "default": 1e-6,
        "nullable": False,
        "description": "Learning rate of AdamW, constant after the warm-up.",
        "minimum": None,
        "maximum": None,
        "exclusiveMinimum": 0.0,
        "exclusiveMaximum": 1.0,
    }
    assert list(grpo["hyperparametersSchema"]["properties"]) == [found["name"] for found in grpo["hyperparameters"]]


async def test_a_job_is_made_from_a_checkpoint_with_all_that_rest_takes(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    await completed(api, run)
    wanted: dict[str, Any] = await inputs(api, run) | {
        "resumeFrom": f"{run.id}@5",
        "requiresHeartbeat": True,
        "checkpointDestination": {"type": "VERI"},
    }
    made = (await api.data(CREATE_JOB, input=wanted))["createTrainingJob"]
    assert made["errors"] == []
    query = """query($id: ID!) { job(id: $id) { resumedFrom { step job { id } } requiresHeartbeat heartbeatAt environments
      checkpointDestination { type uri repo private } destinationUrl droppedPrompts progress { step } } }"""
    found = (await api.data(query, id=made["job"]["id"]))["job"]
    assert found == {
        "resumedFrom": {"step": 5, "job": {"id": run.id}},
        "requiresHeartbeat": True,
        "heartbeatAt": None,
        "environments": None,
        "checkpointDestination": {"type": "VERI", "uri": None, "repo": None, "private": None},
        "destinationUrl": None,
        "droppedPrompts": None,
        "progress": {"step": 5},
    }
    beat = (await api.data(HEARTBEAT, id=made["job"]["id"]))["heartbeatTrainingJob"]
    assert (beat["errors"], beat["job"]["heartbeatAt"] is not None) == ([], True)
    (error,) = (await api.data(HEARTBEAT, id=run.id))["heartbeatTrainingJob"]["errors"]
    assert error["__typename"] == "InvalidStateError"
    (error,) = (await api.data(DELETE_JOB, id=run.id))["deleteTrainingJob"]["errors"]
    assert (error["__typename"], error["hint"]) == ("ConflictError", "Wait for its end, or cancel it.")


async def test_a_job_is_deleted_and_gone_everywhere(api: Api, new_run: NewRun) -> None:
    run, kept = await new_run(), await new_run(output_name="kept")
    (error,) = (await api.data(DELETE_JOB, id=run.id))["deleteTrainingJob"]["errors"]
    assert (error["__typename"], error["hint"]) == ("InvalidStateError", "Cancel it first.")
    await completed(api, run)
    dataset_id = (await inputs(api, run))["datasetId"]
    query = "query($id: ID!) { job(id: $id) { viewerCan checkpoints { id } } }"
    found = (await api.data(query, id=run.id))["job"]
    assert found["viewerCan"] == ["delete", "deploy", "download"]
    (first, _) = found["checkpoints"]
    assert (await api.data(DELETE_JOB, id=run.id))["deleteTrainingJob"] == {"deletedId": run.id, "errors": []}
    gone = """query($id: ID!, $checkpoint: ID!, $dataset: ID!) { job(id: $id) { id } node(id: $id) { id }
      checkpoint(id: $checkpoint) { id } checkpoints { nodes { id } } jobs { nodes { id } }
      dataset(id: $dataset) { jobs { nodes { id } } } }"""
    assert await api.data(gone, id=run.id, checkpoint=first["id"], dataset=dataset_id) == {
        "job": None,
        "node": None,
        "checkpoint": None,
        "checkpoints": {"nodes": []},
        "jobs": {"nodes": [{"id": kept.id}]},
        "dataset": {"jobs": {"nodes": []}},
    }
    (error,) = (await api.data(DELETE_JOB, id=run.id))["deleteTrainingJob"]["errors"]
    assert error["__typename"] == "NotFoundError"


async def test_a_stopped_deployment_outlives_its_job_and_is_deleted_itself(api: Api, new_run: NewRun) -> None:
    run = await new_run()
    await completed(api, run)
    ctx = await api.server.context()
    spec = {"model": run.id, "name": "sums", "gpu": {"type": "CPU", "count": 1}}
    row = await deployments.create(ctx, DeploymentInput.model_validate(spec))
    (error,) = (await api.data(DELETE_JOB, id=run.id))["deleteTrainingJob"]["errors"]
    assert error["__typename"] == "ConflictError"
    (error,) = (await api.data(DELETE_DEPLOYMENT, id=row.id))["deleteDeployment"]["errors"]
    assert (error["__typename"], error["hint"]) == ("InvalidStateError", "Stop it first.")
    await deployments.stop(ctx, row.id)
    await api.data(DELETE_JOB, id=run.id)
    query = "query($id: ID!) { deployment(id: $id) { model job { id } checkpoint { id } viewerCan } }"
    shown = (await api.data(query, id=row.id))["deployment"]
    assert shown == {"model": run.id, "job": None, "checkpoint": None, "viewerCan": ["delete"]}
    assert (await api.data(DELETE_DEPLOYMENT, id=row.id))["deleteDeployment"] == {"deletedId": row.id, "errors": []}
    assert (await api.data(query, id=row.id))["deployment"] is None
    assert (await api.data("{ deployments { nodes { id } } }"))["deployments"]["nodes"] == []


async def test_anothers_job_is_unknown_to_these_too(api: Api, server: Server, new_run: NewRun) -> None:
    stranger = await server.new_tenant("stranger")
    theirs = await new_run(stranger)
    for query, field in ((DELETE_JOB, "deleteTrainingJob"), (HEARTBEAT, "heartbeatTrainingJob")):
        (error,) = (await api.data(query, id=theirs.id))[field]["errors"]
        assert error["__typename"] == "NotFoundError"
    found = (await Api(server, stranger).data("query($id: ID!) { job(id: $id) { status heartbeatAt } }", id=theirs.id))["job"]
    assert found == {"status": "QUEUED", "heartbeatAt": None}

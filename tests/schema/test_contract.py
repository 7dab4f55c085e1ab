"""GraphQL carries everything the platform does: a resolver, an input field or a REST route without its place there fails here."""

import inspect
import json
import pkgutil
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, build_schema

import resolvers
from resolvers.inputs import Input
from schema import export

SCHEMA = Path(export.__file__).parent
OPENAPI = SCHEMA.parent / "rest_compat" / "openapi.json"

# What a resolver gives or does, and where GraphQL has it.
FIELDS: dict[str, tuple[str, ...]] = {
    "account_users.get": ("Account.hasPassword", "Account.email"),
    "accounts.get": ("Viewer.account",),
    "api_keys.create": ("Mutation.createApiKey",),
    "api_keys.page": ("Query.apiKeys",),
    "api_keys.revoke": ("Mutation.revokeApiKey",),
    "audit.page": ("Query.auditLog",),
    "base_models.registered": ("Query.baseModels",),
    "billing.balance": ("Query.checkBalance", "Account.balance", "Account.held", "Account.available", "Account.stripeCustomerId"),
    "billing.budget": ("Account.budget",),
    "billing.burn_rate": ("Query.burnRate", "Account.hoursRemaining"),
    "billing.set_budget": ("Mutation.setBudget",),
    "billing.transactions": ("Query.transactions",),
    "billing.warnings": ("Account.warnings",),
    "checkpoints.page": ("Query.checkpoints",),
    "comparison.compare": ("Query.compareJobs",),
    "comparison.curves": ("JobComparison.metrics",),
    "costs.report": ("Query.costs",),
    "dataset_rows.page": ("Dataset.rows",),
    "datasets.delete": ("Mutation.deleteDataset",),
    "datasets.page": ("Query.datasets",),
    "decisions.last": ("Deployment.decisions",),
    "deployment_changes.pause": ("Mutation.pauseDeployment",),
    "deployment_changes.resume": ("Mutation.resumeDeployment",),
    "deployment_changes.scale": ("Mutation.scaleDeployment",),
    "deployment_changes.update": ("Mutation.updateDeployment",),
    "deployments.allowed": ("Deployment.viewerCan",),
    "deployments.create": ("Mutation.createDeployment",),
    "deployments.delete": ("Mutation.deleteDeployment",),
    "deployments.get": ("Subscription.deploymentStatus",),
    "deployments.page": ("Query.deployments",),
    "deployments.requests": ("Deployment.requests",),
    "deployments.rows": ("Deployment.logs", "Deployment.events"),
    "deployments.stop": ("Mutation.stopDeployment",),
    "deployments.totals_of": ("Deployment.stats",),
    "downloads.files": ("Checkpoint.files",),
    "downloads.job_url": ("TrainingJob.modelUrl",),
    "downloads.url": ("Checkpoint.downloadUrl",),
    "exports.metrics_url": ("TrainingJob.metricsExportUrl",),
    "hardware.kinds": ("Query.hardwareTypes",),
    "hardware.offer": ("Query.hardwareOffers",),
    "integrations.all_": ("Query.integrations",),
    "integrations.get": ("Query.integration",),
    "integrations.put": ("Mutation.setIntegration",),
    "integrations.remove": ("Mutation.removeIntegration",),
    "jobs.allowed": ("TrainingJob.viewerCan",),
    "jobs.cancel": ("Mutation.cancelTrainingJob",),
    "jobs.create": ("Mutation.createTrainingJob",),
    "jobs.delete": ("Mutation.deleteTrainingJob",),
    "jobs.heartbeat": ("Mutation.heartbeatTrainingJob",),
    "jobs.page": ("Query.jobs",),
    "jobs.plan": ("Mutation.planTrainingJob",),
    "jobs.rows": ("TrainingJob.logs", "TrainingJob.events"),
    "loads.read": ("Deployment.loads",),
    "methods.all_": ("Query.methods",),
    "passwords.set_": ("Mutation.setPassword",),
    "metrics.columns": ("TrainingJob.metrics",),
    "prices.book": ("Query.rates",),
    "prices.compare": ("Query.costComparison",),
    "prices.estimate": ("Query.costEstimate",),
    "prices.project": ("Query.costProjection",),
    "related.by_id": (
        "Query.node",
        "Query.apiKey",
        "Query.checkpoint",
        "Query.dataset",
        "Query.deployment",
        "Query.job",
        "Query.rewardFunction",
        "Session.apiKey",
        "Query.sshKey",
    ),
    "related.checkpoints": ("TrainingJob.checkpoints",),
    "related.deployments": ("TrainingJob.deployments",),
    "related.jobs": ("Dataset.jobs", "RewardFunction.jobs"),
    "related.last_lines": ("JobFailure.lastLogs",),
    "related.replicas": ("Deployment.replicas",),
    "related.versions": ("Deployment.versions",),
    "rendering.read": ("Dataset.rendered",),
    "reward_functions.create": ("Mutation.createRewardFunction",),
    "reward_functions.delete": ("Mutation.deleteRewardFunction",),
    "reward_functions.page": ("Query.rewardFunctions",),
    "reward_tests.test": ("Mutation.testReward",),
    "reward_tests.test_source": ("Mutation.testReward",),
    "rollout_exports.url": ("TrainingJob.rolloutsExportUrl",),
    "rollouts.page": ("TrainingJob.rolloutGroups",),
    "rollouts.span": ("TrainingJob.rolloutSteps",),
    "sources.connect": ("Mutation.connectDataset",),
    "sources.validate": ("Mutation.validateDatasetSource",),
    "sessions.page": ("Query.sessions",),
    "sessions.revoke": ("Mutation.revokeSession",),
    "sessions.sign_in": ("Mutation.signIn",),
    "sessions.sign_out": ("Mutation.signOut",),
    "statistics.read": ("Dataset.statistics",),
    "ssh_keys.create": ("Mutation.createSshKey",),
    "ssh_keys.delete": ("Mutation.deleteSshKey",),
    "ssh_keys.page": ("Query.sshKeys",),
    "uploads.create": ("Mutation.createUpload",),
    "uploads.create_dataset": ("Mutation.createDataset",),
}
# Resolvers of one thing, where GraphQL has another one that gives the same for many at once.
SAME_AS = {
    "api_keys.get": "related.by_id",
    "billing.check": "billing.balance",
    "costs.breakdown": "costs.report",
    "costs.summary": "costs.report",
    "datasets.create": "uploads.create_dataset",
    "datasets.get": "related.by_id",
    "deployment_changes.versions": "related.versions",
    "deployments.replicas": "related.replicas",
    "deployments.serving": "deployments.page",
    "deployments.totals": "deployments.totals_of",
    "jobs.checkpoints": "related.checkpoints",
    "jobs.final_checkpoint": "checkpoints.page",
    "jobs.get": "related.by_id",
    "exports.metrics": "exports.metrics_url",
    "loads.series": "loads.read",
    "metrics.read": "metrics.columns",
    "reward_functions.get": "related.by_id",
    "ssh_keys.get": "related.by_id",
}
STREAMED = "subscriptions follow the streams themselves, over schema.feeds"
INNER = "works inside another resolver's transaction"
OPERATOR = "the operator's command line does this, on the database of the machine"
NOT_FIELDS = {
    "account_users.find": INNER,
    "account_users.named": INNER,
    "account_users.set_email": OPERATOR,
    "accounts.create": OPERATOR,
    "accounts.credit": OPERATOR,
    "accounts.ensure_first": OPERATOR,
    "accounts.find": INNER,
    "accounts.set_customer": OPERATOR,
    "accounts.set_mode": OPERATOR,
    "api_keys.insert": INNER,
    "auth.authenticate": "every request does this",
    "auth.authenticate_session": "every request does this",
    "auth.caller": "every request does this",
    "auth.session_hash": INNER,
    "auth.forget": "a revocation does this",
    "auth.ended": "the watch over open sockets does this",
    "base_models.add": OPERATOR,
    "base_models.all_": OPERATOR,
    "base_models.find": INNER,
    "checkpoints.find_final": INNER,
    "checkpoints.of_job": INNER,
    "checkpoints.resumable": INNER,
    "creating.once": INNER,
    "datasets.clean_up": INNER,
    "datasets.find": INNER,
    "deployments.by_reference": INNER,
    "deployments.checkpoint_of": INNER,
    "deployments.hour_of": INNER,
    "deployments.find": INNER,
    "deployments.follow": STREAMED,
    "deployments.last_rows": STREAMED,
    "downloads.claims_of": INNER,
    "downloads.signed_url": INNER,
    "downloads.open": "the URL that a field gave is opened over plain HTTP",
    "exports.open": "the URL that a field gave is opened over plain HTTP",
    "hardware.hour_micros": "part of what hardware.offer gives",
    "hardware.runs_on": "part of what hardware.offer gives",
    "inference.complete": "models are called over the OpenAI routes",
    "job_checks.of_itself": INNER,
    "job_checks.of_others": INNER,
    "jobs.follow": STREAMED,
    "jobs.last_rows": STREAMED,
    "keeping.kept": INNER,
    "metric_rows.load": INNER,
    "payments.receive": "Stripe itself tells of payments, over plain HTTP",
    "metrics.latest": "TrainingJob.latestMetrics reads the job's own row",
    "passwords.put": OPERATOR,
    "prices.own_book": OPERATOR,
    "reward_bench.on_bench": INNER,
    "reward_bench.upload": INNER,
    "reward_functions.check_size": INNER,
    "reward_functions.find": INNER,
    "rollouts.each": INNER,
    "secrets.rotate": OPERATOR,
    "secrets.uses": OPERATOR,
    "statistics.tokenizer_source": INNER,
    "sign_in_links.create": OPERATOR,
    "sign_in_links.use": INNER,
    "uploads.receive": "the URL that a field gave takes the file over plain HTTP",
}
# The GraphQL input that stands for a resolver's, and what it calls fields that it calls otherwise.
INPUTS: dict[str, tuple[str, dict[str, str]]] = {
    "api_keys.ApiKeyInput": ("ApiKeyInput", {}),
    "billing.BudgetInput": ("SetBudgetInput", {}),
    "datasets.DatasetInput": ("CreateDatasetInput", {}),
    "deployment_inputs.DeploymentInput": (
        "DeploymentInput",
        {"gpu": "hardware", "provider": "hardware", "stabilisation_window": "stabilisationWindowSeconds"},
    ),
    "deployment_inputs.ScalingInput": ("ScaleDeploymentInput", {"stabilisation_window": "stabilisationWindowSeconds"}),
    "deployment_inputs.VersionInput": ("UpdateDeploymentInput", {}),
    "destinations.CheckpointDestination": ("CheckpointDestinationInput", {}),
    "hardware.GpuInput": ("HardwareInput", {}),
    "integrations.IntegrationInput": ("SetIntegrationInput", {}),
    "passwords.PasswordInput": ("SetPasswordInput", {}),
    "jobs.JobInput": ("TrainingJobInput", {"gpu": "hardware", "provider": "hardware"}),
    "reward_bench.SampleInput": ("RewardSampleInput", {}),
    "reward_functions.RewardFunctionInput": ("CreateRewardFunctionInput", {}),
    "reward_functions.RewardSource": ("TestRewardInput", {}),
    "reward_tests.RewardTestInput": ("TestRewardInput", {}),
    "sessions.SignInInput": ("SignInInput", {}),
    "sources.ConnectInput": ("ConnectDatasetInput", {}),
    "sources.HuggingFaceConfig": ("HuggingFaceConfigInput", {}),
    "sources.SourceInput": ("DatasetSourceInput", {}),
    "ssh_keys.SshKeyInput": ("SshKeyInput", {}),
}
ARGUMENTS = "arguments of a query, not an input"
NOT_INPUTS = {
    "billing.CheckInput": ARGUMENTS,
    "costs.PeriodInput": ARGUMENTS,
    "prices.CompareInput": ARGUMENTS,
    "prices.EstimateInput": ARGUMENTS,
    "prices.ProjectionInput": ARGUMENTS,
    "prices.ShapeInput": ARGUMENTS,
    "jobs.JobInput.volume": "only null is taken: a courtesy to clients of the REST dialect",
    "jobs._Draft": "jobs.JobInput, with whatever is missing left open",
}
CHAT = "models are called over the OpenAI routes"
ROUTES: dict[str, tuple[str, ...] | str] = {
    "DELETE /v1/api_keys/{key_id}": ("Mutation.revokeApiKey",),
    "DELETE /v1/reward_functions/{reward_function_id}": ("Mutation.deleteRewardFunction",),
    "DELETE /v1/datasets/{dataset_id}": ("Mutation.deleteDataset",),
    "DELETE /v1/settings/integrations/{provider}": ("Mutation.removeIntegration",),
    "DELETE /v1/ssh_keys/{ssh_key_id}": ("Mutation.deleteSshKey",),
    "DELETE /v1/deployments/{deployment_id}": ("Mutation.deleteDeployment",),
    "DELETE /v1/training_jobs/{job_id}": ("Mutation.deleteTrainingJob",),
    "GET /v1/api_keys": ("Query.apiKeys",),
    "GET /v1/billing/balance": ("Query.viewer", "Account.balance"),
    "GET /v1/billing/budget": ("Account.budget",),
    "GET /v1/billing/burn_rate": ("Query.burnRate",),
    "GET /v1/billing/transactions": ("Query.transactions",),
    "GET /v1/cost/by_gpu": ("Query.costs",),
    "GET /v1/cost/by_provider": ("Query.costs",),
    "GET /v1/cost/compare": ("Query.costComparison",),
    "GET /v1/cost/estimate": ("Query.costEstimate",),
    "GET /v1/cost/monthly_projection": ("Query.costProjection",),
    "GET /v1/cost/rates": ("Query.rates",),
    "GET /v1/cost/summary": ("Query.costs",),
    "GET /v1/audit_log": ("Query.auditLog",),
    "GET /v1/datasets": ("Query.datasets",),
    "GET /v1/datasets/{dataset_id}": ("Query.dataset",),
    "GET /v1/datasets/{dataset_id}/statistics": ("Dataset.statistics",),
    "GET /v1/deployments": ("Query.deployments",),
    "GET /v1/deployments/{deployment_id}": ("Query.deployment",),
    "GET /v1/deployments/{deployment_id}/metrics": ("Deployment.stats", "Subscription.deploymentStats"),
    "GET /v1/deployments/{deployment_id}/models": ("Query.deployment",),
    "GET /v1/deployments/{deployment_id}/requests": ("Deployment.requests", "Subscription.deploymentRequests"),
    "GET /v1/downloads/{token}": "the URL that a field gave",
    "GET /v1/downloads/{token}/{name}": "the URL that a field gave",
    "GET /v1/me": ("Query.viewer",),
    "GET /v1/models": ("Query.deployments",),
    "GET /v1/models/{model}": ("Query.deployments",),
    "GET /v1/openai/models": ("Query.deployments",),
    "GET /v1/openai/models/{model}": ("Query.deployments",),
    "GET /v1/openapi.json": "describes the REST routes",
    "GET /v1/reward_functions": ("Query.rewardFunctions",),
    "GET /v1/reward_functions/{reward_function_id}": ("Query.rewardFunction",),
    "GET /v1/settings/integrations": ("Query.integrations",),
    "GET /v1/settings/integrations/{provider}": ("Query.integration",),
    "GET /v1/ssh_keys": ("Query.sshKeys",),
    "GET /v1/ssh_keys/{ssh_key_id}": ("Query.sshKey",),
    "GET /v1/training_jobs": ("Query.jobs",),
    "GET /v1/training_jobs/methods": ("Query.methods",),
    "GET /v1/training_jobs/{job_id}": ("Query.job",),
    "GET /v1/training_jobs/{job_id}/checkpoints": ("TrainingJob.checkpoints", "Query.checkpoints"),
    "GET /v1/training_jobs/{job_id}/checkpoints/{checkpoint_id}/download": ("Checkpoint.downloadUrl", "Checkpoint.files"),
    "GET /v1/training_jobs/{job_id}/events": ("TrainingJob.events", "Subscription.jobEvents"),
    "GET /v1/training_jobs/{job_id}/logs": ("TrainingJob.logs", "Subscription.jobLogs"),
    "GET /v1/training_jobs/{job_id}/logs/full": ("TrainingJob.logs",),
    "GET /v1/training_jobs/{job_id}/metrics": ("TrainingJob.metrics", "Subscription.jobMetrics"),
    "GET /v1/training_jobs/{job_id}/metrics/export": ("TrainingJob.metricsExportUrl",),
    "GET /v1/training_jobs/{job_id}/model": ("TrainingJob.modelUrl",),
    "POST /v1/api_keys": ("Mutation.createApiKey",),
    "POST /v1/billing/check_balance": ("Query.checkBalance",),
    "POST /v1/billing/stripe/webhook": "Stripe itself calls this",
    "POST /v1/chat/completions": CHAT,
    "POST /v1/completions": CHAT,
    "POST /v1/datasets": ("Mutation.createUpload", "Mutation.createDataset"),
    "POST /v1/datasets/connect": ("Mutation.connectDataset",),
    "POST /v1/datasets/connect/validate": ("Mutation.validateDatasetSource",),
    "POST /v1/deployments": ("Mutation.createDeployment",),
    "POST /v1/deployments/{deployment_id}/chat/completions": CHAT,
    "POST /v1/deployments/{deployment_id}/completions": CHAT,
    "POST /v1/deployments/{deployment_id}/stop": ("Mutation.stopDeployment",),
    "POST /v1/openai/chat/completions": CHAT,
    "POST /v1/openai/completions": CHAT,
    "POST /v1/reward_functions": ("Mutation.createRewardFunction",),
    "POST /v1/reward_functions/{reward_function_id}/test": ("Mutation.testReward",),
    "POST /v1/ssh_keys": ("Mutation.createSshKey",),
    "POST /v1/training_jobs": ("Mutation.createTrainingJob",),
    "POST /v1/training_jobs/plan": ("Mutation.planTrainingJob",),
    "POST /v1/training_jobs/{job_id}/cancel": ("Mutation.cancelTrainingJob",),
    "PUT /v1/billing/budget": ("Mutation.setBudget",),
    "PUT /v1/settings/integrations/{provider}": ("Mutation.setIntegration",),
    "POST /v1/training_jobs/{job_id}/heartbeat": ("Mutation.heartbeatTrainingJob",),
}


def public_resolvers() -> Iterator[str]:
    """Yield what a module of the resolvers offers: coroutines, streams, and whatever takes a caller or the core."""
    for name in sorted(found.name for found in pkgutil.iter_modules(resolvers.__path__)):
        module = import_module(f"resolvers.{name}")
        for word, value in sorted(vars(module).items()):
            if not word.startswith("_") and _is_offered(value, module.__name__):
                yield f"{name}.{word}"


def _is_offered(value: Any, module: str) -> bool:
    if not inspect.ismethod(value) and not (inspect.isfunction(value) and value.__module__ == module):
        return False
    takes_caller = next(iter(inspect.signature(value).parameters), None) in ("ctx", "core")
    return takes_caller or inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)


def schema_fields() -> set[str]:
    """Return all `Type.field` of the schema."""
    types = build_schema(export.text()).type_map.values()
    kinds = (GraphQLObjectType, GraphQLInterfaceType, GraphQLInputObjectType)
    return {f"{found.name}.{field}" for found in types if isinstance(found, kinds) for field in found.fields}


def input_models(base: type[Input] = Input) -> Iterator[type[Input]]:
    for model in base.__subclasses__():
        if model.__module__.startswith("resolvers."):
            yield model
        yield from input_models(model)


def check_places(found: Iterable[str], *placed: Iterable[str]) -> None:
    """Assert that each of what was found has exactly one place, and that no place is of something that is gone."""
    places = [name for names in placed for name in names]
    assert sorted(found) == sorted(places)


def test_every_resolver_has_a_field() -> None:
    check_places(public_resolvers(), FIELDS, SAME_AS, NOT_FIELDS)


def test_a_new_resolver_fails_until_it_has_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pause(ctx: Any, job_id: str) -> None: ...

    pause.__module__ = "resolvers.jobs"
    monkeypatch.setattr("resolvers.jobs.pause", pause, raising=False)
    assert "jobs.pause" in public_resolvers()
    with pytest.raises(AssertionError):
        test_every_resolver_has_a_field()


def test_the_fields_of_resolvers_are_there_and_call_them() -> None:
    sources = "\n".join(file.read_text() for file in SCHEMA.glob("*.py"))
    assert {field for fields in FIELDS.values() for field in fields} <= schema_fields()
    assert set(SAME_AS.values()) <= set(FIELDS)
    assert [name for name in FIELDS if not re.search(rf"\b{re.escape(name)}\b", sources)] == []


def test_every_field_of_an_input_can_be_given() -> None:
    models = {f"{model.__module__.removeprefix('resolvers.')}.{model.__name__}": model for model in input_models()}
    check_places(models, INPUTS, [name for name in NOT_INPUTS if name in models])
    there = schema_fields()
    missing = []
    for name, (input_name, renamed) in INPUTS.items():
        for field in models[name].model_fields:
            shown = f"{input_name}.{renamed.get(field, _camel(field))}"
            if shown not in there and f"{name}.{field}" not in NOT_INPUTS:
                missing.append(f"{name}.{field}")
    assert missing == []
    assert "HardwareInput.provider" in there


def test_every_rest_route_has_its_counterpart() -> None:
    paths = json.loads(OPENAPI.read_text())["paths"]
    check_places([f"{method.upper()} {path}" for path, methods in paths.items() for method in methods], ROUTES)
    named = {field for fields in ROUTES.values() if not isinstance(fields, str) for field in fields}
    assert named <= schema_fields()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)

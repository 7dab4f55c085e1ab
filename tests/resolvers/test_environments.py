"""What a job may say of environments, and when it cannot have them."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from burnish.kit.errors import BurnishError
from burnish.kit.settings import Settings
from resolvers import environments, jobs
from resolvers.context import Context
from tests.resolvers.test_job_plans import integrate
from tests.resolvers.test_jobs import make, nothing_left, request

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({}, "environments"),
        ({"a b": {}}, "environments"),
        ({"a/b/c": {}}, "environments"),
        ({f"env{number}": {} for number in range(33)}, "environments"),
        ({"a/b": {"splits": []}}, "environments.a/b.splits"),
        ({"a": {"splits": [""]}}, "environments.a.splits.0"),
        ({"a": {"splits": ["train", "train"]}}, "environments.a.splits"),
        ({"a": {"variant": "../b"}}, "environments.a.variant"),
        ({"a": {"api_key": "mine"}}, "environments.a.api_key"),
        ({"a": ["train"]}, "environments.a"),
    ],
)
async def test_what_is_wrong_with_environments_is_named(ctx: Context, jsonl: Path, wanted: dict[str, Any], param: str) -> None:
    await integrate(ctx, "openreward")
    body = await request(ctx, jsonl, environments=wanted, reward_function_id=None)
    (problem,) = (await jobs.plan(ctx, body)).problems
    assert problem.param == param
    with pytest.raises(BurnishError) as caught:
        await make(ctx, body)
    assert caught.value.param == param
    await nothing_left(ctx)


async def test_environments_may_leave_out_what_has_a_default(ctx: Context, jsonl: Path) -> None:
    await integrate(ctx, "openreward")
    wanted = {"owner/env": None, "other": {"variant": "easy", "splits": ["train", "dev"]}}
    assert (await jobs.plan(ctx, await request(ctx, jsonl, environments=wanted, reward_function_id=None))).problems == []


async def test_without_their_client_environments_are_unavailable(
    ctx: Context, jsonl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await integrate(ctx, "openreward")
    monkeypatch.setattr(environments, "LIBRARY", "no_such_library")
    assert importlib.util.find_spec("no_such_library") is None
    body = await request(ctx, jsonl, environments={"a": {}}, reward_function_id=None)
    with pytest.raises(BurnishError) as caught:
        await make(ctx, body)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "environments_unavailable", "environments")
    assert caught.value.hint == "Its operator can install burnish[environments]."
    await nothing_left(ctx)


async def test_a_job_with_environments_runs_on_one_gpu(settings: Settings, ctx: Context, jsonl: Path) -> None:
    settings.cpu_fallback = False
    await integrate(ctx, "openreward")
    gpus = {"type": "H100-80GB", "count": 2}
    body = await request(ctx, jsonl, environments={"a": {}}, reward_function_id=None, gpu=gpus)
    problems = (await jobs.plan(ctx, body)).problems
    assert ("gpu.count", "A job with environments runs on one GPU.") in [(each.param, each.message) for each in problems]


@pytest.mark.parametrize("url", ["ftp://host", "https://host/path", "https://", "host", "https://host?x=1"])
def test_the_hosts_are_addresses_without_a_path(url: str) -> None:
    with pytest.raises(ValueError, match="without a path"):
        Settings(openreward_session_url=url)
    assert Settings(openreward_session_url="http://127.0.0.1:8080/").openreward_session_url == "http://127.0.0.1:8080"

"""`burnish deploy` against a running API: what it asks for, the phases that it shows, and how it ends."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlmodel import col, select
from typer.main import get_command

from burnish.cli import serving_watch
from burnish.cli.main import app
from burnish.cli.serving_watch import phase
from burnish.kit import clock, ids
from models import deployment as dep
from models import events, replica, transitions
from models.deployment import Deployment, DeploymentVersion
from models.replica import Replica
from resolvers import deployments
from tests.cli.conftest import Commands
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
ENGINE_SAID = "the engine ended with exit code 1\nloading weights\nCUDA out of memory"
Step = Callable[[Any, Deployment], Any]


@pytest.fixture(autouse=True)
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a command that waits look again at once."""
    monkeypatch.setattr(serving_watch, "POLL_S", 0.001)


@pytest.fixture
def host(server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Take the steps of a deployment's host, one each time that somebody looks at its replicas."""

    def take(*steps: Step) -> None:
        left, read = list(steps), deployments.replicas

        async def stepped(ctx: Any, deployment_id: str) -> list[Replica]:
            if left:
                step = left.pop(0)
                async with server.platform.db.transaction() as session:
                    await step(session, await session.get_one(Deployment, deployment_id))
            return await read(ctx, deployment_id)

        monkeypatch.setattr(deployments, "replicas", stepped)

    return take


def starting(status: str = replica.PENDING) -> Step:
    async def step(session: Any, row: Deployment) -> None:
        its: dict[str, Any] = {"account_id": row.account_id, "deployment_id": row.id, "gpu_requested": row.gpu_requested}
        session.add(Replica(id=ids.new("rep"), status=status, version=row.version, created_at=clock.now(), **its))

    return step


def goes(status: str, **values: Any) -> Step:
    """The deployment's newest replica goes on to a status."""

    async def step(session: Any, row: Deployment) -> None:
        its = (await session.exec(replicas_of(row))).first()
        its.status = status
        for name, value in values.items():
            setattr(its, name, value)
        session.add(its)

    return step


def becomes(*statuses: str, **values: Any) -> Step:
    async def step(session: Any, row: Deployment) -> None:
        for status in statuses:
            assert await transitions.move(session, row, status, **(values if status == statuses[-1] else {}))

    return step


def version_is(status: str, **values: Any) -> Step:
    async def step(session: Any, row: Deployment) -> None:

        its = (await session.exec(select(DeploymentVersion).where(DeploymentVersion.number == 2))).one()
        its.status = status
        for name, value in values.items():
            setattr(its, name, value)
        session.add(its)

    return step


def replicas_of(row: Deployment) -> Any:

    return select(Replica).where(Replica.deployment_id == row.id).order_by(col(Replica.created_at).desc())


FAILS = goes(replica.FAILED, fail_reason=ENGINE_SAID, ended_at=clock.now())


def defaults() -> Iterator[tuple[list[str], Any]]:
    create = get_command(app).commands["deploy"].commands["create"]  # type: ignore[attr-defined]
    for parameter in create.params:
        yield sorted(parameter.opts), parameter.default


async def test_flags_and_defaults_are_the_dedicated_services() -> None:
    has = {tuple(flags): default for flags, default in defaults()}
    assert has["--gpu", "-g"] == "gpu.a100"
    assert (has["--min-replicas",], has["--max-replicas",]) == (1, 1)
    assert (has["--target-rps",], has["--target-latency",], has["--stabilisation",]) == (10.0, 5000.0, 300)
    assert (has["--hf-token", "-t"], has["--wait", "-w"]) == (None, False)


async def test_a_deployment_asks_for_what_the_flags_say(burnish: Commands) -> None:
    plain = await burnish.json("deploy", "create", "org/Model")
    assert (plain["name"], plain["source"], plain["gpu"]) == ("Model", "huggingface", {"type": "gpu.a100", "count": 1})
    assert (plain["min_replicas"], plain["max_replicas"], plain["stabilisation_window"]) == (1, 1, 300)
    assert (plain["target_rps"], plain["target_latency_p95_ms"]) == (10.0, 5000.0)
    flags = "-n big -g H100:2 --min-replicas 0 --max-replicas 4 --target-rps 2.5 --target-latency 900 --stabilisation 60"
    more = "--revision main --max-batch-size 8 --extra-arg=--max-model-len=4096"
    made = await burnish.json("deploy", "create", "org/Model", *flags.split(), *more.split())
    assert (made["name"], made["gpu"], made["revision"]) == ("big", {"type": "H100", "count": 2}, "main")
    assert (made["min_replicas"], made["max_replicas"], made["stabilisation_window"]) == (0, 4, 60)
    assert (made["target_rps"], made["target_latency_p95_ms"]) == (2.5, 900.0)
    assert (made["max_batch_size"], made["extra_args"]) == (8, ["--max-model-len=4096"])


async def test_what_the_platform_refuses_is_told_by_flag(burnish: Commands) -> None:
    for flags, told, code in (
        (["--target-rps", "0"], "--target-rps: ", 2),
        (["--min-replicas", "3", "--max-replicas", "2"], "min_replicas is more than max_replicas", 2),
        (["--extra-arg=--trust-remote-code"], "--extra-arg: ", 1),
        (["-t", "two words"], "--hf-token: ", 2),
    ):
        result = await burnish("deploy", "create", "org/Model", *flags, code=code)
        assert told in result.stderr and "two words" not in result.stderr
    assert await burnish.json("deploy", "list") == []


async def test_a_token_is_sent_and_never_shown(burnish: Commands, server: Server) -> None:
    given = await burnish("deploy", "create", "org/a", "-t", "hf_secret")
    typed = await burnish("deploy", "create", "org/b", "-t", "-", text="hf_secret\n")
    for result in (given, typed):
        assert "hf_secret" not in result.stdout + result.stderr
    for found in await burnish.json("deploy", "list"):
        async with server.platform.db.read() as session:
            row = await session.get_one(Deployment, found["id"])
        assert row.sealed_hf_token is not None
        assert server.platform.core.secrets.decrypt(row.sealed_hf_token, row.id) == "hf_secret"


async def test_the_price_says_how_many(burnish: Commands) -> None:
    one = await burnish("deploy", "create", "org/a")
    assert "The deployment runs on CPU at 0.10 USD an hour; that much is set aside" in one.stderr
    several = await burnish("deploy", "create", "org/b", "--min-replicas", "2", "--max-replicas", "3")
    told = "The deployment starts with 2 of at most 3 replicas, each on CPU at 0.10 USD an hour; 0.20 USD is set aside"
    assert told in several.stderr


async def test_waiting_shows_the_phases_and_ends_when_it_serves(burnish: Commands, host: Callable[..., None]) -> None:
    phases = [goes(status) for status in (replica.PULLING, replica.LOADING, replica.WARMING, replica.RUNNING)]
    host(becomes(dep.PROVISIONING), starting(), *phases, becomes(dep.SERVING))
    result = await burnish("deploy", "create", "org/Model", "-w", "-y")
    said = result.stderr.splitlines()
    words = ["queued", "waiting for room", "pulling the model", "loading", "warming", "running"]
    assert said[: len(words)] == words
    assert said[-1].startswith('Ask it with `burnish chat -d Model "hi"`')


async def test_waiting_ends_with_the_engines_last_lines_where_it_fails(burnish: Commands, host: Callable[..., None]) -> None:
    host(becomes(dep.PROVISIONING), starting(replica.LOADING), FAILS, becomes(dep.FAILED, error=ENGINE_SAID))
    result = await burnish("deploy", "create", "org/Model", "-w", "-y", code=3)
    (found,) = await burnish.json("deploy", "list")
    said = result.stderr.splitlines()
    assert said[:2] == ["queued", "loading"]
    assert said[2].startswith("rep_") and said[2].endswith(" failed: the engine ended with exit code 1")
    assert said[-4:] == [
        f"Error: {found['id']} is failed: the engine ended with exit code 1",
        "  loading weights",
        "  CUDA out of memory",
        f"Hint: burnish deploy logs {found['id']}",
    ]
    assert result.stdout == ""


async def test_waiting_has_an_end(burnish: Commands) -> None:
    late = await burnish("deploy", "create", "org/Model", "-w", "--timeout", "0.01", "-y", code=7)
    assert late.stderr.splitlines()[-1].endswith("is queued at the end of --timeout; it goes on.")
    assert "--wait" in (await burnish("deploy", "create", "org/Model", "--timeout", "1", code=2)).stderr


def test_several_replicas_are_counted() -> None:
    whole = {"status": "provisioning", "desired_replicas": 4}
    its = [{"status": status} for status in ("running", "loading", "loading", "warming", "stopped", "failed", "draining")]
    assert phase(whole, its) == ("1 of 4 running, 1 warming, 2 loading", 5)
    assert phase({**whole, "desired_replicas": 1}, []) == ("provisioning", 0)
    assert phase({"status": "queued", "desired_replicas": 1, "paused_at": "2026-04-14T12:00:00Z"}, []) == ("paused", 0)


async def test_scaling_pausing_and_resuming(burnish: Commands, server: Server) -> None:
    row = await things.serving_deployment(server, "http://127.0.0.1:9")
    scaled = await burnish.json("deploy", "scale", "sums", "--min", "1", "--max", "3", "--target-rps", "4")
    assert (scaled["min_replicas"], scaled["max_replicas"], scaled["target_rps"]) == (1, 3, 4.0)
    again = await burnish.json(
        "deploy", "scale", row.id, "--max-replicas", "2", "--target-latency", "700", "--stabilisation", "0"
    )
    assert (again["max_replicas"], again["target_latency_p95_ms"], again["stabilisation_window"]) == (2, 700.0, 0)
    assert (await burnish("deploy", "scale", "sums", "--min", "9", code=1)).stderr.startswith("Error: --min-replicas: ")
    assert "Say what changes" in (await burnish("deploy", "scale", "sums", code=2)).stderr
    paused = await burnish.json("deploy", "pause", "sums")
    assert (paused["status"], paused["paused_at"] is None) == ("queued", False)
    assert (await burnish.json("deploy", "resume", "sums"))["paused_at"] is None
    await burnish("deploy", "pause", "dep_unknown", code=4)


async def test_an_update_is_waited_for(burnish: Commands, server: Server, host: Callable[..., None]) -> None:
    row = await things.serving_deployment(server, "http://127.0.0.1:9")
    host(starting(replica.LOADING), goes(replica.RUNNING), version_is(dep.VERSION_SERVING))
    result = await burnish("deploy", "update", "sums", "org/Better", "--revision", "v2", "--wait")
    assert result.stderr.splitlines() == ["loading", "running"]
    found = await burnish.json("deploy", "show", row.id)
    assert (found["model"], found["version"], found["revision"]) == ("org/Better", 2, "v2")
    versions = await burnish.json("deploy", "versions", row.id)
    assert [(one["number"], one["status"]) for one in versions] == [(2, "serving"), (1, "replaced")]


async def test_an_update_that_fails_says_why(burnish: Commands, server: Server, host: Callable[..., None]) -> None:
    await things.serving_deployment(server, "http://127.0.0.1:9")
    host(starting(replica.LOADING), FAILS, version_is(dep.VERSION_FAILED, error=ENGINE_SAID))
    result = await burnish("deploy", "update", "sums", "org/Worse", "-w", code=3)
    assert result.stderr.splitlines()[-4].endswith(" is failed: the engine ended with exit code 1")
    assert result.stderr.splitlines()[-3:-1] == ["  loading weights", "  CUDA out of memory"]
    assert "No such training job" in (await burnish("deploy", "update", "sums", "job_unknown", code=4)).stderr


async def test_replicas_decisions_and_figures_are_listed(burnish: Commands, server: Server) -> None:
    row = await things.serving_deployment(server, "http://127.0.0.1:9")
    await things.logged_requests(server, row, 3)
    async with server.platform.db.transaction() as session:
        await starting(replica.LOADING)(session, row)
        its: dict[str, Any] = {"account_id": row.account_id, "deployment_id": row.id, "gpu_requested": row.gpu_requested}
        ended: dict[str, Any] = {"ended_at": clock.now(), "fail_reason": "out of memory"}
        session.add(Replica(id=ids.new("rep"), status=replica.FAILED, created_at=clock.now(), **its, **ended))
        told = {"from": 1, "to": 2, "reason": "1→2: 15 requests/s > 10", "rps": 15.0, "p95_ms": 90.0, "requests": 40}
        await events.record(session, row.account_id, row.id, "scaled", told)
    assert [one["status"] for one in await burnish.json("deploy", "replicas", "sums")] == ["loading", "running"]
    assert "out of memory" in (await burnish("deploy", "replicas", "sums", "--all")).stdout
    (decision,) = await burnish.json("deploy", "decisions", "sums")
    assert (decision["from"], decision["to"], decision["reason"]) == (1, 2, "1→2: 15 requests/s > 10")
    assert "1→2: 15 requests/s > 10" in (await burnish("deploy", "decisions", "sums")).stdout
    assert (await burnish.json("deploy", "metrics", "sums"))["total_requests"] == 3
    series = await burnish.json("deploy", "metrics", "sums", "--since", "10m", "--interval", "1m")
    assert (series["interval"], series["deployment_id"]) == (60, row.id)
    assert await burnish.ended("deploy", "metrics", "sums", "--plot", "latency_p95_ms")
    assert "--since" in (await burnish("deploy", "metrics", "sums", "--interval", "1m", code=2)).stderr

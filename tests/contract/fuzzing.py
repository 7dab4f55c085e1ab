"""Schemathesis against an API of its own, over REST and over GraphQL: `python -m tests.contract.fuzzing` for a long run.

Everything that can be named in a path exists, the account is funded, and nothing executes jobs.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from burnish.kit.logging import configure
from burnish.kit.money import parse_usd
from burnish.kit.settings import Settings
from models import migrations
from resolvers import accounts
from resolvers.context import Platform
from tests.conftest import Server, Tenant, free_port, serving
from tests.rest_compat import replica, things

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
ROOT = Path(__file__).resolve().parents[2]
REST, GRAPHQL = "/v1/openapi.json", "/graphql"
# A body that the description allows may name what does not exist or may not be done now, but it can be read: never 422.
ACCEPTED = ["2xx", "3xx", "400", "401", "402", "403", "404", "409", "413", "429"]

# What no schema can say: that hyperparameters go together, that a text of a form is JSON, that messages make a conversation, that
# an amount has no more than six decimal places, that the fewest are no more than the most, that a period ends after it begins.
BEYOND_SCHEMAS = (
    "POST /v1/deployments",
    "POST /v1/training_jobs",
    "POST /v1/reward_functions",
    "POST /v1/reward_functions/{reward_function_id}/test",
    "PUT /v1/billing/budget",
    "POST /deploy/llm",
    "PUT /deploy/{deploy_id}",
    "GET /deploy/stats",
    "GET /deploy/{deploy_id}/stats",
    "GET /deploy/{deploy_id}/stats2",
)


@asynccontextmanager
async def installation(home: Path) -> AsyncIterator[Server]:
    """Run an API without rate limits, with one tenant who can pay for everything."""
    # Nothing wakes replicas here: who waits for one waits for nothing.
    settings = Settings(home=home, port=free_port(), cpu_fallback=True, requests_per_minute=0, points_per_minute=0, hold_s=0)
    async with serving(settings) as app:
        platform: Platform = app.state.platform

        async def new_tenant(slug: str, credit_usd: str = "1000000") -> Tenant:
            return Tenant(*await accounts.create(platform.core, slug, credit_micros=parse_usd(credit_usd)))

        yield Server(f"http://127.0.0.1:{settings.port}", app, platform, await new_tenant("tenant"), new_tenant)


@asynccontextmanager
async def prepared(server: Server, folder: Path) -> AsyncIterator[Path]:
    """Make the things that paths can name, and a configuration that names them."""
    async with server.client() as client:
        done = await things.completed_job(server, client)
        (checkpoint, *_) = (await client.get(f"/v1/training_jobs/{done['id']}/checkpoints")).json()["data"]
        key = (await client.post("/v1/api_keys", json={"name": "spare"})).json()
    async with replica.running() as engine:
        row = await things.serving_deployment(server, engine.url, "fuzzed")
        await things.logged_requests(server, row, 3)
        other = await things.serving_deployment(server, engine.url, "fuzzed/too")
        paths = {
            "job_id": done["id"],
            "dataset_id": done["dataset_id"],
            "reward_function_id": done["reward_function_id"],
            "deployment_id": row.id,
            "deploy_id": other.id,
            "replica_id": await things.replica_of(server, row),
            "checkpoint_id": checkpoint["id"],
            "model": row.name,
            "key_id": key["id"],
            "token": done["download_url"].split("/")[-2],
        }
        words = {
            "gpu": (("body.gpu.type", "body.gpu.gpu_type", "query.gpu_type"), ["CPU", "H100-80GB", "A100-80GB"]),
            "model": (("body.model",), [row.name, row.id, done["id"], "Qwen/Qwen3-4B"]),
            "base": (("body.base_model", "body.hf.repo", "body.hf_model_id"), ["Qwen/Qwen3-4B"]),
            "deployment": (("query.deploy_id", "query.deployment_id", "body.deployment_id"), [row.id, other.id]),
            "named": (("header.X-Deployment-ID",), [row.id]),
            "profile": (("body.hardware_profile",), ["cpu", "gpu.a100", "gpu.h100:2"]),
            "dataset": (("body.dataset_id",), [done["dataset_id"]]),
            "reward": (("body.reward_function_id",), [done["reward_function_id"]]),
            "provider": (("body.provider", "query.provider"), ["local", "prime_intellect"]),
        }
        config = folder / "schemathesis.toml"
        config.write_text("\n".join(_configuration(paths, words)))
        yield config


def _configuration(paths: dict[str, str], words: dict[str, tuple[tuple[str, ...], list[str]]]) -> Iterator[str]:
    """Yield the lines of a configuration: every path names what exists, and bodies often do."""
    # No text of ours holds a NUL.
    yield "generation.allow-x00 = false"
    yield f"checks.positive_data_acceptance.expected-statuses = {ACCEPTED}"
    # A plan says what is wrong with a body; that is its answer.
    yield '[[operations]]\ninclude-name = "POST /v1/training_jobs/plan"\nchecks.negative_data_rejection.enabled = false'
    # A deployment that was just made, or stopped meanwhile, has no replica: 503 with Retry-After, as documented.
    yield '[[operations]]\ninclude-path-regex = "completions$"'
    yield 'checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]'
    yield f"checks.positive_data_acceptance.expected-statuses = {[*ACCEPTED, '503']}"
    # A header that nobody knows is no reason to refuse.
    yield '[[operations]]\ninclude-path-regex = "^/v1/deployments/.*completions$"\nchecks.negative_data_rejection.enabled = false'
    for name in BEYOND_SCHEMAS:
        yield f'[[operations]]\ninclude-name = "{name}"\nchecks.positive_data_acceptance.enabled = false'
    yield "[dictionaries]"
    yield from (f"{name}.values = {entries}" for name, (_, entries) in words.items())
    yield "[parameters]"
    yield from (f'"path.{name}" = "{value}"' for name, value in paths.items())
    for name, (places, _) in words.items():
        yield from (f'"{place}" = {{ dictionary = "{name}", probability = 0.7 }}' for place in places)


async def fuzz(server: Server, config: Path, path: str, *options: str) -> tuple[int, str]:
    """Run Schemathesis; return its exit code and what it said."""
    command = [SCHEMATHESIS, "--config-file", config, "--no-color", "run", server.url + path]
    # A machine that is busy with other tests is no finding.
    command += ["-H", f"Authorization: Bearer {server.tenant.key}", "--request-timeout=60", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if path == GRAPHQL:
        command += ["--checks", "no_fault"]
        environment["SCHEMATHESIS_HOOKS"] = "tests.contract.graphql_check"
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=config.parent, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace")


async def long_run(home: Path, path: str, options: list[str]) -> int:
    async with installation(home) as server, prepared(server, home) as config:
        code, said = await fuzz(server, config, path, *options)
    print(said)
    return code


def main(arguments: list[str]) -> int:
    configure("error")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphql", action="store_true", help="over GraphQL instead of REST")
    chosen, options = parser.parse_known_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        Settings(home=home).prepare_home()
        migrations.upgrade(f"sqlite+aiosqlite:///{home}/burnish.db")
        return asyncio.run(long_run(home, GRAPHQL if chosen.graphql else REST, options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Schemathesis over the description of REST and over the schema of GraphQL; `make fuzz` runs it for long."""

from pathlib import Path

import pytest

from burnish.kit.settings import Settings
from tests.contract.fuzzing import GRAPHQL, REST, fuzz, installation, prepared

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]
# Nobody needs the same handlers under another name twice, nor each time those that only read a period or a name of a dialect.
LEFT_OUT = (
    r"^/v1/openai/|^/deploy/(list/|stats|hf/|llm/)|^/deploy/.*/(stats2?|start)$|^/api/v2/external/(machine-types|inference/list)$"
)
REST_OPTIONS = ("--max-examples=3", f"--exclude-path-regex={LEFT_OUT}")


@pytest.mark.parametrize(("path", "options"), [(REST, REST_OPTIONS), (GRAPHQL, ("--max-examples=5",))], ids=["rest", "graphql"])
async def test_schemathesis_finds_nothing(settings: Settings, tmp_path: Path, path: str, options: tuple[str, ...]) -> None:
    async with installation(settings.home) as server, prepared(server, tmp_path) as config:
        code, said = await fuzz(server, config, path, "--generation-deterministic", *options)
    assert code == 0, said

"""Every command and every option says what it does, and the reference names each of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from burnish.cli.main import app

REFERENCE = Path(__file__).parents[2] / "docs" / "cli.md"


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for child, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {child}")


ALL = list(commands(get_command(app), "burnish"))
LEAVES = [(name, command) for name, command in ALL if not hasattr(command, "commands")]


@pytest.mark.parametrize(("name", "command"), ALL)
def test_command_has_help(name: str, command: Any) -> None:
    assert len(command.help or "") > 10


@pytest.mark.parametrize(("name", "command"), ALL)
def test_every_parameter_has_help(name: str, command: Any) -> None:
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []


@pytest.mark.parametrize(("name", "command"), LEAVES)
def test_reference_names_the_command(name: str, command: Any) -> None:
    assert f"`{name}" in REFERENCE.read_text()


@pytest.mark.parametrize(("name", "command"), LEAVES)
def test_commands_that_print_data_take_json(name: str, command: Any) -> None:
    if name not in ("burnish up", "burnish worker", "burnish demo", "burnish completion"):
        assert "as_json" in [parameter.name for parameter in command.params]

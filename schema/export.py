"""The committed description of the schema: `python -m schema.export` writes it, `--check` fails where it is stale or breaks what
the last release promised, `--release` makes it the promise of the next one.

A change that breaks clients of the last release fails unless `ALLOWED` says why it may; one that only may surprise them is
listed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from graphql import GraphQLSchema, SchemaChange, build_schema, find_breaking_changes, find_dangerous_changes

from schema.root import schema

TARGET = Path(__file__).with_name("schema.graphql")
RELEASED = Path(__file__).with_name("released.graphql")
# The description of a change, as the check prints it, and why clients may be broken by it. Emptied with each release.
ALLOWED: dict[str, str] = {}


def text() -> str:
    return schema.as_str().strip() + "\n"


def breaking() -> list[str]:
    """Return what breaks clients of the last release and is not allowed."""
    return [change for change in _changes(find_breaking_changes(*_both())) if change not in ALLOWED]


def dangerous() -> list[str]:
    """Return what may surprise clients of the last release, such as a value more in an enum."""
    return _changes(find_dangerous_changes(*_both()))


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    if "--check" not in arguments:
        TARGET.write_text(text())
        if "--release" in arguments:
            RELEASED.write_text(text())
        return 0
    for change in dangerous():
        print(f"since the last release, with care: {change}")
    broken = breaking()
    for change in broken:
        print(f"{RELEASED} is broken: {change}", file=sys.stderr)
    fresh = TARGET.is_file() and TARGET.read_text() == text()
    if not fresh:
        print(f"{TARGET} is stale: run python -m schema.export", file=sys.stderr)
    return 0 if fresh and not broken else 1


def _both() -> tuple[GraphQLSchema, GraphQLSchema]:
    return build_schema(RELEASED.read_text()), build_schema(text())


def _changes(found: Sequence[SchemaChange]) -> list[str]:
    return sorted(change.description for change in found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

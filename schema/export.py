"""The committed description of the schema: `python -m schema.export` writes it, `--check` fails where it is stale."""

import sys
from pathlib import Path

from schema.root import schema

TARGET = Path(__file__).with_name("schema.graphql")


def text() -> str:
    return schema.as_str().strip() + "\n"


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    if "--check" not in arguments:
        TARGET.write_text(text())
        return 0
    if TARGET.is_file() and TARGET.read_text() == text():
        return 0
    print(f"{TARGET} is stale: run python -m schema.export", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

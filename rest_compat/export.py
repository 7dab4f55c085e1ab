"""`python -m rest_compat.export` writes `openapi.json`; with `--check` it fails where the file is not what the code says."""

import json
import sys

from rest_compat.dialects import OPERATIONS
from rest_compat.openapi import PATH, describe


def rendered() -> str:
    return json.dumps(describe(OPERATIONS), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file, or compare it; return the exit code."""
    if "--check" not in arguments:
        PATH.write_text(rendered())
        return 0
    if PATH.exists() and PATH.read_text() == rendered():
        return 0
    print(f"{PATH.name} is stale: run `python -m rest_compat.export`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

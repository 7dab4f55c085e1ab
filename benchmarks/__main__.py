"""`python -m benchmarks [NAME…] [--json] [--quick]`: all benchmarks, or those named."""

import importlib
import sys

from benchmarks.report import show

NAMES = ("batch", "dashboard", "gateway", "gpu", "graphql", "grpo", "live", "metrics")


def main() -> int:
    named = [word for word in sys.argv[1:] if not word.startswith("-")]
    unknown = [name for name in named if name not in NAMES]
    if unknown:
        print(f"unknown benchmark {unknown[0]}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    figures = [row for name in named or NAMES for row in importlib.import_module(f"benchmarks.{name}").measure()]
    return show(figures, as_json="--json" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

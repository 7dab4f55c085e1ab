"""The child task `serving.fetch`: brings a model of the hub to this machine before an engine is started on it."""

import os
from pathlib import Path
from typing import Any

from engines.bases import hub
from engines.protocol import Reporter

TOKEN_VARIABLE = "HF_TOKEN"


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Fetch `spec` `{repo, revision, cache_dir}` and return `{path, revision}`; the environment may hold a token.

    ChildFailure (`model_unavailable`) where it cannot be had.
    """
    reporter.phase("pulling_model")
    token = os.environ.pop(TOKEN_VARIABLE, None)
    path, revision = hub.fetch(spec["repo"], spec["revision"], token, Path(spec["cache_dir"]), reporter.log)
    reporter.model(revision)
    return {"path": path, "revision": revision}

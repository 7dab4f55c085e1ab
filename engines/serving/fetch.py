"""The child task `serving.fetch`: brings a model of the hub to this machine before an engine is started on it."""

from pathlib import Path
from typing import Any

from engines.bases import hub
from engines.protocol import Reporter


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Fetch `spec` `{repo, revision, token, cache_dir}` and return `{path, revision}`.

    ChildFailure (`model_unavailable`) where it cannot be had.
    """
    reporter.phase("pulling_model")
    path, revision = hub.fetch(spec["repo"], spec["revision"], spec["token"], Path(spec["cache_dir"]), reporter.log)
    reporter.model(revision)
    return {"path": path, "revision": revision}

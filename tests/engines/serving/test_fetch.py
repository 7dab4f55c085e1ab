"""The child task that brings a model of the hub to this machine."""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from engines.bases import hub
from engines.protocol import ChildFailure, Reporter
from engines.serving import fetch

SPEC = {"repo": "org/model", "revision": None, "cache_dir": "/cache"}


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")


def said(out: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_the_model_its_revision_and_the_log_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fetched(repo: str, revision: str | None, token: str | None, cache_dir: Path, on_log: hub.OnLog) -> tuple[str, str]:
        asked.append((repo, revision, token, cache_dir))
        on_log("fetching")
        return "/cache/model", "c0ffee"

    monkeypatch.setattr(hub, "fetch", fetched)
    out = io.BytesIO()
    assert fetch.main(SPEC, Reporter(out, io.BytesIO())) == {"path": "/cache/model", "revision": "c0ffee"}
    assert asked == [("org/model", None, "hf_secret", Path("/cache"))]
    assert "HF_TOKEN" not in os.environ
    assert b"hf_secret" not in out.getvalue()
    assert [message["type"] for message in said(out)] == ["phase", "log", "model"]
    assert (said(out)[0]["phase"], said(out)[1]["message"], said(out)[2]["revision"]) == ("pulling_model", "fetching", "c0ffee")


def test_a_model_that_cannot_be_had_is_the_childs_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> tuple[str, str]:
        raise ChildFailure("model_unavailable", "There is no org/model.")

    monkeypatch.setattr(hub, "fetch", missing)
    out = io.BytesIO()
    with pytest.raises(ChildFailure, match=r"There is no org/model\."):
        fetch.main(SPEC, Reporter(out, io.BytesIO()))
    assert b"hf_secret" not in out.getvalue()

"""Reading sources in this process, as the child does it."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.data import read
from engines.data.source import Source
from engines.protocol import ChildFailure, Reporter

Read = Callable[..., Any]


@pytest.fixture
def limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    # The limit on memory would stay with this process.
    monkeypatch.setattr(read, "confine", lambda: None)
    return {
        "folder": str(tmp_path),
        "max_bytes": 10_000_000,
        "max_line_bytes": 100_000,
        "open_networks": "127.0.0.0/8",
        "timeout_s": 10.0,
    }


@pytest.fixture
def preview(limits: dict[str, Any]) -> Read:
    """Return what a look finds; limits can be given beside the source."""

    def look(source: Source, **more: Any) -> Any:
        spec = {**limits, **more, "source": source.model_dump(), "preview": True}
        return read.main(spec, Reporter(io.BytesIO(), io.BytesIO()))

    return look


@pytest.fixture
def whole(limits: dict[str, Any]) -> Read:
    """Return the rows and the report of a source that is read whole."""

    def take(source: Source, **more: Any) -> Any:
        spec = {**limits, **more, "source": source.model_dump(), "preview": False}
        found = read.main(spec, Reporter(io.BytesIO(), io.BytesIO()))
        return [json.loads(line) for line in Path(found["rows"]).read_text().splitlines()], found["report"]

    return take


def failure(action: Read, source: Source, **more: Any) -> ChildFailure:
    with pytest.raises(ChildFailure) as caught:
        action(source, **more)
    return caught.value

"""A schema is as large as what its references unfold to."""

from typing import Any

import pytest

from engines.evals import scorers
from engines.evals.schema_sizes import unfolded
from engines.evals.scorers import ScorerProblem


def doubling(depth: int) -> dict[str, Any]:
    """Return a schema of which each part refers twice to the next."""
    parts: dict[str, Any] = {f"a{index}": {"allOf": [{"$ref": f"#/$defs/a{index + 1}"}] * 2} for index in range(depth)}
    return {"$defs": {**parts, f"a{depth}": True}, "$ref": "#/$defs/a0"}


def test_parts_are_counted_once_for_each_reference() -> None:
    assert unfolded({"type": "object"}) == 2
    assert unfolded({"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"}) == 1 + (1 + 2) + 1 + 2
    assert unfolded(doubling(20)) > 2**20


def test_a_part_that_refers_to_itself_ends() -> None:
    tree = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert unfolded(tree) < 20


def test_a_schema_that_unfolds_without_end_is_refused() -> None:
    with pytest.raises(ScorerProblem) as caught:
        scorers.parse([{"type": "json-schema", "schema": doubling(40)}])
    assert (caught.value.param, caught.value.message) == ("scorers.0.schema", "This schema refers to its own parts too often.")
    assert scorers.parse([{"type": "json-schema", "schema": doubling(3)}])

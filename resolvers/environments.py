"""What is wrong with the OpenReward environments that a job asks for, as far as it shows before they are asked themselves."""

import importlib.util
import re
from collections.abc import Mapping
from typing import Any

from burnish.kit.errors import BurnishError, Invalid, SchemaInvalid
from engines.training.grpo_spec import EnvironmentChoice
from resolvers.inputs import parse

ID = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,127}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MOST = 32
LIBRARY = "openreward"


def check(wanted: Mapping[str, Any]) -> None:
    """Raise what is wrong with the object itself, naming the environment or its field."""
    if not wanted:
        raise Invalid("Name at least one environment, as owner/name or name.", param="environments")
    if len(wanted) > MOST:
        raise Invalid(f"A job has at most {MOST} environments.", param="environments")
    for name, options in wanted.items():
        if not ID.fullmatch(name):
            raise SchemaInvalid(f"'{name}' is no environment: they are called owner/name or name.", param="environments")
        parse(EnvironmentChoice, options or {}, at=f"environments.{name}")


def problem(*, has_key: bool) -> BurnishError | None:
    """Return why an account, with or without the integration's key, cannot learn in environments here; None where it can."""
    if not has_key:
        message = "OpenReward environments need their integration, which is not configured."
        return Invalid(message, code="integration_not_configured", param="environments")
    if importlib.util.find_spec(LIBRARY) is None:
        message = "This installation has no client for OpenReward's environments."
        hint = "Its operator can install burnish[environments]."
        return Invalid(message, code="environments_unavailable", param="environments", hint=hint)
    return None

"""What scores the answers of an eval: as callers give it, and what of the account it refers to."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import col, select

from burnish.kit.db import Session
from burnish.kit.errors import Invalid, NotFound
from engines.serving import addressing
from models import eval as evaluation
from models.eval import Eval, EvalRun
from resolvers import reward_functions
from resolvers.context import Context

CODE = "invalid_scorer"
TYPES = ("exact-match", "regex", "json-schema", "reward-function", "judge")


def checked(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the scorers with their types as they are documented; Invalid (`invalid_scorer`) naming the field that is wrong."""
    found = []
    for index, one in enumerate(given):
        kind = str(one.get("type", "")).replace("_", "-")
        if kind not in TYPES:
            message = f"Unknown scorer '{one.get('type')}'; there are {', '.join(TYPES)}."
            raise Invalid(message, code=CODE, param=f"scorers.{index}.type")
        found.append({**one, "type": kind})
    return found


async def check_references(session: Session, ctx: Context, scorers: Sequence[Mapping[str, Any]]) -> None:
    """NotFound, naming the field, where a scorer refers to what the account does not have."""
    for index, one in enumerate(scorers):
        if one["type"] == "reward-function":
            await _check_reward(session, ctx, str(one.get("reward_function_id")), f"scorers.{index}.reward_function_id")
        elif one["type"] == "judge":
            model = str(one.get("model"))
            if await addressing.by_reference(session, ctx.account, model) is None:
                message = f"No such deployment to judge: {model}"
                raise NotFound(message, param=f"scorers.{index}.model")


async def _check_reward(session: Session, ctx: Context, reward_function_id: str, param: str) -> None:
    try:
        await reward_functions.find(session, ctx, reward_function_id, lock=True)
    except NotFound as error:
        raise NotFound(error.message, param=param) from None


async def run_with_reward(session: Session, ctx: Context, reward_function_id: str) -> str | None:
    """Return the id of a run that goes on and scores with this reward function, None where there is none."""
    live = (EvalRun.account_id == ctx.account.id, col(EvalRun.status).not_in(evaluation.TERMINAL))
    statement = select(EvalRun.id, Eval.scorers).join(Eval, col(Eval.id) == EvalRun.eval_id).where(*live)
    for run_id, scorers in (await session.exec(statement)).all():
        if any(one.get("reward_function_id") == reward_function_id for one in scorers):
            return run_id
    return None

"""What scores the answers of an eval: as callers give it, and what of the account it refers to."""

from collections.abc import Mapping, Sequence
from typing import Any

from burnish.kit.db import Session
from burnish.kit.errors import Invalid, NotFound
from engines.evals import scorers
from engines.evals.scorers import Judge, Reward, Scorer, ScorerProblem
from engines.serving import addressing
from resolvers import reward_functions
from resolvers.context import Context


def read(given: Sequence[Mapping[str, Any]]) -> list[Scorer]:
    """Return the scorers that a caller gave; Invalid (`invalid_scorer`) naming the field that is wrong."""
    try:
        return scorers.parse(given)
    except ScorerProblem as problem:
        raise Invalid(problem.message, code="invalid_scorer", param=problem.param) from None


async def check_references(session: Session, ctx: Context, given: Sequence[Scorer]) -> None:
    """NotFound, naming the field, where a scorer refers to what the account does not have."""
    for index, scorer in enumerate(given):
        if isinstance(scorer, Reward):
            await _check_reward(session, ctx, scorer.reward_function_id, f"scorers.{index}.reward_function_id")
        elif isinstance(scorer, Judge) and await addressing.by_reference(session, ctx.account, scorer.model) is None:
            raise NotFound(f"No such deployment to judge: {scorer.model}", param=f"scorers.{index}.model")


async def _check_reward(session: Session, ctx: Context, reward_function_id: str, param: str) -> None:
    try:
        await reward_functions.find(session, ctx, reward_function_id, lock=True)
    except NotFound as error:
        raise NotFound(error.message, param=param) from None

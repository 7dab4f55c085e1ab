"""What happens in an account: the events of all of its resources, in one order."""

from burnish.kit.db import Session
from burnish.kit.errors import NotFound
from resolvers.context import Context
from resolvers.streams import Streams

KIND = "activity"


async def _find(session: Session, ctx: Context, account_id: str) -> None:
    if account_id != ctx.account.id:
        raise NotFound(f"No such account: {account_id}")


streams = Streams(_find)

"""Where completions go: which deployment a caller's words mean, and the replicas that take its requests, remembered for a moment.

A process hears at once of what any process has recorded of a deployment, and looks at those in use every `REFRESH_S` besides.
Nothing older than `FRESH_S` is used: less than a replica that leaves the routing goes on answering (`replica_run.SETTLE_S`).
Only what takes requests is remembered: whatever else there is to say of a deployment is said from the database.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Any

import structlog
from sqlalchemy import and_, bindparam
from sqlmodel import col, select

from burnish.kit.core import Core
from burnish.kit.db import Session
from burnish.kit.errors import Invalid, NotFound
from burnish.kit.once import AtOnce
from engines.serving import addressing
from engines.serving.router import Table, Target
from engines.serving.upstream import Upstream
from models import deployment as dep
from models import replica
from models.deployment import Deployment
from models.replica import Replica
from resolvers import waking
from resolvers.context import Context

log = structlog.get_logger(__name__)
REFRESH_S = 0.3
FRESH_S = 0.7
# A deployment that is made later may be meant by words that meant another: by an id, only one ever is.
NAMED_S = 5.0
LONG_AGO = float("-inf")
DEPLOYMENT = "dep_"
MOST_REMEMBERED = 50_000
# The replicas of those of some deployments that take requests, and of what has none a row without.
NOW: Any = (
    select(Deployment.id, Replica.id, Replica.url, Replica.served_name)
    .outerjoin(Replica, and_(col(Replica.deployment_id) == col(Deployment.id), col(Replica.status) == replica.RUNNING))
    .where(
        col(Deployment.id).in_(bindparam("ids", expanding=True)),
        col(Deployment.status).in_(dep.ACTIVE),
        col(Deployment.paused_at).is_(None),
        col(Deployment.deleted_at).is_(None),
    )
    .order_by(col(Replica.created_at))
)
# The account, the deployment that the URL or a header names, and what `model` says.
Words = tuple[str, str | None, str | None]


class Route:
    """A deployment that takes requests, read at `seen`. `upstream` is the server that answers where it was adopted."""

    __slots__ = ("id", "name", "row", "seen", "upstream", "used")

    def __init__(self, row: Deployment, upstream: Upstream | None, seen: float) -> None:
        self.id = row.id
        self.name = row.name
        self.row = row
        self.upstream = upstream
        self.seen = seen
        self.used = True


class Routes:
    """What one process knows of where its callers' requests go; it keeps `table` supplied with the replicas."""

    def __init__(self, core: Core, table: Table) -> None:
        self._core = core
        self._table = table
        self._meant: dict[Words, Route] = {}
        self._routes: dict[str, Route] = {}
        self._named_at = LONG_AGO
        # How often something was forgotten: what was read before is not taken for fresh.
        self._forgotten = 0
        self._finding = AtOnce[Route]()
        core.hub.watch("events", self.changed)

    def get(self, words: Words) -> Route | None:
        """Return the route where it is known and fresh."""
        route = self._meant.get(words)
        if route is None or monotonic() - route.seen >= FRESH_S:
            return None
        route.used = True
        return route

    async def find(self, ctx: Context, model: Any, deployment_id: str | None) -> Route:
        """Return the route, and remember it.

        NotFound (`model_not_found`) for what names none of the caller's deployments, Invalid for a `model` that is no text, and
        what `waking.check` says of a deployment that takes no requests.
        """
        if not isinstance(model, str | None):
            raise Invalid("'model' is a text.", param="model")
        words = (ctx.account.id, deployment_id, model)
        # With what was forgotten: nobody is answered by a look that began before a change.
        return await self._finding.get((words, self._forgotten), partial(self._find, ctx, words))

    async def _find(self, ctx: Context, words: Words) -> Route:
        _, deployment_id, model = words
        before, seen = self._forgotten, monotonic()
        async with self._core.db.read() as session:
            row = await _named(session, ctx, model, deployment_id)
            waking.check(row)
            targets = (await addressing.running(session, [row.id]))[row.id]
        if len(self._meant) >= MOST_REMEMBERED:
            self._meant.clear()
            self._routes.clear()
        route = self._meant[words] = self._keep(row, targets, seen if self._forgotten == before else LONG_AGO)
        route.used = True
        return route

    def found(self, route: Route, targets: Sequence[Target]) -> None:
        """Take in the replicas of a deployment as a request that waited for one has just seen them."""
        # Nobody else may have used it meanwhile; whoever stands in line from now on is to hear of what changes.
        self._routes.setdefault(route.id, route).used = True
        self._table.set(route.id, targets)

    def changed(self, deployment_id: str) -> None:
        """Have a deployment looked at before it is used again; what happens to a job is heard here too, and is nothing to it."""
        if not deployment_id.startswith(DEPLOYMENT):
            return
        self._forgotten += 1
        route = self._routes.get(deployment_id)
        if route is not None:
            route.seen = LONG_AGO

    async def run(self) -> None:
        """Keep what is used fresh, for ever."""
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                await self.refresh()
            except Exception as error:
                # Whoever asks meanwhile reads for himself, and hears of it.
                log.warning("routes_not_refreshed", error=str(error))

    async def refresh(self) -> None:
        """Read again what was used since the last time or has requests waiting; forget the rest."""
        if monotonic() - self._named_at >= NAMED_S:
            self._named_at, self._meant = monotonic(), {}
        used = {route for route in self._routes.values() if route.used or self._table.waiting(route.id)}
        self._forget([route for route in self._routes.values() if route not in used])
        if not used:
            return
        for route in used:
            route.used = False
        before, seen = self._forgotten, monotonic()
        async with self._core.db.read() as session:
            rows = (await session.exec(NOW, params={"ids": [route.id for route in used]})).all()
        found: dict[str, list[Target]] = {}
        for deployment_id, replica_id, url, served_name in rows:
            targets = found.setdefault(deployment_id, [])
            if url is not None:
                targets.append(Target(replica_id, url, served_name))
        for route in used:
            if route.id in found:
                route.seen = seen if self._forgotten == before else LONG_AGO
                self._table.set(route.id, found[route.id])
        self._forget([route for route in used if route.id not in found])

    def _keep(self, row: Deployment, targets: Sequence[Target], seen: float) -> Route:
        self._table.set(row.id, targets)
        route, upstream = self._routes.get(row.id), addressing.upstream_of(self._core, row)
        if route is None:
            route = self._routes[row.id] = Route(row, upstream, seen)
        else:
            route.row, route.name, route.upstream, route.seen = row, row.name, upstream, seen
        return route

    def _forget(self, gone: Sequence[Route]) -> None:
        if not gone:
            return
        for route in gone:
            route.seen = LONG_AGO
            self._routes.pop(route.id, None)
            self._table.set(route.id, [])
        self._meant = {words: route for words, route in self._meant.items() if route.id in self._routes}


async def _named(session: Session, ctx: Context, model: str | None, deployment_id: str | None) -> Deployment:
    if deployment_id is not None:
        found = await session.get(Deployment, deployment_id)
        if found is None or found.account_id != ctx.account.id or found.deleted_at is not None:
            raise NotFound(f"No such deployment: {deployment_id}")
        if model is not None and model != found.model and not addressing.is_named(ctx.account, found, model):
            raise _unknown(model)
        return found
    if model is None:
        raise Invalid("'model' is required: the id or the name of a deployment.", param="model")
    by_name = await addressing.by_reference(session, ctx.account, model)
    if by_name is None:
        raise _unknown(model)
    return by_name


def _unknown(model: str) -> NotFound:
    return NotFound(f"The model '{model}' does not exist.", code="model_not_found", param="model")

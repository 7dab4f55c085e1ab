"""What every operation goes through before it runs, over HTTP and over a socket alike.

The cheapest question comes first: is the caller within its rate, is the text known by its hash, is it small enough, does it
parse, what does it cost, is it valid. Nothing is executed for what is refused here. An operation is charged what it costs, a
refused one for what reading it took, so that no flood of bad documents is free.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from graphql import GraphQLError, OperationType
from strawberry.types import ExecutionResult

from burnish.kit.errors import BurnishError, RateLimited, Unauthenticated
from schema import persisted
from schema.admitted import Admitted, too_dear
from schema.context import RequestContext
from schema.cost import MAX_COST
from schema.documents import Document, Documents
from schema.errors import public
from schema.limits import MAX_TEXT
from schema.persisted import PersistedQueries
from schema.rate_limits import Allowance, cost_extension
from schema.root import schema

DOCUMENTS = Documents(schema._schema)
PERSISTED = PersistedQueries()
MUTATIONS: set[asyncio.Future[ExecutionResult]] = set()
# Of a document that is refused. To parse and to validate so many takes about 0.1 ms.
CHARACTERS_A_POINT = 40


class Refused(Exception):
    """An operation that does not run. `errors` are as the caller may see them; `status` is HTTP's, None where it depends on
    the media type of the answer.
    """

    def __init__(self, errors: Sequence[GraphQLError], status: int | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(errors[0].message)
        self.errors = errors
        self.status = status
        self.retry_after_s = retry_after_s


class Asked(NamedTuple):
    """What a request, or the payload of a `subscribe` message, asks for."""

    query: str | None
    variables: dict[str, Any] | None
    name: str | None
    extensions: dict[str, Any] | None

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Self:
        """Read a payload; Refused where it does not have the documented shape."""
        found = cls(*(payload.get(name) for name in ("query", "variables", "operationName", "extensions")))
        for name, text in (("query", found.query), ("operationName", found.name)):
            if not isinstance(text, (str, type(None))):
                raise malformed(f"`{name}` is a string, or null.")
        for name, value in (("variables", found.variables), ("extensions", found.extensions)):
            if not isinstance(value, (dict, type(None))):
                raise malformed(f"`{name}` is an object, or null.")
        return found


def malformed(message: str, status: int = 400) -> Refused:
    """Refuse what is no operation at all."""
    return Refused([GraphQLError(message, extensions={"code": "BAD_REQUEST"})], status)


async def admit(context: RequestContext, asked: Asked) -> Admitted:
    """Judge an operation and charge its caller, once for each time it is asked for; Refused where it must not run."""
    try:
        return await _admit(context, asked)
    except BurnishError as error:
        raise refused(context, error) from None
    except GraphQLError as error:
        raise Refused([public(error, context.request_id)], persisted.STATUS if persisted.is_miss(error) else None) from None


def refused(context: RequestContext, error: BurnishError) -> Refused:
    """Return an error of the platform's own as the reason why an operation does not run."""
    shown = public(GraphQLError(error.message, original_error=error), context.request_id)
    return Refused([shown], error.status, error.retry_after_s if isinstance(error, RateLimited) else None)


async def run(context: RequestContext, admitted: Admitted) -> ExecutionResult:
    """Execute a query or a mutation.

    A query that takes too long is cut, with what it does in the database. A mutation never is: nobody could tell whether it
    was done. Whoever stops waiting for one asks again with its idempotency key.
    """
    context.admitted = admitted
    limit_s = context.platform.core.settings.query_timeout_s
    executing = schema.execute(
        admitted.query, variable_values=admitted.variables, context_value=context, operation_name=admitted.name
    )
    if admitted.type is OperationType.MUTATION:
        # Not by its socket either, which is closed or completed while it runs.
        task = asyncio.ensure_future(executing)
        MUTATIONS.add(task)
        task.add_done_callback(MUTATIONS.discard)
        return await asyncio.shield(task)
    try:
        async with asyncio.timeout(limit_s):
            return await executing
    except TimeoutError:
        error = GraphQLError(f"The query took longer than {limit_s:g} seconds.", extensions={"code": "TIMEOUT"})
        return ExecutionResult(data=None, errors=[error])


async def _admit(context: RequestContext, asked: Asked) -> Admitted:
    allowance = Allowance.of(context)
    allowance.request()
    hashed = persisted.wanted(asked.extensions, asked.query)
    text = asked.query or (await _stored(context, hashed.sha256) if hashed else None)
    if not text:
        raise malformed("The request has no query.")
    try:
        document, cost = _judge(context, text, asked)
    except (GraphQLError, Refused, Unauthenticated):
        allowance.charge(min(len(text), MAX_TEXT) / CHARACTERS_A_POINT)
        raise
    allowance.points(cost)
    if hashed is not None and hashed.text is not None and context.is_known:
        await PERSISTED.add(context.platform.core.redis, context.known.account.id, hashed.sha256, text)
    operation = document.operation(asked.name)
    told = {"cost": cost_extension(cost, allowance.standing())}
    return Admitted(text, asked.variables, asked.name, document, operation.type, cost, told)


async def _stored(context: RequestContext, sha256: str) -> str:
    if context.is_known:
        found = await PERSISTED.find(context.platform.core.redis, context.known.account.id, sha256)
        if found is not None:
            return found
    raise persisted.not_found()


def _judge(context: RequestContext, text: str, asked: Asked) -> tuple[Document, int]:
    """Return the document and what its operation costs."""
    kept = DOCUMENTS.find(text)
    document = kept or DOCUMENTS.read(text, known=context.is_known)
    operation = document.operation(asked.name)
    if not context.is_known and not operation.is_open:
        raise Unauthenticated()
    if operation.introspects and not context.platform.core.settings.introspection:
        raise GraphQLError("This installation does not answer questions about its schema.")
    cost = operation.cost(asked.variables)
    if cost > MAX_COST:
        raise too_dear(cost)
    if kept is None:
        errors = document.validate()
        if errors:
            raise Refused([public(error, context.request_id) for error in errors])
        if context.is_known:
            DOCUMENTS.keep(document)
    return document, cost

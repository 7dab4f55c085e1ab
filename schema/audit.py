"""The audit log: who changed what, and when."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from burnish.kit.paging import Span
from models import audit as rows
from resolvers import audit, cursors
from schema.context import Info
from schema.nodes import After, Connection, First, Node, connect_page, within
from schema.scalars import JSON

NOUN = "audit_log"


@strawberry.type(description="One change, in the account or by the operator.")
class AuditEntry(Node):
    actor: str = strawberry.field(
        description="The id of the API key or session, or `operator` for a command on the machine itself."
    )
    actor_name: str = strawberry.field(description="What the key or session is called.")
    action: str = strawberry.field(description="The noun and what was done, such as `jobs.cancel`.")
    resource_id: strawberry.ID | None = strawberry.field(description="What it was done to.")
    request_id: str | None = strawberry.field(description="The `x-request-id` of the request.")
    details: JSON = strawberry.field(description="Names, never a secret.")
    created_at: datetime = strawberry.field(description="When it was done.")

    @classmethod
    def of(cls, row: rows.AuditEntry) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            actor=row.actor,
            actor_name=row.actor_name,
            action=row.action,
            resource_id=None if row.resource_id is None else strawberry.ID(row.resource_id),
            request_id=row.request_id,
            details=JSON(row.details),
            created_at=row.created_at,
        )


@strawberry.type(description="A page of the audit log.")
class AuditEntryConnection(Connection[AuditEntry]): ...


@strawberry.input(description="Which entries of the audit log to give: those that meet all of it.")
class AuditFilter:
    resource_id: strawberry.ID | None = strawberry.field(default=None, description="Only of this thing.")
    action: str | None = strawberry.field(
        default=None, description="Only this, such as `jobs.cancel`, or everything of a noun, such as `jobs`."
    )
    actor: str | None = strawberry.field(default=None, description="Only by this API key or session, or `operator`.")
    created_after: datetime | None = strawberry.field(default=None, description="Only from this moment on.")
    created_before: datetime | None = strawberry.field(default=None, description="Only before this moment.")


@strawberry.type
class AuditQueries:
    @strawberry.field(
        description="Who changed what in the account, newest first; the operator's also what concerns all accounts."
    )
    async def audit_log(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        filter: Annotated[AuditFilter | None, strawberry.argument(description="Only those that meet all of this.")] = None,
    ) -> AuditEntryConnection:
        asked = filter or AuditFilter()
        page = await audit.page(
            info.context.known,
            resource_id=asked.resource_id,
            action=asked.action,
            actor=asked.actor,
            created=Span(asked.created_after, asked.created_before),
            limit=within(first),
            after=cursors.read_item(after, NOUN),
        )
        return connect_page(AuditEntryConnection, NOUN, page, AuditEntry.of, after)

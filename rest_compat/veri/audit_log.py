"""The audit log: who changed what, and when."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request

from burnish.kit.paging import Span
from models.audit import AuditEntry
from resolvers import audit
from resolvers.context import Context
from resolvers.inputs import Moment
from rest_compat import http
from rest_compat.operation import Operation
from rest_compat.wire import Listing, PageQuery, Wire, listing


class AuditEntryObject(Wire):
    """One change."""

    id: str
    object: Literal["audit_entry"] = "audit_entry"
    actor: str = Field(description="The API key's id, or `operator` for a command on the machine itself.")
    actor_name: str = Field(description="What the key is called.")
    action: str = Field(description="The noun and what was done, such as `jobs.cancel`.")
    resource_id: str | None
    request_id: str | None = Field(description="The `x-request-id` of the request.")
    details: dict[str, Any] = Field(description="Names, never a secret.")
    created_at: datetime


class AuditQuery(PageQuery):
    """Which entries to return."""

    resource_id: str | None = Field(None, description="Only of this thing.")
    action: str | None = Field(None, description="Only this, such as `jobs.cancel`, or everything of a noun, such as `jobs`.")
    actor: str | None = Field(None, description="Only by this API key, or `operator`.")
    created_after: Moment | None = Field(None, description="Only from this moment on.")
    created_before: Moment | None = Field(None, description="Only before this moment.")


def shape(row: AuditEntry) -> AuditEntryObject:
    return AuditEntryObject.model_validate(row, from_attributes=True)


async def page(ctx: Context, request: Request) -> Listing[AuditEntryObject]:
    """List who changed what, newest first."""
    query = http.query(request, AuditQuery)
    found = await audit.page(
        ctx,
        resource_id=query.resource_id,
        action=query.action,
        actor=query.actor,
        created=Span(query.created_after, query.created_before),
        limit=query.limit,
        after=query.after,
    )
    return listing(found, shape)


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/audit_log",
        handler=page,
        tag="Audit log",
        answers=Listing[AuditEntryObject],
        query=AuditQuery,
        errors=(400,),
    ),
]

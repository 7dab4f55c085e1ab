"""`burnish audit`: who changed what."""

from typing import Annotated

import typer

from burnish.cli import durations
from burnish.cli.command import Cli, Limit, remote

COLUMNS = ("created_at", "actor_name", "actor", "action", "resource_id", "details")


@remote
def audit(
    cli: Cli,
    resource: Annotated[str | None, typer.Option("--resource", metavar="ID", help="Only of this thing.")] = None,
    action: Annotated[
        str | None, typer.Option("--action", help="Only this, such as jobs.cancel, or all of a noun, such as jobs.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--actor", metavar="KEY", help="Only by this API key (key_…), or `operator`.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Only from then on: 12h, 7d, or a moment in RFC 3339.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="WHEN", help="Only before then: 12h, 7d, or a moment in RFC 3339.")
    ] = None,
    limit: Limit = 50,
) -> None:
    """List who changed what in your account, the newest first. The operator's account also sees what concerns all of them."""
    found = cli.api.all(
        "/v1/audit_log",
        limit,
        resource_id=resource,
        action=action,
        actor=actor,
        created_after=durations.moment(since, "--since") if since else None,
        created_before=durations.moment(until, "--until") if until else None,
    )
    cli.out.table(found, COLUMNS, "Nothing has been changed.")

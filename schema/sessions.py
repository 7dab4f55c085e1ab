"""Signing in and out: sessions of browsers, whose secret goes into a cookie and never into an answer."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from burnish.kit import clock
from burnish.kit.errors import BurnishError, Forbidden, InvalidState
from models import api_key as rows
from resolvers import cookies, cursors, passwords, sessions
from resolvers.context import Context
from resolvers.inputs import parse
from resolvers.passwords import PasswordInput
from resolvers.sessions import Guest
from resolvers.sessions import SignInInput as SignInSpec
from schema.api_keys import ApiKey
from schema.context import Browser, Info
from schema.errors import Payload, declined, settle
from schema.nodes import After, Connection, First, Input, Node, connect_page, within

NOUN = "sessions"
FIELDS = ("account", "password", "api_key", "link")


@strawberry.enum(description="How somebody signed in.")
class SignedInWith(Enum):
    PASSWORD = strawberry.enum_value("password", description="With the account's password.")
    API_KEY = strawberry.enum_value("api_key", description="With an API key: the session carries its scopes and ends with it.")
    LINK = strawberry.enum_value("link", description="With a link that works once.")


@strawberry.type(description="A browser that is signed in. It ends by itself, signed out, or revoked.")
class Session(Node):
    signed_in_with: SignedInWith = strawberry.field(description="How it was begun.")
    scopes: list[str] = strawberry.field(description="What it may do: `read`, `write`, `inference`.")
    user_agent: str | None = strawberry.field(description="What the browser called itself.")
    created_at: datetime = strawberry.field(description="When it was begun.")
    expires_at: datetime = strawberry.field(description="When it ends by itself; use does not lengthen it.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used, to the minute.")
    revoked_at: datetime | None = strawberry.field(description="When it was ended before its time.")
    is_current: bool = strawberry.field(description="Whether it is the one that asks.")
    parent_id: strawberry.Private[str | None]

    @strawberry.field(description="The API key that it was begun with, where it was one.")
    async def api_key(self, info: Info) -> ApiKey | None:
        row = None if self.parent_id is None else await info.context.loaders.api_key.load(self.parent_id)
        return None if row is None else ApiKey.of(row)

    @classmethod
    def of(cls, ctx: Context, row: rows.ApiKey) -> Self:
        return cls(
            id=strawberry.ID(row.id),
            signed_in_with=SignedInWith(row.signed_in_with),
            scopes=row.scopes,
            user_agent=row.user_agent,
            created_at=row.created_at,
            expires_at=row.expires_at or row.created_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
            is_current=row.id == ctx.key.id,
            parent_id=row.parent_id,
        )


@strawberry.type(description="A page of sessions.")
class SessionConnection(Connection[Session]): ...


@strawberry.input(description="Who wants in: `account` and `password`, or `apiKey`, or `link`, one of the three.")
class SignInInput:
    account: str | None = strawberry.field(default=None, description="The account's name, or its email address.")
    password: str | None = strawberry.field(default=None, description="The account's password.")
    api_key: str | None = strawberry.field(default=None, description="An API key: the session carries its scopes.")
    link: str | None = strawberry.field(
        default=None, description="What stands behind `#link=` in a link of `burnish up` or `burnish accounts link`."
    )
    idempotency_key: str | None = strawberry.field(
        default=None, description="Taken and not used: a secret cannot be given twice, so a retry begins another session."
    )


@strawberry.input(description="A sign-out.")
class SignOutInput:
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.input(description="A session to end.")
class RevokeSessionInput:
    id: strawberry.ID = strawberry.field(description="The id of the session.")
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.input(description="A password to sign in with.")
class SetPasswordInput:
    new_password: str = strawberry.field(description="10 to 1,024 characters.")
    current_password: str | None = strawberry.field(
        default=None, description="Needed where there is one, except in a session that was begun with a link."
    )
    idempotency_key: str | None = strawberry.field(default=None, description="A retry with the same key gives the same answer.")


@strawberry.type(description="The session that was begun or ended.")
class SessionPayload(Payload):
    session: Session | None = strawberry.field(default=None, description="The session's record.")


@strawberry.type(description="The session that was begun. Its secret is in the cookie that comes with the answer.")
class SignInPayload(Payload):
    session: Session | None = strawberry.field(default=None, description="The session's record.")


@strawberry.type(description="Whether the password was set.")
class SetPasswordPayload(Payload): ...


@strawberry.type
class SessionQueries:
    @strawberry.field(description="The browsers that are signed in to the account, newest first.")
    async def sessions(self, info: Info, first: First = 20, after: After = None) -> SessionConnection:
        ctx = info.context.known
        page = await sessions.page(ctx, limit=within(first), after=cursors.read_item(after, NOUN))
        return connect_page(SessionConnection, NOUN, page, lambda row: Session.of(ctx, row), after)


@strawberry.type
class SessionMutations:
    @strawberry.mutation(
        description="Sign a browser in: the answer sets an HttpOnly cookie, which GraphQL takes instead of a key from pages of "
        "this installation. Over HTTP only. Needs no key."
    )
    async def sign_in(self, info: Info, input: Annotated[SignInInput, Input]) -> SignInPayload:
        try:
            browser = _browser(info)
            guest = _guest(info, browser)
            given = {name: getattr(input, name) for name in FIELDS}
            signed = await sessions.sign_in(guest, parse(SignInSpec, given))
        except BurnishError as error:
            return declined(error, SignInPayload)
        ctx = signed.context
        info.context.become(ctx)
        found = Session.of(ctx, ctx.key)
        lasts_s = int(clock.seconds_between(clock.now(), found.expires_at))
        browser.set_cookie = cookies.keep(guest.platform.core.settings.base_url, signed.secret, lasts_s)
        return SignInPayload(session=found)

    @strawberry.mutation(description="End the session that asks. Over HTTP only; any session may.")
    async def sign_out(self, info: Info, input: Annotated[SignOutInput, Input]) -> SessionPayload:
        async def act(ctx: Context) -> SessionPayload:
            browser = _browser(info)
            row = await sessions.sign_out(ctx)
            browser.set_cookie = cookies.drop(ctx.core.settings.base_url)
            return SessionPayload(session=Session.of(ctx, row))

        return await settle(info, input, SessionPayload, act, scope=None)

    @strawberry.mutation(description="End a session: it is refused from the next request on.")
    async def revoke_session(self, info: Info, input: Annotated[RevokeSessionInput, Input]) -> SessionPayload:
        async def act(ctx: Context) -> SessionPayload:
            return SessionPayload(session=Session.of(ctx, await sessions.revoke(ctx, input.id)))

        return await settle(info, input, SessionPayload, act)

    @strawberry.mutation(
        description="Set the account's password, and end every other session and every link that was not used. Needs all scopes."
    )
    async def set_password(self, info: Info, input: Annotated[SetPasswordInput, Input]) -> SetPasswordPayload:
        async def act(ctx: Context) -> SetPasswordPayload:
            given = {"new_password": input.new_password, "current_password": input.current_password}
            await passwords.set_(ctx, parse(PasswordInput, given))
            return SetPasswordPayload()

        return await settle(info, input, SetPasswordPayload, act)


def _browser(info: Info) -> Browser:
    """Return who waits for the cookie; InvalidState over a websocket."""
    if info.context.browser is None:
        raise InvalidState("A websocket keeps no cookie: sign in and out by POST.")
    return info.context.browser


def _guest(info: Info, browser: Browser) -> Guest:
    if not browser.is_ours:
        raise Forbidden("Another site's page may not sign anybody in here.", code="foreign_origin")
    context = info.context
    replaced = context.known.key if context.is_known and context.known.key.kind == rows.SESSION else None
    return Guest(context.platform, context.request_id, context.address, browser.user_agent, replaced)

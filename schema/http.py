"""GraphQL over HTTP, as the specification of that name says; `graphql-http`'s audit is its test.

POST takes JSON and nothing else, and GET queries alone, with a key in a header: a page of another origin can send neither without
asking first. The cookie of a session counts where the request comes from a page of ours. A browser that asks for a page gets the
explorer.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson
from graphql import GraphQLError, OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive
from strawberry.types import ExecutionResult

from burnish.kit.errors import Forbidden, RateLimited, Unauthenticated
from resolvers import cookies
from resolvers.context import Platform
from schema import explorer
from schema.admission import Asked, Refused, admit, malformed, refused, run
from schema.admitted import Admitted
from schema.context import Browser, RequestContext
from schema.limits import MAX_BODY_BYTES
from schema.rate_limits import Allowance

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
PARAMETERS = ("query", "extensions")
NO_STORE = {"Cache-Control": "no-store"}
TOO_LARGE = f"A request has at most {MAX_BODY_BYTES} bytes."
TIMED_OUT = 504
# Of what never became a document.
MALFORMED_POINTS = 1


async def answer(request: Request) -> Response:
    """Answer a GET or POST request."""
    if _asks_for_a_page(request):
        return explorer.page()
    media = media_type(request.headers.get("accept", ""))
    browser = _browser(request)
    try:
        context = await _context(request, browser)
        try:
            asked = _read_query(request) if request.method == "GET" else await _read_body(request)
        except Refused:
            Allowance.of(context).charge(MALFORMED_POINTS)
            raise
        admitted = await admit(context, asked)
        if request.method == "GET" and not context.is_known:
            error = GraphQLError(
                "A query by GET needs an API key in its Authorization header, or a session.",
                extensions={"code": "UNAUTHENTICATED"},
            )
            raise Refused([error], 401)
        _check_type(admitted, request.method)
        result = await run(context, admitted)
    except Refused as error:
        return _with_cookie(_refusal(error, media), browser)
    return _with_cookie(_encoded(result, admitted.extensions, media), browser)


def media_type(accept: str) -> str:
    """Return what an answer is written as, of the two there are; JSON where none was asked for."""
    wanted: dict[str, float] = {}
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        with suppress(ValueError):
            wanted[name] = float(quality)
    anything = wanted.get("*/*", wanted.get("application/*", 0.0))
    return RESPONSE_JSON if wanted.get(RESPONSE_JSON, 0.0) > wanted.get(JSON, anything) else JSON


def encode(result: ExecutionResult, extensions: Mapping[str, Any] | None = None) -> bytes:
    """Return an executed operation's result as JSON."""
    payload: dict[str, Any] = {"data": result.data}
    if result.errors:
        payload["errors"] = [error.formatted for error in result.errors]
    if extensions:
        payload["extensions"] = extensions
    return orjson.dumps(payload)


def limited(receive: Receive) -> Receive:
    """Pass a body on as long as it is not too large; Refused from then on."""
    taken = 0

    async def pass_on() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            raise malformed(TOO_LARGE, 413)
        return message

    return pass_on


def _asks_for_a_page(request: Request) -> bool:
    if request.method != "GET":
        return False
    accept = request.headers.get("accept", "*/*")
    asks = any(name in request.query_params for name in PARAMETERS)
    return "text/html" in accept or (not asks and "*/*" in accept)


def _read_query(request: Request) -> Asked:
    given: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if given.get(name):
            given[name] = _parsed(given[name])
        else:
            given.pop(name, None)
    return Asked.of(given)


async def _read_body(request: Request) -> Asked:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise malformed("An operation is sent as application/json.", 415)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BODY_BYTES:
        raise malformed(TOO_LARGE, 413)
    found = _parsed(await request.body())
    if not isinstance(found, dict):
        raise malformed("A request is one JSON object: operations are not taken in batches.")
    return Asked.of(found)


def _parsed(text: bytes | str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        raise malformed("The request is not JSON.") from None


def _browser(request: Request) -> Browser:
    base_url = request.app.state.platform.core.settings.base_url
    # What is no browser says nothing of pages, and cannot be tricked by one.
    is_page = any(name in request.headers for name in ("origin", "sec-fetch-site"))
    is_ours = not is_page or cookies.is_ours(request.headers, base_url, changes=True)
    return Browser(request.headers.get("user-agent"), is_ours)


async def _context(request: Request, browser: Browser) -> RequestContext:
    platform: Platform = request.app.state.platform
    address = request.client.host if request.client else ""
    context = RequestContext(platform, request.state.request_id, request.headers, address, browser)
    base_url = platform.core.settings.base_url
    try:
        context.session = cookies.presented(request.headers, base_url, changes=request.method != "GET")
        await context.authenticate()
    except Unauthenticated:
        if context.session is not None:
            # It has ended, and is not to be sent again.
            browser.set_cookie = cookies.drop(base_url)
    except (Forbidden, RateLimited) as error:
        raise refused(context, error) from None
    return context


def _check_type(admitted: Admitted, method: str) -> None:
    if admitted.type is OperationType.SUBSCRIPTION:
        raise malformed("Subscriptions go over a websocket, by graphql-transport-ws.")
    if method == "GET" and admitted.type is not OperationType.QUERY:
        raise malformed("Only queries are taken by GET: send a mutation by POST.", 405)


def _with_cookie(response: Response, browser: Browser) -> Response:
    if browser.set_cookie is not None:
        response.headers.append("Set-Cookie", browser.set_cookie)
    return response


def _refusal(refused: Refused, media: str) -> Response:
    status = refused.status or (400 if media == RESPONSE_JSON else 200)
    headers = dict(NO_STORE)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 405:
        headers["Allow"] = "POST"
    if refused.retry_after_s is not None:
        headers["Retry-After"] = str(refused.retry_after_s)
    return Response(orjson.dumps({"errors": [error.formatted for error in refused.errors]}), status, headers, media)


def _encoded(result: ExecutionResult, extensions: Mapping[str, Any], media: str) -> Response:
    headers = dict(NO_STORE)
    status = _status(result, media)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(encode(result, extensions), status, headers, media)


def _status(result: ExecutionResult, media: str) -> int:
    errors = result.errors or []
    codes = {(error.extensions or {}).get("code") for error in errors}
    if "TIMEOUT" in codes:
        return TIMED_OUT
    if "UNAUTHENTICATED" in codes and not any((result.data or {}).values()):
        return 401
    # Errors without a path came before any field ran: the variables do not fit.
    never_ran = result.data is None and errors and not any(error.path for error in errors)
    return 400 if never_ran and media == RESPONSE_JSON else 200

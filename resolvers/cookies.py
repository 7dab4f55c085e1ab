"""The cookie that carries a browser's session, and whether a request that carries it comes from a page of ours.

Cookies know no ports, and `SameSite` knows no subdomains: what another server of the same machine or domain sends has the cookie
too. Its `Origin` tells it apart, which no page can choose.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import cookie_parser

from burnish.kit.errors import Forbidden

NAME = "burnish_session"
PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int]


def shows_key(headers: Mapping[str, str]) -> bool:
    """Return whether a request names its caller by a header: that counts, right or wrong, and the cookie does not."""
    return bool(headers.get("authorization") or headers.get("xi-api-key"))


def presented(headers: Mapping[str, str], base_url: str, *, changes: bool) -> str | None:
    """Return the secret in the session cookie; None where there is none or where a header names the caller.

    Forbidden where it came with a request of another site's page, or where nothing tells whose page it was and the request
    `changes` something.
    """
    secret = cookie_parser(headers.get("cookie", "")).get(name(base_url))
    if not secret or shows_key(headers):
        return None
    if not is_ours(headers, base_url, changes=changes):
        raise Forbidden(
            "This request does not come from a page of this installation.",
            code="foreign_origin",
            hint="Behind a proxy, BURNISH_PUBLIC_URL is the address that browsers use.",
        )
    return secret


def is_ours(headers: Mapping[str, str], base_url: str, *, changes: bool) -> bool:
    """Return whether a request comes from a page of this installation.

    Browsers name the origin of whatever may change something. Where none is named, `Sec-Fetch-Site` tells it as well, and
    only for what changes nothing it may be missing.
    """
    origin = headers.get("origin")
    if origin is not None:
        return (found := _parse(origin)) is not None and found in _own(headers, base_url)
    site = headers.get("sec-fetch-site")
    return site == "same-origin" or (not changes and site in (None, "none"))


def name(base_url: str) -> str:
    """Return what the cookie is called: over https no other host, subdomain or path can set one of this name."""
    return f"__Host-{NAME}" if _is_secure(base_url) else NAME


def keep(base_url: str, secret: str, lasts_s: int) -> str:
    """Return the `Set-Cookie` of a session."""
    return _cookie(base_url, secret, max(0, lasts_s))


def drop(base_url: str) -> str:
    """Return the `Set-Cookie` that ends it in the browser."""
    return _cookie(base_url, "", 0)


def _cookie(base_url: str, value: str, lasts_s: int) -> str:
    secure = "; Secure" if _is_secure(base_url) else ""
    return f"{name(base_url)}={value}; Path=/; Max-Age={lasts_s}; HttpOnly; SameSite=Lax{secure}"


def _own(headers: Mapping[str, str], base_url: str) -> set[Origin | None]:
    own = {_parse(base_url)}
    # Over plain HTTP this machine has several names, and the one that was asked for is ours. Over https only the public one is.
    if not _is_secure(base_url) and (host := headers.get("host")):
        own.add(_parse(f"http://{host}"))
    return own


def _is_secure(base_url: str) -> bool:
    return base_url.lower().startswith("https:")


def _parse(text: str) -> Origin | None:
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        return None
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme]

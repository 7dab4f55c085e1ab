"""Which requests may be believed to come from a page of this installation."""

import pytest

from burnish.kit.errors import Forbidden
from resolvers import cookies

LOCAL = "http://127.0.0.1:8400"
PUBLIC = "https://burnish.example"
OTHERS = "https://burnish.example:8443/under"

MATRIX = [
    # (base URL, headers, may it change something, may it read)
    (LOCAL, {"origin": LOCAL}, True, True),
    (LOCAL, {"origin": "http://127.0.0.1:8400/"}, True, True),
    (LOCAL, {"origin": "http://localhost:8400", "host": "localhost:8400"}, True, True),
    (LOCAL, {"origin": "http://[::1]:8400", "host": "[::1]:8400"}, True, True),
    (LOCAL, {"origin": "http://localhost:8400", "host": "127.0.0.1:8400"}, False, False),
    (LOCAL, {"origin": "http://127.0.0.1:3000", "host": "127.0.0.1:8400"}, False, False),
    (LOCAL, {"origin": "http://127.0.0.1", "host": "127.0.0.1:8400"}, False, False),
    (LOCAL, {"origin": "https://127.0.0.1:8400", "host": "127.0.0.1:8400"}, False, False),
    (LOCAL, {"origin": "null", "host": "127.0.0.1:8400"}, False, False),
    (LOCAL, {"origin": "", "host": "127.0.0.1:8400"}, False, False),
    (LOCAL, {"origin": "https://evil.example", "host": "127.0.0.1:8400"}, False, False),
    (LOCAL, {"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, False, False),
    (LOCAL, {"origin": "http://127.0.0.1:8400@evil.example"}, False, False),
    (LOCAL, {"origin": "http://me@127.0.0.1:8400"}, False, False),
    (LOCAL, {"origin": "http://[", "host": "["}, False, False),
    (LOCAL, {"origin": "nonsense", "host": "nonsense"}, False, False),
    (LOCAL, {"host": "127.0.0.1:8400"}, False, True),
    (LOCAL, {"sec-fetch-site": "same-origin"}, True, True),
    (LOCAL, {"sec-fetch-site": "none"}, False, True),
    (LOCAL, {"sec-fetch-site": "same-site"}, False, False),
    (LOCAL, {"sec-fetch-site": "cross-site"}, False, False),
    (PUBLIC, {"origin": PUBLIC, "host": "10.0.0.7:8400"}, True, True),
    (PUBLIC, {"origin": "https://burnish.example:443"}, True, True),
    (PUBLIC, {"origin": "http://burnish.example", "host": "burnish.example"}, False, False),
    (PUBLIC, {"origin": "http://10.0.0.7:8400", "host": "10.0.0.7:8400"}, False, False),
    (PUBLIC, {"origin": "https://app.burnish.example"}, False, False),
    (PUBLIC, {"origin": "https://example"}, False, False),
    (PUBLIC, {"origin": "https://burnish.example.evil.example"}, False, False),
    (PUBLIC, {"origin": "https://burnish.example:8443"}, False, False),
    (OTHERS, {"origin": "https://burnish.example:8443"}, True, True),
]


@pytest.mark.parametrize(("base_url", "headers", "changing", "reading"), MATRIX)
def test_a_page_is_ours_by_scheme_host_and_port(base_url: str, headers: dict[str, str], changing: bool, reading: bool) -> None:
    assert cookies.is_ours(headers, base_url, changes=True) is changing
    assert cookies.is_ours(headers, base_url, changes=False) is reading


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ({}, None),
        ({"cookie": ""}, None),
        ({"cookie": "burnish_session="}, None),
        ({"cookie": "other=1"}, None),
        ({"cookie": "burnish_session=abc"}, "abc"),
        ({"cookie": "a=b; burnish_session=abc; c=d"}, "abc"),
        ({"cookie": "xburnish_session=abc"}, None),
        ({"cookie": "__Host-burnish_session=abc"}, None),
        ({"cookie": "burnish_session=abc", "authorization": ""}, "abc"),
        ({"cookie": "burnish_session=abc", "authorization": "Bearer vk_wrong"}, None),
        ({"cookie": "burnish_session=abc", "authorization": "Basic x"}, None),
        ({"cookie": "burnish_session=abc", "xi-api-key": "vk_x"}, None),
    ],
)
def test_a_header_that_names_the_caller_leaves_the_cookie_alone(headers: dict[str, str], secret: str | None) -> None:
    assert cookies.presented({**headers, "origin": LOCAL}, LOCAL, changes=True) == secret


def test_a_cookie_from_another_site_is_forbidden_and_one_that_is_none_is_not() -> None:
    foreign = {"cookie": "burnish_session=abc", "origin": "https://evil.example"}
    with pytest.raises(Forbidden) as caught:
        cookies.presented(foreign, LOCAL, changes=True)
    assert (caught.value.status, caught.value.code) == (403, "foreign_origin")
    assert cookies.presented({**foreign, "cookie": "other=1"}, LOCAL, changes=True) is None
    assert cookies.presented({**foreign, "authorization": "Bearer vk_x"}, LOCAL, changes=True) is None


def test_the_cookie_is_made_and_unmade_with_the_same_attributes() -> None:
    assert cookies.keep(LOCAL, "abc", 60) == "burnish_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
    assert cookies.drop(LOCAL) == "burnish_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
    assert cookies.keep(PUBLIC, "abc", -5) == "__Host-burnish_session=abc; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"

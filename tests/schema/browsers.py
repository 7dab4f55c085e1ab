"""A browser, as far as sessions see one: it keeps cookies, and says which page its requests come from."""

from typing import Any

import httpx2

from burnish.kit.core import Core
from resolvers import passwords
from tests.conftest import Server

PASSWORD = "correct horse battery"
SIGN_IN = """mutation($input: SignInInput!) { signIn(input: $input) {
  session { id signedInWith scopes expiresAt createdAt isCurrent apiKey { id } userAgent }
  errors { __typename reason message path } } }"""
SIGN_OUT = "mutation { signOut(input: {}) { session { id revokedAt } errors { __typename reason } } }"
SET_PASSWORD = """mutation($input: SetPasswordInput!) { setPassword(input: $input) {
  errors { __typename reason message path } } }"""
REVOKE = "mutation($id: ID!) { revokeSession(input: {id: $id}) { session { id } errors { __typename } } }"
WHO = "{ viewer { account { slug } session { id signedInWith isCurrent } apiKey { id scopes } } }"
SESSIONS = "{ sessions { nodes { id signedInWith isCurrent } } }"
NAME = "burnish_session"


class Browser:
    """Asks from a page of the installation; `origin` None leaves the header out."""

    def __init__(self, server: Server, origin: str | None = "own", agent: str = "Firefox") -> None:
        self.server = server
        self.origin = server.url if origin == "own" else origin
        self.agent = agent
        self.secret: str | None = None
        self.last: httpx2.Response | None = None

    @property
    def headers(self) -> dict[str, str]:
        given = {"User-Agent": self.agent}
        if self.origin is not None:
            given["Origin"] = self.origin
        if self.secret is not None:
            given["Cookie"] = f"{NAME}={self.secret}"
        return given

    async def send(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx2.Response:
        async with httpx2.AsyncClient(base_url=self.server.url, timeout=30, verify=False) as client:
            response = await client.request(method, path, headers=self.headers | (headers or {}), **options)
        self.last = response
        for cookie in response.headers.get_list("set-cookie"):
            name, _, rest = cookie.partition("=")
            if name == NAME:
                self.secret = rest.partition(";")[0] or None
        return response

    async def post(self, query: str, headers: dict[str, str] | None = None, **variables: Any) -> httpx2.Response:
        return await self.send("POST", "/graphql", headers, json={"query": query, "variables": variables})

    async def __call__(self, query: str, **variables: Any) -> Any:
        """Return the one field of an operation that is answered."""
        answer = (await self.post(query, **variables)).json()
        assert "errors" not in answer, answer["errors"]
        (found,) = answer["data"].values()
        return found

    async def sign_in(self, **given: Any) -> Any:
        return await self(SIGN_IN, input=given)

    async def who(self) -> Any:
        return await self(WHO)

    async def status(self, headers: dict[str, str] | None = None) -> int:
        """Return how a query of who calls is answered."""
        return (await self.post(WHO, headers)).status_code


async def with_password(core: Core, slug: str = "tenant", password: str = PASSWORD) -> None:
    await passwords.put(core, slug, password)

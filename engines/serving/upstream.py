"""A server of somebody else's that speaks OpenAI's shapes: where it is, what it serves, and whether it answers.

Nothing is taken for granted but the two completion routes: it may have no `/health`, no figures and no list of models. What it
says of a refused key may quote the key, and is told to nobody.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from engines.serving import http1

LOOK_TIMEOUT_S = 10.0
# A first answer may wait for a model to be loaded.
ANSWER_TIMEOUT_S = 60.0
KEY_REFUSED = (401, 403)
API = "/v1"
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


class BadUrl(ValueError):
    """An address that no server can be adopted from; the message says why."""


class Unanswered(Exception):
    """The server gives no such answer; the message is for people. `key_refused` says that the key is why."""

    def __init__(self, message: str, *, key_refused: bool = False) -> None:
        super().__init__(message)
        self.key_refused = key_refused


@dataclass(frozen=True)
class Upstream:
    """`url` is without `/v1`; `key` is what it wants as a bearer token, null for nothing."""

    url: str
    key: str | None = field(default=None, repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        return {} if self.key is None else {"authorization": f"Bearer {self.key}"}

    async def models(self, client: httpx2.AsyncClient) -> list[str] | None:
        """Return the names that it lists, None where it has no list; Unanswered where it cannot be asked."""
        response = await self._ask(client, "GET", "/v1/models", None, LOOK_TIMEOUT_S)
        if response.status_code in (404, 405):
            return None
        try:
            return [str(model["id"]) for model in self._read(response)["data"]]
        except (KeyError, TypeError):
            raise Unanswered("its list of models cannot be read") from None

    async def prove(self, client: httpx2.AsyncClient, model: str) -> None:
        """Have it make a token of the model; Unanswered where it makes none on either route."""
        chat = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        tries: list[tuple[str, dict[str, Any]]] = [
            (CHAT, {**chat, "max_tokens": 1}),
            # Some models know the newer word only, some have no chat template.
            (CHAT, {**chat, "max_completion_tokens": 16}),
            (TEXT, {"model": model, "prompt": "Hi", "max_tokens": 1}),
        ]
        wrong: Unanswered | None = None
        for path, body in tries:
            response = await self._ask(client, "POST", path, body, ANSWER_TIMEOUT_S)
            try:
                choices = self._read(response).get("choices")
            except Unanswered as error:
                wrong = wrong or error
                continue
            if isinstance(choices, list) and choices:
                return
            wrong = wrong or Unanswered("its answer holds no choices")
        assert wrong is not None
        raise wrong

    async def alive(self, client: http1.Client) -> bool:
        """Say whether it answers at all, whatever it answers."""
        try:
            response = await client.get(self.url, "/v1/models", self.headers, silence_s=LOOK_TIMEOUT_S)
        except http1.Unanswered:
            return False
        response.close()
        return True

    async def _ask(self, client: httpx2.AsyncClient, method: str, path: str, body: Any, timeout_s: float) -> httpx2.Response:
        try:
            response = await client.request(method, self.url + path, json=body, headers=dict(self.headers), timeout=timeout_s)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise Unanswered(f"it cannot be reached ({_why(error)})") from None
        if response.status_code in KEY_REFUSED:
            what = "wants an API key" if self.key is None else "refuses the API key"
            raise Unanswered(f"it {what} (HTTP {response.status_code})", key_refused=True)
        return response

    def _read(self, response: httpx2.Response) -> dict[str, Any]:
        if response.status_code != 200:
            raise Unanswered(f"it answers HTTP {response.status_code}")
        try:
            found = response.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unanswered("its answer is not a JSON object")
        return found


def _why(error: BaseException) -> str:
    """Say why there was no answer: what is wrong with its certificate in words, all else by the error's kind."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def address(url: str) -> str:
    """Return a server's URL as it is kept, without `/v1` and what follows; BadUrl for what is none."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        raise BadUrl("its name cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadUrl("a server's URL begins with http:// or https:// and its name")
    if parts.username is not None or parts.password is not None:
        raise BadUrl("a key is given beside the URL, not in it")
    if parts.query or parts.fragment:
        raise BadUrl("a server's URL has no query and no fragment")
    try:
        parts.port  # noqa: B018
    except ValueError:
        raise BadUrl("its port is not a number below 65536") from None
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path.removesuffix(API)}"

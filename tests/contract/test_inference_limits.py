"""Limits of completions and tokens by key, as the official `openai` package meets them."""

import asyncio
from typing import Any

import openai
import pytest

from models.api_key import ApiKey
from resolvers.rate_limits import InferenceAllowance
from tests.conftest import Server
from tests.contract.test_openai_sdk import MESSAGES, call, logged
from tests.rest_compat import things
from tests.rest_compat.replica import Replica
from tests.schema.browsers import Browser

pytestmark = pytest.mark.anyio
ANSWER_TOKENS = 5
NAMES = ("limit", "remaining", "reset")


class Clock:
    """The clock of the limits; it stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(server: Server, monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(server.platform.core.limiter, "_clock", made)
    return made


@pytest.fixture
async def model(server: Server, engine: Replica, clock: Clock) -> str:
    return (await things.serving_deployment(server, engine.url)).name


async def make_key(sdk: openai.OpenAI, **limits: int) -> str:
    """Make a key over the same routes; return it."""
    body = {"name": "limited", **{f"inference_{name}": limit for name, limit in limits.items()}}
    made: Any = await call(sdk.post, "/api_keys", body=body, cast_to=object)
    key: str = made["key"]
    return key


async def chats(server: Server, key: str, model: str, count: int, **options: Any) -> list[Any]:
    """Ask one after the other; return the headers of each answer."""
    found = []
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as sdk:
        for _ in range(count):
            raw = await call(sdk.chat.completions.with_raw_response.create, model=model, messages=MESSAGES, **options)
            if options.get("stream"):
                await call(list, raw.parse())
            found.append(raw.headers)
    return found


async def refusal(server: Server, key: str, model: str) -> openai.RateLimitError:
    with pytest.raises(openai.RateLimitError) as caught:
        await chats(server, key, model, 1)
    return caught.value


def told(headers: Any, what: str) -> list[str | None]:
    return [headers.get(f"x-ratelimit-{name}-{what}") for name in NAMES]


async def test_a_key_may_send_so_many_requests_a_minute(
    sdk: openai.OpenAI, server: Server, engine: Replica, model: str, clock: Clock
) -> None:
    key = await make_key(sdk, requests_per_minute=3)
    headers = await chats(server, key, model, 3)
    assert [told(one, "requests") for one in headers] == [["3", "2", "20s"], ["3", "1", "40s"], ["3", "0", "60s"]]
    assert told(headers[0], "tokens") == [None, None, None]
    error = await refusal(server, key, model)
    assert (error.code, error.type, error.response.headers["retry-after"]) == ("rate_limit_exceeded", "rate_limit_exceeded", "20")
    assert error.body == {
        "message": "Rate limit reached: this caller may send 3 requests a minute. Try again in 20 s.",
        "type": "rate_limit_exceeded",
        "code": "rate_limit_exceeded",
        "param": None,
    }
    assert told(error.response.headers, "requests") == ["3", "0", "60s"]
    assert len(engine.seen) == 3
    clock.now += 20
    assert told((await chats(server, key, model, 1))[0], "requests") == ["3", "0", "60s"]
    # Another key of the account has nothing to do with it.
    assert told((await chats(server, server.tenant.key, model, 1))[0], "requests") == [None, None, None]


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_are_charged_by_what_was_used(
    sdk: openai.OpenAI, server: Server, engine: Replica, model: str, clock: Clock, stream: bool
) -> None:
    key = await make_key(sdk, tokens_per_minute=6)
    first, second = await chats(server, key, model, 2, stream=stream)
    # A stream's headers are sent before its tokens are counted.
    before, after = ["6", "6", "0s"], ["6", "1", "50s"]
    assert told(first, "tokens") == (before if stream else after)
    assert told(second, "tokens") == (after if stream else ["6", "0", "100s"])
    assert told(first, "requests") == [None, None, None]
    error = await refusal(server, key, model)
    # Four are owed, and one must be there.
    assert (error.code, error.response.headers["retry-after"]) == ("rate_limit_exceeded", "50")
    assert "this caller may use 6 tokens a minute. Try again in 50 s." in error.message
    assert told(error.response.headers, "tokens") == ["6", "0", "100s"]
    assert len(engine.seen) == 2
    assert [row.prompt_tokens + row.completion_tokens for row in await logged(server)] == [ANSWER_TOKENS] * 2
    clock.now += 49
    await refusal(server, key, model)
    clock.now += 1
    (again,) = await chats(server, key, model, 1, stream=stream)
    assert told(again, "tokens") == (after if stream else ["6", "0", "100s"])


async def test_what_one_answer_used_too_much_is_paid_back_in_full(
    sdk: openai.OpenAI, server: Server, model: str, clock: Clock
) -> None:
    key = await make_key(sdk, tokens_per_minute=1)
    assert told((await chats(server, key, model, 1))[0], "tokens") == ["1", "0", "300s"]
    clock.now += 299
    assert (await refusal(server, key, model)).response.headers["retry-after"] == "1"
    clock.now += 1
    await chats(server, key, model, 1)


async def test_the_installations_limit_is_for_every_key_and_the_lower_one_counts(
    sdk: openai.OpenAI, server: Server, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    more, less, none = [await make_key(sdk, requests_per_minute=number) for number in (9, 1, 0)]
    monkeypatch.setattr(server.platform.core.settings, "inference_requests_per_minute", 2)
    monkeypatch.setattr(server.platform.core.settings, "inference_tokens_per_minute", 100)
    limits = []
    for key in (more, less, none, server.tenant.key):
        (headers,) = await chats(server, key, model, 1)
        limits.append((told(headers, "requests")[:2], told(headers, "tokens")))
    tokens = ["100", "95", "3s"]
    assert limits == [(["2", "1"], tokens), (["1", "0"], tokens), (["2", "1"], tokens), (["2", "1"], tokens)]
    assert (await refusal(server, less, model)).response.headers["retry-after"] == "60"


async def test_what_is_asked_for_later_is_counted_when_it_is_asked_for(
    sdk: openai.OpenAI, server: Server, engine: Replica, model: str
) -> None:
    key = await make_key(sdk, requests_per_minute=1, tokens_per_minute=100)
    later = {"X-Async": "true"}
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as limited:
        post: Any = limited.post
        body = {"model": model, "messages": MESSAGES}
        accepted = await call(post, "/chat/completions", body=body, cast_to=object, options={"headers": later})
        async with asyncio.timeout(5):
            while (await call(limited.get, f"/chat/completions/{accepted['request_id']}", cast_to=object))["status"] == "pending":
                pass
        with pytest.raises(openai.RateLimitError) as caught:
            await call(post, "/chat/completions", body=body, cast_to=object, options={"headers": later})
    assert told(caught.value.response.headers, "requests") == ["1", "0", "60s"]
    assert told(caught.value.response.headers, "tokens") == ["100", "95", "3s"]
    assert len(engine.seen) == 1


async def test_refusals_of_other_kinds_count_as_requests_and_tell_the_limit(
    sdk: openai.OpenAI, server: Server, model: str
) -> None:
    key = await make_key(sdk, requests_per_minute=5, tokens_per_minute=50)
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as limited:
        with pytest.raises(openai.NotFoundError) as caught:
            await call(limited.chat.completions.create, model="unknown", messages=MESSAGES)
        assert told(caught.value.response.headers, "requests") == ["5", "4", "12s"]
        with pytest.raises(openai.InternalServerError) as broken:
            await call(limited.chat.completions.create, model=model, messages=[{"role": "user", "content": "broken"}])
        assert told(broken.value.response.headers, "requests") == ["5", "3", "24s"]
        assert told(broken.value.response.headers, "tokens") == ["50", "50", "0s"]


async def test_a_session_takes_from_the_key_that_it_was_signed_in_with(sdk: openai.OpenAI, server: Server, model: str) -> None:
    key = await make_key(sdk, requests_per_minute=2)
    await chats(server, key, model, 1)
    browser = Browser(server)
    await browser.sign_in(apiKey=key)
    body = {"model": model, "messages": MESSAGES}
    answer = await browser.send("POST", "/v1/chat/completions", json=body)
    assert (answer.status_code, told(answer.headers, "requests")) == (200, ["2", "0", "60s"])
    await refusal(server, key, model)


async def test_without_any_limit_nothing_is_made_for_a_request(server: Server, sdk: openai.OpenAI) -> None:
    async with server.platform.db.read() as session:
        key = await session.get_one(ApiKey, (await call(sdk.get, "/api_keys", cast_to=object))["data"][0]["id"])
    one, other = (InferenceAllowance.of(server.platform.core, key) for _ in range(2))
    assert one is other
    one.admit()
    one.charge(10**9)
    one.admit()
    assert one.headers() == []

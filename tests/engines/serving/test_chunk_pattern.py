"""What is told by the pattern of a chunk is what a parser would tell, whatever an engine says and however it is cut."""

import json
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.serving import chunk_pattern, relay
from engines.serving.metering import Meter, Served
from engines.serving.relay import Relay

# What a model may write to be taken for the engine.
NASTY = (
    ',"usage":{"', '"usage"',
    '"finish_reason":"stop"', '"finish_reason":null', '"choices":[{"index":0,', '}}\n\n', "data: [DONE]\n\n",
    '{"error":', "{", "}", "[", "]", '"', "\\", "\r\n", "\u2028", "ü", "🙂", " word", "", '\\"', ',"model":"model"', "\0",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(NASTY), max_size=3).map("".join)
NAMES = st.sampled_from(["model", 'a"b', "org/model", "m{", "[m]", "ü", "", ',"model":"model"'])
OPTIONS = st.sampled_from([{}, {"include_usage": True}, {"include_usage": True, "continuous_usage_stats": True}])


class Answer:
    """An engine's answer in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)
        self.closed = False

    async def chunk(self) -> bytes:
        return next(self._pieces, b"")

    def close(self) -> None:
        self.closed = True


def done(work: Coroutine[Any, Any, bytes]) -> bytes:
    """Return what comes of a coroutine that waits for nothing."""
    with pytest.raises(StopIteration) as ended:
        work.send(None)
    result: bytes = ended.value.value
    return result


async def alive() -> bool:
    return True


def relayed(
    pieces: list[bytes], asked: dict[str, Any], shown: str | None, per_prompt: int, leaves_after: int | None
) -> tuple[list[bytes], list[Served]]:
    """Return the writes to a client that leaves after so many of them, and what was told, without the times."""
    served: list[Served] = []
    stream: Any = Answer(pieces)
    through = Relay(stream, Meter(served.append, streamed=True, per_prompt=per_prompt), asked, alive, shown)
    writes: list[bytes] = []
    while (leaves_after is None or len(writes) < leaves_after) and (frames := done(through.next())):
        writes.append(frames)
    through.close()
    assert stream.closed
    return writes, [replace(one, latency_ms=0, ttft_ms=one.ttft_ms and 1) for one in served]


def parsed(frames: bytes) -> list[Any]:
    assert frames.endswith(b"\n\n")
    datas = [frame.removeprefix(b"data: ") for frame in frames[:-2].split(b"\n\n")]
    return [data if data == b"[DONE]" else json.loads(data) for data in datas]


FINISHES = st.sampled_from([None, None, "stop", "length", 7, "", ',"usage":{"'])
MORE: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"prompt_tokens_details": {"cached_tokens": 1}}, {"of": "}}"}, {"of": "{"}, {"completion_tokens": "x"}]
)
KINDS = ("counted", "null", "none", "empty", "first", "nested", "after", "more")
ODD = (
    b": comment", b"event: x\nid: 1",
    b'data: {"error":{"message":"no","code":400}}', b"data: <html>", b"data: [DONE]", b"data: 7",
    b'data: {"id":"x","choices":5}', b'data: {"choices":[{"index":"0","delta":"x"}]}', b"data: {}",
)  # fmt: skip


def with_usage(chunk: dict[str, Any], kind: str, counts: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    kinds: dict[str, dict[str, Any]] = {
        "counted": {**chunk, "usage": counts},
        "null": {**chunk, "usage": None},
        "none": chunk,
        "empty": {**chunk, "usage": {}},
        "first": {"usage": counts, **chunk},
        "nested": {**chunk, "x": {"y": 1, "usage": counts}},
        "after": {**chunk, "usage": counts, "system_fingerprint": None},
        "more": {**chunk, "usage": {**counts, **more}},
    }
    return kinds[kind]


@st.composite
def odd_choices(draw: st.DrawFn, said: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": draw(st.sampled_from([0, 0, 1, 10])), **said}
    if draw(st.booleans()):
        choice["logprobs"] = {"content": [{"token": draw(TEXTS), "top_logprobs": []}]}
    return choice if draw(st.booleans()) else {**choice, "finish_reason": draw(FINISHES)}


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """An engine's answer as it comes: chunks much like each other, and among them all that may come too."""
    is_odd = draw(st.integers(0, 3)) == 0
    names = NAMES if is_odd else st.sampled_from(["model", "org/model"])
    head: dict[str, Any] = {"id": "c-1", "created": 1, "model": draw(names)}
    if is_odd and draw(st.booleans()):
        head = draw(st.sampled_from([{"id": 'c"{', **head}, {"id": "", "usage": None, "model": head["model"]}, {"id": "c-1"}]))
    kind = draw(st.sampled_from(KINDS if is_odd else ["counted", "counted", "null", "none"]))
    wraps, indexes = draw(st.booleans()), draw(st.sampled_from([[0], [0], [0, 1], [0, 1, 2, 3]]))
    documents: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, 12))):
        text = draw(TEXTS) if documents else "Hi"
        said = {"delta": {"content": text}} if wraps else {"text": text}
        counts = {"prompt_tokens": 4, "total_tokens": 9, "completion_tokens": draw(st.integers(0, 999))}
        choice = {"index": draw(st.sampled_from(indexes)), **said, "logprobs": None, "finish_reason": None, "token_ids": None}
        if draw(st.integers(0, 4)):
            documents.append(with_usage({**head, "choices": [choice]}, kind, counts, {}))
            continue
        some = [draw(odd_choices(said)) for _ in range(draw(st.sampled_from([1, 1, 1, 2])))]
        chosen = draw(st.permutations([choice, *some])) if draw(st.booleans()) else some
        documents.append(with_usage({**head, "choices": chosen}, draw(st.sampled_from([kind, *KINDS])), counts, draw(MORE)))
    documents += [{**head, "choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 99}}] * draw(st.integers(0, 1))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": ")])) if is_odd else (",", ":")
    ascii_only = draw(st.booleans())
    events = [b"data: " + json.dumps(one, separators=separators, ensure_ascii=ascii_only).encode() for one in documents]
    if draw(st.integers(0, 4)) == 0:
        events.insert(draw(st.integers(0, len(events))), draw(st.sampled_from(ODD)))
    end = draw(st.sampled_from([b"\n\n", b"\r\n\r\n"])) if is_odd else b"\n\n"
    pieces = [event + end for event in [*events, draw(st.sampled_from([b"data: [DONE]", b"data: [DONE]", b": cut"]))]]
    if draw(st.booleans()):
        # As an engine that is not hurried sends them.
        return pieces
    content = b"".join(pieces)
    cuts = sorted(draw(st.lists(st.integers(1, len(content)), max_size=20)))
    return [content[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True) if start < stop]


@settings(max_examples=400, deadline=None)
@given(
    pieces=streams(),
    asked=OPTIONS,
    shown=st.none() | st.sampled_from(["shown", 'ü"']),
    per_prompt=st.sampled_from([1, 2]),
    leaves_after=st.none() | st.integers(0, 9),
)
def test_a_pattern_tells_what_a_parser_tells(
    pieces: list[bytes], asked: dict[str, Any], shown: str | None, per_prompt: int, leaves_after: int | None
) -> None:
    compare(pieces, asked, shown, per_prompt, leaves_after)


def compare(
    pieces: list[bytes],
    asked: dict[str, Any],
    shown: str | None = None,
    per_prompt: int = 1,
    leaves_after: int | None = None,
) -> None:
    told = relayed(pieces, asked, shown, per_prompt, leaves_after)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_pattern, "learn", lambda *_: None)
        full = relayed(pieces, asked, shown, per_prompt, leaves_after)
    assert [parsed(frames) for frames in told[0]] == [parsed(frames) for frames in full[0]]
    assert told[1] == full[1]


HEAD = b'data: {"id":"c-1","created":1,"model":"model","choices":[{"index":0,"delta":{"content":"Hi"},'
LAST = b'"finish_reason":null,"token_ids":null}]'
COUNTS = b',"usage":{"prompt_tokens":4,"completion_tokens":%d}'
SECOND = b'{"index":1,"delta":{},'
DUPLICATE = b'data: {"usage":null,"choices":[{"index":0,"delta":{"content":"Hi"},'


@pytest.mark.parametrize("is_counted", [True, False])
@pytest.mark.parametrize("asked", [{}, {"include_usage": True}, {"include_usage": True, "continuous_usage_stats": True}])
@pytest.mark.parametrize(
    "odd",
    [
        HEAD + b'"finish_reason":"stop"},' + SECOND + LAST + COUNTS % 7 + b"}",
        HEAD + b'"finish_reason":"stop"},' + SECOND + LAST + b"}",
        HEAD + LAST + COUNTS % 7 + b',"system_fingerprint":"x"}',
        HEAD + LAST + COUNTS % 7 + b',"x":{"y":1}}',
        HEAD + LAST + b',"usage":{"prompt_tokens":4,"details":{"cached_tokens":1},"completion_tokens":7}}',
        HEAD + LAST + b',"usage":{}}',
        HEAD + LAST + b',"x":{"y":1,"usage":{"completion_tokens":7}}}',
        HEAD + b'"x":1}]' + COUNTS % 7 + b',"x":[{' + LAST + b"}",
        HEAD + b'"stop_reason":"\\"finish_reason",' + LAST + COUNTS % 7 + b"}",
        HEAD + LAST + b',"choices":[]}',
        HEAD + LAST + b',"choices":[]' + COUNTS % 7 + b"}",
        DUPLICATE + LAST + COUNTS % 7 + b"}",
        DUPLICATE + LAST + b',"usage":null}',
        b'data: {"error":{"message":"no","code":400},"model":"model"}',
    ],
)
def test_what_only_looks_like_the_pattern_is_parsed(odd: bytes, asked: dict[str, Any], is_counted: bool) -> None:
    plain = HEAD + LAST + (COUNTS % 6 if is_counted else b"") + b"}"
    for events in ([plain, odd], [odd, odd], [plain, odd, plain], [odd, plain, odd, plain]):
        pieces = [event + b"\n\n" for event in events]
        compare(pieces, asked)
        compare(pieces, asked, shown="shown")
        compare([b"".join(pieces)], asked)


@pytest.mark.parametrize("shown", [None, "shown"])
@pytest.mark.parametrize("asked", [{}, {"include_usage": True}, {"include_usage": True, "continuous_usage_stats": True}])
@pytest.mark.parametrize("usage", [COUNTS % 7, b',"usage":null', b""])
@pytest.mark.parametrize("count", [1, 4])
def test_chunks_like_the_first_are_not_parsed(
    monkeypatch: pytest.MonkeyPatch, shown: str | None, asked: dict[str, Any], usage: bytes, count: int
) -> None:
    parse = Mock(side_effect=relay._parse)
    monkeypatch.setattr(relay, "_parse", parse)
    chunks = [HEAD.replace(b'"index":0', b'"index":%d' % index) + LAST + usage + b"}\n\n" for index in range(count)]
    writes, [served] = relayed([*chunks * 50, b"data: [DONE]\n\n"], asked, shown, 1, None)
    assert (len(writes), parse.call_count) == (50 * count + 1, count)
    assert served.completion_tokens == (7 * count if usage.startswith(COUNTS[:12]) else 0)

"""What flows from an engine to a client without a task for each part is what would have been sent by one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.serving.metering import Meter, Served
from engines.serving.relay import Relay
from tests.engines.serving.test_chunk_pattern import COUNTS, HEAD, LAST, OPTIONS, Answer, alive, done, parsed, relayed, streams

EVENT = HEAD + LAST + COUNTS % 7 + b"}\n\n"
DONE = b"data: [DONE]\n\n"


class Flowing(Answer):
    """An answer whose pieces are offered as they come; one more than its reader wants, for that may have come before it wakes."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__(pieces)
        self.offered = self.taken = 0
        self._woken = False
        self._kept: list[bytes] = []

    def wake(self) -> None:
        self._woken = True

    async def flow(self, sink: Callable[[bytes], bool]) -> None:
        self._woken = False
        if self._kept:
            return
        for piece in self._pieces:
            self.offered += 1
            if not sink(piece):
                self._kept.append(piece)
                return
            self.taken += 1
            if self._woken:
                extra = next(self._pieces, None)
                assert extra is None or not sink(extra)
                self._kept += [] if extra is None else [extra]
                return

    async def chunk(self) -> bytes:
        return self._kept.pop(0) if self._kept else await super().chunk()


def flowed(
    pieces: list[bytes], asked: dict[str, Any], shown: str | None, refused: set[int]
) -> tuple[bytes, list[Served], Flowing]:
    """Return what a client got whose socket refuses the writes of these numbers, and what was told, without the times."""
    told: list[Served] = []
    answer: Any = Flowing(pieces)
    through = Relay(answer, Meter(told.append, streamed=True), asked, alive, shown)
    got: list[bytes] = []
    tries = 0

    def write(frame: bytes) -> bool:
        nonlocal tries
        tries += 1
        if tries in refused:
            return False
        got.append(frame)
        return True

    while frames := done(through.next()):
        got.append(frames)
        flowing: Any = through.flow(write)
        done(flowing)
    through.close()
    return b"".join(got), [replace(one, latency_ms=0, ttft_ms=one.ttft_ms and 1) for one in told], answer


@settings(max_examples=200, deadline=None)
@given(
    pieces=streams(),
    asked=OPTIONS,
    shown=st.none() | st.sampled_from(["shown", 'ü"']),
    refused=st.sets(st.integers(1, 8), max_size=4),
)
def test_what_flows_is_what_would_have_been_sent(
    pieces: list[bytes], asked: dict[str, Any], shown: str | None, refused: set[int]
) -> None:
    sent, told = relayed(pieces, asked, shown, 1, None)
    got, also_told, _ = flowed(pieces, asked, shown, refused)
    assert (parsed(got) if got else []) == [one for frames in sent for one in parsed(frames)]
    assert also_told == told


def test_chunks_that_are_alike_flow_and_the_others_are_sent() -> None:
    odd = HEAD + LAST.replace(b"null", b'"stop"', 1) + COUNTS % 8 + b"}\n\n"
    got, [told], answer = flowed([*[EVENT] * 5, odd, *[EVENT] * 3, DONE], {}, None, set())
    assert (answer.offered, answer.taken) == (9, 7)
    assert got.count(b"data: ") == 10
    assert (told.completion_tokens, told.finish_reason, told.status_code) == (7, "stop", 200)


def test_what_a_socket_refuses_is_sent_in_its_turn() -> None:
    numbered = [EVENT.replace(b"Hi", b"%d" % number) for number in range(9)]
    got, [told], answer = flowed([*numbered, DONE], {}, None, {1, 3})
    assert [one["choices"][0]["delta"]["content"] for one in parsed(got)[:-1]] == [str(number) for number in range(9)]
    assert answer.taken < answer.offered
    assert told.completion_tokens == 7

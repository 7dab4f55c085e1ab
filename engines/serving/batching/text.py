"""From tokens to text while they come: whole characters only, and nothing of a stop string."""

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"
Decode = Callable[[Sequence[int]], str]


class Text:
    """The text of one answer: `feed` returns what is certain of it.

    `stopped` is set once a stop string was found, which is left out.
    """

    def __init__(self, decode: Decode, stops: Sequence[str] = ()) -> None:
        self.stopped = False
        self._decode = decode
        self._stops = [stop for stop in stops if stop]
        self._tokens: list[int] = []
        self._before = self._read = 0
        self._held = ""

    def feed(self, token: int) -> str:
        self._tokens.append(token)
        known = self._decode(self._tokens[self._before : self._read])
        now = self._decode(self._tokens[self._before :])
        # A character may be several tokens; some tokenizers drop a space at the beginning, so that one is decoded with its past.
        if len(now) <= len(known) or now.endswith(UNFINISHED):
            return ""
        self._before, self._read = self._read, len(self._tokens)
        return self._certain(now[len(known) :])

    def end(self) -> str:
        """Return what was held back until it was certain that no more comes."""
        if self.stopped:
            return ""
        known = self._decode(self._tokens[self._before : self._read])
        rest = self._certain(self._decode(self._tokens[self._before :])[len(known) :])
        held, self._held = self._held, ""
        return rest if self.stopped else rest + held

    def _certain(self, more: str) -> str:
        text = self._held + more
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)]
        kept = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]


def _overlap(text: str, stop: str) -> int:
    """Return how much of the text's end may be the beginning of a stop string."""
    most = min(len(text), len(stop) - 1)
    return next((size for size in range(most, 0, -1) if text.endswith(stop[:size])), 0)

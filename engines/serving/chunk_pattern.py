"""What the chunks of one choice of a stream have in common, so that the next one need not be parsed.

    data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":{"prompt_tokens":4}}
    '--------------------- head ----------------------'                       '------------- joint --------------'

A quote in a string has a backslash before it, and the quote that ends a string is followed by a comma, a colon or a bracket. So
`"finish_reason":null` and `,"usage":{` are members wherever they are found, whatever the model says. A pattern is learned from a
chunk that was parsed; what looks like it in all that is looked at, and would not parse, passes as it came.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from engines.serving import splice

FINISH, UNFINISHED = b'"finish_reason"', b'"finish_reason":null'
USAGE, COUNTS, NO_USAGE = b'"usage"', b',"usage":{"', b',"usage":null}\n\n'
# Nothing before the choices has brackets, so they are the chunk's own. The tenth choice and those after it are parsed.
_HEAD = re.compile(rb'data: \{(?:[^][{}\n]*,)?"choices":\[\{"index":([0-9]),')


class Pattern:
    """`take` is for chunks that begin with `head`: events of one line that ends with a brace."""

    __slots__ = ("_begins", "_ends", "_is_counted", "_joint", "_number", "_reach", "head")

    def __init__(self, head: bytes, number: bytes, joint: bytes, *, is_counted: bool, begins: bytes, ends: bytes) -> None:
        self.head = head
        self._number = number
        self._joint = joint
        self._is_counted = is_counted
        self._begins = begins
        self._ends = ends

    def take(self, event: bytes, so_far: dict[bytes, bytes]) -> bytes | None:
        """Return the chunk as the client is to see it, and put its usage aside by the number of its choice.

        None where it has to be parsed.
        """
        start, joint = len(self.head), self._joint
        at = event.rfind(joint, start)
        if at < 0 or event.find(FINISH, start, at) >= 0:
            return None
        end = at + len(joint)
        if self._is_counted:
            # Two braces are closed after it, both at the very end: those of the usage and of the chunk. So the usage is the
            # chunk's own, its last member, and has nothing inside.
            if event.find(b"}", end) != len(event) - 4:
                return None
            so_far[self._number] = event[end - 2 : -3]
            if not self._ends:
                return self._begins + event[start:]
        elif event.find(USAGE, start, at) >= 0:
            return None
        return self._begins + event[start:at] + self._ends


def learn(event: bytes, chunk: Mapping[str, Any], shown_model: str | None, tail: bytes | None) -> Pattern | None:
    """Return the pattern of an event that is this chunk, None where it has none.

    `shown_model` is what the client is to read as the model, null for what is there. `tail` is what it is to read in place of the
    usage and all that follows, null for what is there.
    """
    found = _HEAD.match(event)
    choices: Sequence[Mapping[str, Any]] = chunk.get("choices") or []
    if found is None or len(choices) != 1 or choices[0].get("finish_reason", "") is not None:
        return None
    head = found.group()
    begins = head if shown_model is None else splice.called(head, chunk.get("model"), shown_model)
    at = event.find(FINISH, len(head))
    if begins is None or USAGE in head or event.rfind(FINISH) != at or not event.startswith(UNFINISHED, at):
        return None
    usage = event.rfind(COUNTS, at)
    if usage > 0:
        joint, ends = event[at : usage + len(COUNTS)], b"" if tail is None else event[at:usage] + tail
    elif event.endswith(NO_USAGE):
        joint, ends = event[at:], event[at:] if tail is None else event[at : -len(NO_USAGE)] + tail
    elif "usage" not in chunk:
        joint = ends = event[at:]
    else:
        return None
    return Pattern(head, found.group(1), joint, is_counted=usage > 0, begins=begins, ends=ends)

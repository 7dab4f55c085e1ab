"""How large a JSON schema is once its references are followed: a small one that refers to its parts twice, and these to theirs,
takes as long to check as what it unfolds to.
"""

from typing import Any
from urllib.parse import unquote


def unfolded(schema: Any) -> int:
    """Return how many parts a schema has, each counted as often as it is referred to from within it; a part that refers to itself
    counts once there. RecursionError for one that is nested too deeply.
    """
    return _Counting(schema).count(schema)


class _Counting:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[int, int] = {}
        self._open: set[int] = set()

    def count(self, part: Any) -> int:
        if not isinstance(part, (dict, list)):
            return 1
        key = id(part)
        if key in self._open:
            return 1
        if key not in self._known:
            self._open.add(key)
            parts = part.values() if isinstance(part, dict) else part
            total = 1 + sum(map(self.count, parts))
            if isinstance(part, dict):
                total += sum(self._referred(part[word]) for word in ("$ref", "$dynamicRef", "$recursiveRef") if word in part)
            self._open.discard(key)
            self._known[key] = total
        return self._known[key]

    def _referred(self, reference: Any) -> int:
        """Count what a reference means: a place in the schema, or, by a name, the whole of it, which is no less."""
        if not isinstance(reference, str):
            return 1
        found = self._root
        place = unquote(reference.rpartition("#")[2]) if "#" in reference else ""
        for word in place.split("/")[1:] if place.startswith("/") else ():
            word = word.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and word in found:
                found = found[word]
            elif isinstance(found, list) and word.isdecimal() and int(word) < len(found):
                found = found[int(word)]
            else:
                return 1
        return self.count(found)

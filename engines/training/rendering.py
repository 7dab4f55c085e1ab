"""The child task `data.render`: rows as a model reads them, with what its chat template adds and which of it is learned."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from engines.protocol import ChildFailure, Reporter
from engines.training.lengths import tokenizer_of
from engines.training.row_tokens import RowReader

LONGEST_CHARACTERS = 65_536


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Render the rows of `spec` `{model, rows_path, method}`, JSON lines of a number and a row; return `{rendered, revision}`.

    ChildFailure `model_unavailable` where there is no tokenizer. A row that cannot be read with it has a `problem` instead.
    """
    tokenizer, revision = tokenizer_of(spec["model"], reporter)
    render = Renderer(spec["method"], tokenizer)
    with Path(spec["rows_path"]).open(encoding="utf-8") as lines:
        rendered = [render(number, row) for number, row in map(json.loads, lines)]
    return {"rendered": rendered, "revision": revision}


class Renderer:
    def __init__(self, method: str, tokenizer: Any) -> None:
        self._read = RowReader(method, tokenizer)
        self._tokenizer = tokenizer
        self._special = set(tokenizer.all_special_ids) | {
            number for number, token in tokenizer.added_tokens_decoder.items() if getattr(token, "special", False)
        }

    def __call__(self, number: int, row: dict[str, Any]) -> dict[str, Any]:
        try:
            found = self._read(number, row)
        except ChildFailure as failure:
            return {
                "number": number, "tokens": 0, "pieces": [], "rejected": [], "truncated": False, "problem": failure.message,
            }  # fmt: skip
        pieces, is_cut = self._pieces(found.ids, found.learned)
        rejected, is_cut_too = self._pieces(found.rejected, ((0, len(found.rejected)),))
        return {
            "number": number,
            "tokens": found.length,
            "pieces": pieces,
            "rejected": rejected,
            "truncated": is_cut or is_cut_too,
            "problem": None,
        }

    def _pieces(self, ids: Sequence[int], learned: Sequence[tuple[int, int]]) -> tuple[list[dict[str, Any]], bool]:
        """Return the text of the tokens, each special one a piece of its own, and whether it was cut."""
        pieces: list[dict[str, Any]] = []
        left = LONGEST_CHARACTERS
        for (is_learned, is_special), run in self._runs(ids, learned):
            text = self._tokenizer.decode(run, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            pieces.append({"text": text[:left], "special": is_special, "learned": is_learned, "tokens": len(run)})
            if len(text) > left:
                return pieces, True
            left -= len(text)
        return pieces, False

    def _runs(self, ids: Sequence[int], learned: Sequence[tuple[int, int]]) -> Iterator[tuple[tuple[bool, bool], list[int]]]:
        """Yield the runs of tokens that are of one kind, learned or not and special or not."""
        edges = sorted(edge for span in learned for edge in span)

        def kind(item: tuple[int, int]) -> tuple[bool, bool, int]:
            at, token = item
            is_special = token in self._special
            # A special token is a piece of its own, even beside another.
            return bisect_right(edges, at) % 2 == 1, is_special, at if is_special else -1

        for (is_learned, is_special, _), run in groupby(enumerate(ids), kind):
            yield (is_learned, is_special), [token for _, token in run]

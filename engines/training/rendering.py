"""The child task `data.render`: prompts as a model reads them, with what its chat template adds and how many tokens they are."""

import itertools
import json
from pathlib import Path
from typing import Any

from engines.protocol import ChildFailure, Reporter
from engines.training.lengths import tokenizer_of
from engines.training.prompts import Row, token_ids

LONGEST_CHARACTERS = 65_536


def main(spec: dict[str, Any], reporter: Reporter) -> dict[str, Any]:
    """Render the rows of `spec` `{model, rows_path}`, JSON lines of a number and a prompt; return `{rendered, revision}`.

    ChildFailure `model_unavailable` where there is no tokenizer. A prompt that the template refuses has a `problem` instead.
    """
    tokenizer, revision = tokenizer_of(spec["model"], reporter)
    with Path(spec["rows_path"]).open(encoding="utf-8") as lines:
        rendered = [_rendered(number, prompt, tokenizer) for number, prompt in map(json.loads, lines)]
    return {"rendered": rendered, "revision": revision}


def _rendered(number: int, prompt: Any, tokenizer: Any) -> dict[str, Any]:
    try:
        if not isinstance(prompt, str) and not tokenizer.chat_template:
            raise ChildFailure("dataset_error", "The prompt is a list of messages, but the model has no chat template.")
        ids = token_ids(Row(number, prompt, {}), tokenizer)
    except ChildFailure as failure:
        return {"number": number, "tokens": 0, "pieces": [], "truncated": False, "problem": failure.message}
    pieces, truncated = _pieces(ids, tokenizer)
    return {"number": number, "tokens": len(ids), "pieces": pieces, "truncated": truncated, "problem": None}


def _pieces(ids: list[int], tokenizer: Any) -> tuple[list[dict[str, Any]], bool]:
    """Return the text of the tokens, each special one a piece of its own, and whether it was cut."""
    special = set(tokenizer.all_special_ids) | {
        number for number, token in tokenizer.added_tokens_decoder.items() if getattr(token, "special", False)
    }
    pieces: list[dict[str, Any]] = []
    left = LONGEST_CHARACTERS
    # A special token is a piece of its own, even beside another.
    for is_ordinary, run in itertools.groupby(enumerate(ids), lambda item: item[1] not in special or -1 - item[0]):
        found = [token for _, token in run]
        text = tokenizer.decode(found, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        pieces.append({"text": text[:left], "special": is_ordinary is not True, "tokens": len(found)})
        if len(text) > left:
            return pieces, True
        left -= len(text)
    return pieces, False

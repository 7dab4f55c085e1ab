"""Text that is certain: whole characters, nothing of a stop string."""

from collections.abc import Sequence

import pytest

from engines.serving.batching.text import Text


def decode(tokens: Sequence[int]) -> str:
    """One token a byte."""
    return bytes(tokens).decode(errors="replace")


def pieces(said: str, *stops: str) -> tuple[list[str], bool]:
    text, found = Text(decode, stops), list[str]()
    for byte in said.encode():
        found.append(text.feed(byte))
        if text.stopped:
            return found, True
    return [*found, text.end()], text.stopped


def test_text_comes_as_it_is_made() -> None:
    assert pieces("abc") == (["a", "b", "c", ""], False)


def test_a_character_waits_for_all_of_its_tokens() -> None:
    assert pieces("aü€") == (["a", "", "ü", "", "", "€", ""], False)


def test_a_character_that_never_ends_is_told_at_the_end() -> None:
    text = Text(decode)
    assert [text.feed(byte) for byte in "aü".encode()[:2]] == ["a", ""]
    assert text.end() == "�"


def test_what_may_become_a_stop_string_is_held_until_it_is_none() -> None:
    assert pieces("a<b<end", "<end>") == (["a", "", "<b", "", "", "", "", "<end"], False)


def test_a_stop_string_is_left_out_with_all_after_it() -> None:
    assert pieces("ab<end>cd", "<end>") == (["a", "b", "", "", "", "", ""], True)


@pytest.mark.parametrize("stops", [("bc", "abcd"), ("abcd", "bc")])
def test_the_stop_string_that_comes_first_counts(stops: tuple[str, str]) -> None:
    found, stopped = pieces("xabcd", *stops)
    assert ("".join(found), stopped) == ("xa", True)

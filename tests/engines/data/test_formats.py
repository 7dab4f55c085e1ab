import io
import json
import time

from engines.data import formats

MAX_LINE = 2**24


def elements(data: bytes) -> list[formats.Item]:
    return list(formats._array(io.BufferedReader(io.BytesIO(data)), MAX_LINE))


def test_small_elements_behind_a_large_one_are_read_in_time_that_grows_with_their_number() -> None:
    large, small = {"prompt": "x" * (MAX_LINE - 2**20)}, {"prompt": "é😀"}
    data = json.dumps([large, *[small] * 200_000], ensure_ascii=False).encode()
    began = time.monotonic()
    found = elements(data)
    assert (len(found), found[-1]) == (200_001, json.dumps(small, ensure_ascii=False).encode())
    assert time.monotonic() - began < 5


def test_elements_are_told_apart_whatever_stands_between_them() -> None:
    data = b'\xef\xbb\xbf [\n{"a": 1},\r\n\t{"b":\n[2, "]"]} , {}\n]  '
    assert elements(data) == [b'{"a": 1}', b'{"b": [2, "]"]}', b"{}"]
    assert elements(b"[]") == elements(b" [ ] ") == []

"""Files behind URLs: in every format, through the guard, with what is secret in no message."""

import gzip
import json
import socket
from typing import Any
from urllib.parse import quote

import pytest
import zstandard

from engines.data.source import Source
from tests.engines.data.conftest import Read, failure
from tests.engines.data.files import parquet, serving

ROWS = [{"prompt": f"{number} + 1", "answer": number} for number in range(300)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
COLUMNS = {"prompt": [row["prompt"] for row in ROWS], "answer": [row["answer"] for row in ROWS]}
FILES = {
    "/rows.jsonl": LINES,
    "/rows.jsonl.gz": gzip.compress(LINES),
    "/rows.ndjson.zst": zstandard.compress(LINES),
    "/rows.json": json.dumps(ROWS, indent=1).encode(),
    "/rows.parquet": parquet(COLUMNS),
    "/untold": LINES,
    "/untold-array": json.dumps(ROWS).encode(),
}


def at(url: str, **more: Any) -> Source:
    return Source(type="url", location=url, **more)


@pytest.mark.parametrize("path", FILES)
def test_every_format_gives_the_same_rows(preview: Read, whole: Read, path: str) -> None:
    with serving(FILES) as served:
        rows, report = whole(at(served.url + path))
        found = preview(at(served.url + path))
    assert rows == ROWS
    assert (report["num_rows"], report["problems"], report["size_bytes"] > 0) == (300, [], True)
    assert found["sample"] == ROWS[:5]
    assert (found["columns"], found["problems"]) == (["prompt", "answer"], [])
    assert found["num_rows"] == (300 if path == "/rows.parquet" else None)


def test_csv_gives_texts(whole: Read, preview: Read) -> None:
    files = {"/a.csv": b'prompt,answer\n"a, ""b""",1\nc,\n', "/a.tsv": b"prompt\tanswer\na\t1\n", "/bad.csv": b"prompt\na,b\n"}
    with serving(files) as served:
        assert whole(at(f"{served.url}/a.csv"))[0] == [{"prompt": 'a, "b"', "answer": "1"}, {"prompt": "c", "answer": ""}]
        assert preview(at(f"{served.url}/a.tsv"))["sample"] == [{"prompt": "a", "answer": "1"}]
        bad = failure(preview, at(f"{served.url}/bad.csv"))
    assert (bad.code, bad.message) == ("invalid_dataset", "A row of the CSV file has more cells than its header.")


def test_a_look_into_a_large_parquet_file_reads_little_of_it(preview: Read) -> None:
    wide = parquet({"prompt": [f"{number}" * 40 for number in range(200_000)]}, group=1000)
    with serving({"/rows.parquet": wide}) as served:
        assert preview(at(f"{served.url}/rows.parquet"), max_bytes=1000)["num_rows"] == 200_000
        assert len(served.requests) < 12
        served.ranges = False
        told = failure(preview, at(f"{served.url}/rows.parquet"))
    assert told.message == "rows.parquet cannot be looked into: its server gives it whole only."


def test_mapped_and_original_names_are_both_there(preview: Read, whole: Read) -> None:
    files = {"/a.jsonl": b'{"question": "q", "answer": "a", "level": 1}\n'}
    with serving(files) as served:
        source = at(f"{served.url}/a.jsonl", column_mapping={"question": "prompt", "answer": "label"})
        assert whole(source)[0] == [{"question": "q", "answer": "a", "level": 1, "prompt": "q", "label": "a"}]
        found = preview(source)
        unmapped = preview(at(f"{served.url}/a.jsonl", column_mapping={"text": "prompt"}))
    assert found["columns"] == ["question", "answer", "level"]
    assert (found["mapped_columns"], found["sample"]) == (
        ["prompt", "label", "level"],
        [{"prompt": "q", "label": "a", "level": 1}],
    )
    message = "no column 'text' to map to 'prompt'; there are question, answer, level"
    assert unmapped["problems"] == [{"line": 1, "message": message}]


def test_rows_of_a_source_obey_the_rules_of_an_upload(preview: Read) -> None:
    lines = b'{"prompt": "a", "id": 1}\nnot json\n{"prompt": "b", "id": 1}\n{"answer": 1}\n' + b"x" * 200_000 + b"\n[]\n"
    with serving({"/a.jsonl": lines, "/bytes.parquet": parquet({"prompt": ["a"], "image": [b"\xff"]})}) as served:
        problems = preview(at(f"{served.url}/a.jsonl"))["problems"]
        held = preview(at(f"{served.url}/bytes.parquet"))["problems"]
    assert [item["line"] for item in problems] == [2, 3, 4, 5, 6]
    assert held == [{"line": 1, "message": "column 'image' holds bytes values, which a row cannot"}]


def test_more_than_the_limit_is_not_read(whole: Read) -> None:
    with serving(FILES | {"/bomb.jsonl.gz": gzip.compress(b'{"prompt": "a"}\n' * 1_000_000)}) as served:
        for path in ("/rows.jsonl", "/rows.parquet", "/bomb.jsonl.gz"):
            told = failure(whole, at(served.url + path), max_bytes=3000)
            assert (told.code, "more than 3000 bytes" in told.message) == ("payload_too_large", True)


def test_an_address_inside_is_refused_before_anything_is_sent(preview: Read) -> None:
    with serving(FILES) as served:
        port = served.url.rpartition(":")[2]
        for host in ("127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "localhost"):
            told = failure(preview, at(f"http://{host}:{port}/rows.jsonl"), open_networks="")
            assert (told.code, "private or reserved address" in told.message) == ("address_refused", True)
    assert served.requests == []


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("http://169.254.169.254/latest/meta-data/", "address_refused"),
        ("http://2852039166/", "address_refused"),
        ("http://[::ffff:10.0.0.1]/", "address_refused"),
        ("file:///etc/passwd", "source_unreachable"),
        ("gopher://127.0.0.1/", "source_unreachable"),
    ],
)
def test_a_redirect_leads_nowhere_that_the_first_request_could_not_go(preview: Read, target: str, code: str) -> None:
    with serving(FILES) as served:
        assert failure(preview, at(f"{served.url}/to", secrets={"url": f"{served.url}/to?url={target}"})).code == code


def test_three_redirects_are_followed_and_no_fourth(preview: Read) -> None:
    with serving(FILES) as served:
        url = f"{served.url}/rows.jsonl"
        for count in range(5):
            source = at(f"{served.url}/rows.jsonl", secrets={"url": url})
            if count <= 3:
                assert preview(source)["sample"] == ROWS[:5]
            else:
                assert failure(preview, source).message.endswith("redirects more than 3 times.")
            url = f"{served.url}/to?url={quote(url, safe='')}"


def test_a_name_that_changes_its_address_meanwhile_reaches_nothing_inside(preview: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: each connection resolves once, and goes to what was checked."""
    real, answers, reached = socket.getaddrinfo, iter(["93.184.216.34", "10.0.0.1"]), list[Any]()

    def resolve(host: str, port: Any, *rest: Any, **named: Any) -> Any:
        if host != "rebinding.example":
            return real(host, port, *rest, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    connect = socket.create_connection

    def create(address: Any, *rest: Any, **named: Any) -> Any:
        reached.append(address)
        # What stands for the public host is this server, which sends its client back to the name.
        return connect(("127.0.0.1", port) if address[0] == "93.184.216.34" else address, *rest, **named)

    with serving(FILES) as served:
        port = int(served.url.rpartition(":")[2])
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr("burnish.kit.network.socket.create_connection", create)
        url = "http://rebinding.example/to?url=http://rebinding.example/rows.jsonl"
        told = failure(preview, at("http://rebinding.example/to", secrets={"url": url}), open_networks="")
    assert told.code == "address_refused"
    assert ("93.184.216.34", 80) in reached and ("10.0.0.1", 80) not in reached
    assert [path.partition("?")[0] for path, _ in served.requests] == ["/to"]


def test_credentials_go_to_the_source_and_not_where_it_redirects(preview: Read) -> None:
    with serving(FILES, authorization="Bearer s3cret-token") as first, serving(FILES) as second:
        source = at(f"{first.url}/rows.jsonl", secrets={"authorization": "Bearer s3cret-token"})
        assert preview(source)["sample"] == ROWS[:5]
        assert failure(preview, at(f"{first.url}/rows.jsonl")).code == "source_denied"
        away = f"{first.url}/to?url={second.url}/rows.jsonl"
        preview(at(f"{first.url}/to", secrets={"authorization": "Bearer s3cret-token", "url": away}))
    assert [given for _, given in second.requests] == [None]


@pytest.mark.parametrize(
    ("url", "code", "message"),
    [
        ("http://127.0.0.1:1/a.jsonl", "source_unreachable", "127.0.0.1:1 cannot be reached: ConnectionRefusedError."),
        (
            "http://nowhere.invalid/a.jsonl",
            "source_unreachable",
            "nowhere.invalid cannot be reached: the host nowhere.invalid cannot be found.",
        ),
        ("{}/none.jsonl", "source_not_found", "{} answers HTTP 404: there is no such file."),
        ("{}/what", "invalid_source", "What what is cannot be told: name it .jsonl, .json, .csv or .parquet."),
    ],
)
def test_what_cannot_be_read_says_why(preview: Read, url: str, code: str, message: str) -> None:
    with serving({"/what": b"?"}) as served:
        told = failure(preview, at(url.format(served.url)))
        assert (told.code, told.message) == (code, message.format(served.url.removeprefix("http://")))


def test_no_message_holds_a_secret(preview: Read) -> None:
    with serving({}) as served:
        secret = f"{served.url}/a.jsonl?X-Signature=topsecretsignature"
        told = failure(preview, at(f"{served.url}/a.jsonl", secrets={"url": secret, "authorization": "Bearer abcdefgh1234"}))
    assert "topsecret" not in told.message and "abcdefgh" not in told.message
    source = Source(type="postgres", location="postgres://h/d", secrets={"username": "u", "password": "pa55word!"})
    assert source.scrub("bad pa55word! here") == "bad *** here"
    assert "pa55word" not in repr(source) and "pa55word" not in json.dumps(source.connection)

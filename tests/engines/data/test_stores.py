"""Objects in buckets, by an S3-compatible server in this process, and datasets of a hub."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from huggingface_hub import constants
from moto.server import ThreadedMotoServer

from engines.data import hub
from engines.data.source import Source, SourceError
from tests.conftest import free_port
from tests.engines.bases.stub_hub import Hub, serving
from tests.engines.data.conftest import Read, failure
from tests.engines.data.files import parquet
from tests.engines.data.test_urls import COLUMNS, FILES, ROWS

KEYS = {"access_key_id": "testing", "secret_access_key": "testing-secret"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> Iterator[str]:
    name = f"rows-{uuid4().hex}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    client.create_bucket(Bucket=name)
    for path, content in FILES.items():
        client.put_object(Bucket=name, Key=f"folder{path}", Body=content)
    yield name
    client.close()


def at(endpoint: str, bucket: str, path: str, **more: Any) -> Source:
    return Source(
        type="s3", location=f"s3://{bucket}/folder{path}", **{"options": {"endpoint_url": endpoint}, "secrets": KEYS, **more}
    )


@pytest.mark.parametrize("path", FILES)
def test_an_object_of_any_format_is_read(endpoint: str, bucket: str, whole: Read, preview: Read, path: str) -> None:
    assert whole(at(endpoint, bucket, path))[0] == ROWS
    assert preview(at(endpoint, bucket, path))["sample"] == ROWS[:5]


def test_an_object_that_is_not_there_is_named(endpoint: str, bucket: str, preview: Read) -> None:
    told = failure(preview, at(endpoint, bucket, "/none.jsonl"))
    assert (told.code, told.message) == ("source_not_found", f"There is no s3://{bucket}/folder/none.jsonl.")


def test_an_endpoint_inside_is_refused(endpoint: str, bucket: str, preview: Read) -> None:
    for options in (
        {"endpoint_url": endpoint},
        {"endpoint_url": "http://169.254.169.254"},
        {"endpoint_url": "https://2130706433"},
    ):
        told = failure(preview, at(endpoint, bucket, "/rows.jsonl", options=options), open_networks="")
        assert (told.code, "private or reserved" in told.message) == ("address_refused", True)


def test_an_endpoint_that_is_not_there_is_told_soon(bucket: str, preview: Read) -> None:
    told = failure(preview, at("", bucket, "/rows.jsonl", options={"endpoint_url": "http://127.0.0.1:1"}))
    assert (told.code, "testing-secret" in told.message) == ("source_unreachable", False)


def test_the_other_clouds_are_asked_through_the_guard_too(preview: Read) -> None:
    account = {"account_name": "rows", "endpoint_url": "http://127.0.0.1:1/rows"}
    told = failure(preview, Source(type="az", location="az://data/rows.jsonl", options=account), open_networks="")
    assert told.code == "address_refused"
    key = '{"client_email": "a@b", "private_key_id": "1", "private_key": "no key", "token_uri": "http://127.0.0.1:1/token"}'
    told = failure(preview, Source(type="gs", location="gs://data/rows.jsonl", secrets={"service_account_key": key}))
    assert (told.code, "no key" in told.message) == ("source_denied", False)


PARTS = {
    "README.md": b"---\nconfigs:\n- config_name: main\n  default: true\n  data_files:\n  - split: train\n    path: main/train-*\n"
    b"  - split: test\n    path: [main/test-*]\n- config_name: other\n  data_files: other/*.jsonl\n---\n",
    "main/train-00000-of-00002.parquet": parquet({key: values[:200] for key, values in COLUMNS.items()}),
    "main/train-00001-of-00002.parquet": parquet({key: values[200:] for key, values in COLUMNS.items()}),
    "main/test-00000-of-00001.parquet": parquet({"prompt": ["t"], "answer": [0]}),
    "other/rows.jsonl": b'{"prompt": "o"}\n',
}


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    plain = {"data/train.jsonl": FILES["/rows.jsonl"], "data/validation.csv": b"prompt\nv\n", "README.md": b"# rows"}
    repos = {
        "acme/rows": PARTS,
        "acme/plain": plain,
        "acme/code": {"rows.py": b"import os"},
        "rows": {"rows.jsonl": b'{"prompt": "r"}\n'},
    }
    with serving(Hub(repos)) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield served


def of(repo: str, **more: Any) -> Source:
    return Source(type="hf", location=repo, **more)


def test_a_split_of_the_hub_is_read_from_all_its_files(stub: Hub, whole: Read, preview: Read) -> None:
    assert whole(of("acme/rows"), open_networks="")[0] == ROWS
    found = preview(of("acme/rows"))
    assert (found["num_rows"], found["sample"]) == (300, ROWS[:5])
    assert whole(of("acme/rows", split="test"))[0] == [{"prompt": "t", "answer": 0}]
    assert whole(of("acme/rows", config_name="other"))[0] == [{"prompt": "o"}]
    assert whole(of("acme/plain"))[0] == ROWS
    assert whole(of("acme/plain", split="validation"))[0] == [{"prompt": "v"}]
    assert whole(of("rows"))[0] == [{"prompt": "r"}]


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        (of("acme/rows", split="dev"), "source_not_found", "acme/rows has no split 'dev'; there are: test, train."),
        (
            of("acme/rows", config_name="none"),
            "source_not_found",
            "acme/rows has no configuration 'none'; there are: main, other.",
        ),
        (of("acme/code"), "source_not_found", "acme/code has no JSON, CSV or Parquet files."),
        (of("acme/none"), "source_not_found", "acme/none does not exist on the hub, or is private and needs a token."),
    ],
)
def test_what_the_hub_does_not_have_is_named(stub: Hub, preview: Read, source: Source, code: str, message: str) -> None:
    told = failure(preview, source)
    assert (told.code, told.message) == (code, message)


def test_a_token_opens_a_private_dataset_and_is_in_no_message(stub: Hub, whole: Read, preview: Read) -> None:
    stub.token = "hf_secret_token"
    assert whole(of("acme/rows", secrets={"token": "hf_secret_token"}))[0] == ROWS
    told = failure(preview, of("acme/rows", secrets={"token": "hf_wrong_token"}))
    assert (told.code, "hf_wrong" in told.message) == ("source_denied", False)


def test_a_hub_that_is_down_is_told(stub: Hub, preview: Read) -> None:
    stub.status = 503
    assert failure(preview, of("acme/rows")).code == "source_unreachable"


@pytest.mark.parametrize(
    ("names", "split", "found"),
    [
        (["train.csv", "test.csv"], "train", ["train.csv"]),
        (["data/dev-0.json"], "validation", ["data/dev-0.json"]),
        (["train/a.jsonl", "train/b.jsonl", "eval/c.jsonl"], "train", ["train/a.jsonl", "train/b.jsonl"]),
        (["a.parquet", "b.parquet"], "train", ["a.parquet", "b.parquet"]),
        ([".cache/a.jsonl", "rows.jsonl", "dataset_infos.json"], "train", ["rows.jsonl"]),
    ],
)
def test_without_a_card_names_tell_the_split(names: list[str], split: str, found: list[str]) -> None:
    assert hub.choose(names, [], of("acme/rows", split=split)) == found


def test_several_configurations_need_one_to_be_named() -> None:
    configs = [{"config_name": name, "data_files": f"{name}/*.csv"} for name in ("a", "b")]
    with pytest.raises(SourceError, match="has several configurations: name one of a, b"):
        hub.choose(["a/x.csv", "b/x.csv"], configs, of("acme/rows"))

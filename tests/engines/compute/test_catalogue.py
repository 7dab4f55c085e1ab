"""Prices fetched from catalogues: what is read of them, what is not believed, and how many hosts fetch."""

import http.server
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import select

from burnish.kit import clock
from burnish.kit.core import Core
from burnish.kit.errors import Unavailable
from engines.compute import catalogue
from engines.compute.catalogue import CatalogueInvalid, parse
from models.provider_rate import ProviderRate

pytestmark = pytest.mark.anyio
LAMBDA = """InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,Region,GpuInfo,SpotPrice
cpu_4x_general,,,4.0,16.0,0.2,us-east-1,,
gpu_1x_a100,A100,1.0,30.0,200.0,1.99,us-east-1,"{'Gpus': [{'Name': 'A100', 'Count': 1.0}]}",
gpu_8x_a100_80gb_sxm4,A100-80GB,8.0,240.0,1800.0,22.32,us-east-1,"{'Gpus': []}",
gpu_1x_h100_pcie,H100,1.0,26.0,200.0,3.29,us-east-1,,
gpu_8x_h100_sxm5,H100,8.0,208.0,1800.0,31.92,us-east-1,,
gpu_1x_rtx6000,RTX6000,1.0,14.0,46.0,0.69,us-east-1,,
gpu_1x_b200,B200,1.0,26.0,360.0,6990,us-east-1,,
"""
PRIME = """InstanceType,Id,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,Zone,Price,SpotPrice
one,x,22.0,120,A100-80GB,1.0,"{""Gpus"":[]}",FI,FIN-01,1.12,
one_spot,x,22.0,120,A100-80GB,1.0,"{""Gpus"":[]}",FI,FIN-01,,0.53
odd,x,22.0,120,H100,0,"{}",FI,FIN-01,2,
odd,x,22.0,120,H200,nan,"{}",FI,FIN-01,2,
odd,x,22.0,120,H200,1,"{}",FI,FIN-01,free,
odd,x,22.0,120,L40S,1,"{}",FI,FIN-01,0.001,
"""


def test_the_cheapest_machine_of_a_known_type_counts_by_gpu() -> None:
    assert parse("lambda", LAMBDA.splitlines()) == {"A100-40GB": 1_990_000, "A100-80GB": 2_790_000, "H100-80GB": 3_290_000}


def test_spot_prices_and_what_is_no_price_are_left_out() -> None:
    assert parse("prime_intellect", PRIME.splitlines()) == {"A100-80GB": 1_120_000}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the columns AcceleratorCount, AcceleratorName, Price are not all there"),
        ("<html>\n404\n", "the columns"),
        ("AcceleratorName,AcceleratorCount,Price\n", "no GPU of a known type"),
        ("AcceleratorName,AcceleratorCount,Price\n" + "x" * 200_000, "field larger than"),
        ("AcceleratorName,AcceleratorCount,Price\nH100,1,0\nV100,1,1\n", "no GPU of a known type"),
    ],
)
def test_what_is_no_catalogue_is_refused(text: str, why: str) -> None:
    with pytest.raises(CatalogueInvalid, match=why):
        parse("lambda", text.splitlines())


class Served:
    """A web server with catalogues; `answers` may change under it."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append(self.path)
                body = served.answers.get(self.path)
                self.send_response(404 if body is None else 200)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *arguments: object) -> None: ...

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/catalogs/v8/"


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    with made.http:
        threading.Thread(target=made.http.serve_forever, daemon=True).start()
        yield made
        made.http.shutdown()


async def stored(core: Core) -> dict[tuple[str, str], int]:
    async with core.db.read() as session:
        rows = (await session.exec(select(ProviderRate))).all()
    return {(row.provider, row.gpu_type): row.rate_micros_per_hour for row in rows}


async def test_each_providers_catalogue_is_fetched_and_a_bad_one_leaves_what_was(core: Core, served: Served) -> None:
    core.settings.rates_refresh_url = served.url
    served.answers = {
        "/catalogs/v8/lambda/vms.csv": LAMBDA.encode(),
        "/catalogs/v8/primeintellect/vms.csv": PRIME.encode(),
        "/catalogs/v8/runpod/vms.csv": b"\xff\xfe",
    }
    done = await catalogue.refresh(core)
    assert done.stored == {"prime_intellect": 1, "lambda": 3} and list(done.failed) == ["runpod"]
    before = await stored(core)
    assert before["prime_intellect", "A100-80GB"] == 1_120_000
    served.answers["/catalogs/v8/lambda/vms.csv"] = b"AcceleratorName,AcceleratorCount,Price\nH100,1,2.5\n"
    served.answers["/catalogs/v8/primeintellect/vms.csv"] = b"AcceleratorName,AcceleratorCount,Price\nH100,1,99\n"
    done = await catalogue.refresh(core)
    assert done.failed["prime_intellect"] == "no GPU of a known type has a plausible price there"
    assert await stored(core) == {("lambda", "H100-80GB"): 2_500_000, ("prime_intellect", "A100-80GB"): 1_120_000}
    served.answers = {}
    with pytest.raises(Unavailable, match="No catalogue could be fetched from"):
        await catalogue.refresh(core)
    assert len(await stored(core)) == 2


async def test_a_catalogue_that_does_not_end_is_broken_off(core: Core, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "MAX_BYTES", 1000)
    core.settings.rates_refresh_url = served.url
    served.answers = {f"/catalogs/v8/{cloud}/vms.csv": b"x" * 5000 for cloud in catalogue.CLOUDS.values()}
    with pytest.raises(Unavailable, match="more than 1000 bytes"):
        await catalogue.refresh(core)
    assert await stored(core) == {}


async def test_it_is_due_when_what_is_stored_is_too_old(core: Core) -> None:
    assert await catalogue._is_due(core)
    async with core.db.transaction() as session:
        row = ProviderRate(provider="lambda", gpu_type="H100-80GB", rate_micros_per_hour=1, fetched_at=clock.now())
        session.add(row)
    assert not await catalogue._is_due(core)
    async with core.db.transaction() as session:
        (row,) = (await session.exec(select(ProviderRate))).all()
        row.fetched_at = clock.now() - timedelta(hours=25)
        session.add(row)
    assert await catalogue._is_due(core)


async def test_of_many_hosts_one_fetches(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: dict[str, str] = {}

    async def set_(name: str, value: str, *, nx: bool, ex: int) -> bool | None:
        assert nx and ex == catalogue.CLAIM_S
        if name in keys:
            return None
        keys[name] = value
        return True

    monkeypatch.setattr(core.redis, "set", set_)
    assert [await catalogue._claim(core) for _ in range(3)] == [True, False, False]


async def test_without_a_url_nothing_is_fetched(core: Core) -> None:
    await catalogue.refresh_forever(core)
    assert await stored(core) == {}


async def test_without_the_broker_it_is_fetched_nevertheless(core: Core) -> None:
    assert await catalogue._claim(core) is True

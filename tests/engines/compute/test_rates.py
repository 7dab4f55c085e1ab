"""The operator's file of rates: what it may say, what is told of a mistake, and when a change counts."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from burnish.kit.core import Core
from burnish.kit.settings import Settings
from engines.compute import rates
from engines.compute.hardware import Shape
from engines.compute.local import Gpu, Inventory

USD = 1_000_000


@pytest.fixture
def file(settings: Settings) -> Path:
    return settings.home / "rates.toml"


def read(file: Path, text: str) -> rates.Table:
    file.write_text(text)
    return rates.read(file)


def test_a_file_names_providers_types_and_dollars(file: Path) -> None:
    text = '[local]\ncpu = "0.05"\nH100 = 2\n\n[runpod]\n"L40S-48GB" = 0.790001\nB200 = false\n'
    assert read(file, text) == {
        ("local", "CPU"): 50_000,
        ("local", "H100-80GB"): 2 * USD,
        ("runpod", "L40S-48GB"): 790_001,
        ("runpod", "B200-180GB"): None,
    }
    assert read(file, "# nothing\n") == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[local]\nCPU = 0.1\nH100 = -1\n", "3: [local] H100: '-1' is no rate: dollars from 0 to 1000, at most six decimals."),
        ("[local]\nCPU = 1001\n", "2: [local] CPU: '1001' is no rate"),
        ("[local]\nCPU = 0.0000001\n", "2: [local] CPU: '1E-7' is no rate"),
        ("[local]\nCPU = nan\n", "2: [local] CPU: 'NaN' is no rate"),
        ("[local]\nCPU = true\n", "2: [local] CPU: 'True' is no rate"),
        ('[local]\nCPU = "dear"\n', "2: [local] CPU: 'dear' is no rate"),
        ("[local]\nCPU = [1]\n", "2: [local] CPU: '[1]' is no rate"),
        ("[lambda]\n\n\nH900 = 1\n", "4: [lambda] H900: no such GPU type; there are CPU, T4-16GB"),
        ("[local]\nCPU = 1\n[azure]\nCPU = 1\n", "3: 'azure' is no provider; there are [prime_intellect], [lambda]"),
        ("runpod = 3\n", "1: 'runpod' is no provider"),
        ("[runpod]\nH100 = 1\nH100-80GB = 2\n", "3: [runpod] H100-80GB: H100-80GB is there twice."),
    ],
)
def test_a_mistake_is_told_with_its_line(file: Path, text: str, told: str) -> None:
    with pytest.raises(rates.Unreadable) as caught:
        read(file, text)
    assert str(caught.value).startswith(f"{file}:{told}")


def test_what_is_no_toml_or_no_file_is_told(file: Path, settings: Settings) -> None:
    with pytest.raises(rates.Unreadable, match=r"rates\.toml: .*line 2"):
        read(file, "[local]\nCPU = \n")
    file.write_bytes(b"\xff")
    with pytest.raises(rates.Unreadable, match="utf-8"):
        rates.read(file)
    file.unlink()
    assert rates.check(settings) is None
    settings.rates_file = file
    with pytest.raises(rates.Unreadable, match=r"rates\.toml: No such file or directory"):
        rates.check(settings)


def test_own_hardware_costs_what_the_file_says_over_the_settings(file: Path, settings: Settings) -> None:
    assert rates.own_micros(settings, Shape("H100-80GB", 2)) == 4 * USD
    file.write_text("[local]\nH100 = 2.5\n")
    assert rates.own_micros(settings, Shape("H100-80GB", 2)) == 5 * USD
    assert rates.own_micros(settings, Shape("L4-24GB", 1)) == 2 * USD
    assert rates.own_micros(settings, Shape("CPU", 1)) == 100_000
    settings.cpu_fallback = False
    host = Inventory(settings, (Gpu(0, "H100-80GB"),))
    placed = host.take("job_1", Shape("H100-80GB", 1))
    assert placed is not None and placed.rate_micros_per_hour == 2_500_000


def test_a_change_counts_at_once_and_a_mistake_leaves_what_was(file: Path, settings: Settings) -> None:
    cpu = Shape("CPU", 1)
    file.write_text("[local]\nCPU = 1\n")
    assert rates.own_micros(settings, cpu) == USD
    file.write_text("[local]\nCPU = 22\n")
    assert rates.own_micros(settings, cpu) == 22 * USD
    file.write_text("[local]\nCPU = two\n")
    with capture_logs() as logs:
        assert [rates.own_micros(settings, cpu) for _ in range(3)] == [22 * USD] * 3
    assert [entry["event"] for entry in logs] == ["rates_file_unreadable"]
    file.write_text("[local]\nCPU = 3\n")
    os.utime(file, ns=(1, 1))
    assert rates.own_micros(settings, cpu) == 3 * USD
    file.unlink()
    assert rates.own_micros(settings, cpu) == 100_000


@pytest.mark.anyio
async def test_the_defaults_carry_their_date_and_the_rates_of_the_contract(core: Core) -> None:
    async with core.db.read() as session:
        book = await rates.book(session, core.settings, frozenset({"L4-24GB"}))
    found = book.find("prime_intellect", "A100-80GB")
    assert found is not None
    assert (found.micros_per_hour, found.source, found.at.date().isoformat()) == (3_400_000, "default", "2026-04-14")
    own = {gpu: rate.micros_per_hour for (provider, gpu), rate in book.rates.items() if provider == "local"}
    assert own == {"CPU": 100_000, "L4-24GB": 2 * USD}
    assert book.find("lambda", "T4-16GB") is None

import pytest

from burnish.kit.errors import Invalid
from burnish.kit.settings import Settings
from engines.compute import hardware, local
from engines.compute.hardware import Shape
from engines.compute.local import Gpu, Inventory
from resolvers.hardware import GpuInput, shape_of


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("h100", "H100-80GB"), ("H100-80GB", "H100-80GB"), ("H100_80GB", "H100-80GB"), ("h100 80gb", "H100-80GB"),
        ("A100", "A100-80GB"), ("a100-40gb", "A100-40GB"), ("rtx6000", "RTX6000-48GB"), ("RTX PRO 6000", "RTXPRO6000-96GB"),
        ("l4", "L4-24GB"), ("L40S", "L40S-48GB"), ("T4", "T4-16GB"), ("cpu", "CPU"), ("B300", "B300-270GB"),
        ("H200", "H200-141GB"),
    ],
)  # fmt: skip
def test_a_type_is_known_however_it_is_written(written: str, meant: str) -> None:
    assert shape_of(GpuInput(type=written, count=2)) == Shape(meant, 2)


@pytest.mark.parametrize("written", ["V100", "H100-40GB", "A10", "L40", "GPU", "80GB", "-", "H"])
def test_an_unknown_type_is_refused(written: str) -> None:
    with pytest.raises(Invalid) as caught:
        shape_of(GpuInput(type=written, count=1))
    assert caught.value.code == "INVALID_GPU_TYPE"


@pytest.mark.parametrize(
    ("device", "type_"),
    [
        ("NVIDIA H100 80GB HBM3", "H100-80GB"), ("NVIDIA H100 PCIe", "H100-80GB"), ("NVIDIA H200", "H200-141GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"), ("NVIDIA A100-SXM4-80GB", "A100-80GB"), ("NVIDIA A100 80GB PCIe", "A100-80GB"),
        ("NVIDIA L4", "L4-24GB"), ("NVIDIA L40S", "L40S-48GB"), ("Tesla T4", "T4-16GB"), ("NVIDIA B200", "B200-180GB"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX6000-48GB"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTXPRO6000-96GB"),
        ("NVIDIA L40", None), ("NVIDIA T400 4GB", None), ("NVIDIA GH200 480GB", None), ("NVIDIA A1000 Laptop GPU", None),
        ("NVIDIA GeForce RTX 4090", None), ("", None),
    ],
)  # fmt: skip
def test_a_device_is_known_by_its_drivers_name_and_never_taken_for_another(device: str, type_: str | None) -> None:
    assert hardware.canonical_of_device(device) == type_


def settings(*, fallback: bool, slots: int = 2) -> Settings:
    return Settings(cpu_fallback=fallback, cpu_slots=slots, cpu_usd_per_hour="0.10", gpu_usd_per_hour="2.00")


GPUS = (Gpu(0, "H100-80GB"), Gpu(1, "H100-80GB"), Gpu(2, "L4-24GB"))


def test_gpus_are_taken_once_and_given_back() -> None:
    host = Inventory(settings(fallback=False), GPUS)
    first = host.take("a", Shape("H100-80GB", 1))
    assert first is not None
    assert (first.gpu_indices, first.device, first.rate_micros_per_hour) == ((0,), "cuda", 2_000_000)
    assert host.take("b", Shape("H100-80GB", 2)) is None
    second = host.take("b", Shape("H100-80GB", 1))
    assert second is not None
    assert second.gpu_indices == (1,)
    host.give_back("a")
    host.give_back("a")
    host.give_back("b")
    both = host.take("c", Shape("H100-80GB", 2))
    assert both is not None
    assert (both.gpu_indices, both.rate_micros_per_hour) == ((0, 1), 4_000_000)


def test_taking_again_returns_what_the_resource_has() -> None:
    host = Inventory(settings(fallback=False), GPUS)
    first = host.take("a", Shape("H100-80GB", 1))
    assert host.take("a", Shape("L4-24GB", 1)) == first
    assert host.take("b", Shape("L4-24GB", 1)) is not None


def test_with_the_fallback_anything_runs_on_a_slot_and_costs_what_one_costs() -> None:
    host = Inventory(settings(fallback=True), ())
    placed = [host.take(name, Shape("H100-80GB", 8)) for name in ("a", "b", "c")]
    assert [place and (place.shape, place.device, place.rate_micros_per_hour) for place in placed] == [
        (Shape("CPU", 1), "cpu", 100_000),
        (Shape("CPU", 1), "cpu", 100_000),
        None,
    ]
    assert not host.has_room()
    host.give_back("b")
    assert host.take("c", Shape("CPU", 1)) is not None


def test_a_host_knows_what_it_could_ever_run() -> None:
    host = Inventory(settings(fallback=False), GPUS)
    assert [host.could_ever(Shape(*shape)) for shape in (("H100-80GB", 2), ("H100-80GB", 3), ("A100-80GB", 1), ("CPU", 1))] == [
        True,
        False,
        False,
        True,
    ]
    assert Inventory(settings(fallback=True), ()).could_ever(Shape("A100-80GB", 8))


def test_the_fallback_is_what_the_setting_says_else_where_no_gpu_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "detect", lambda: GPUS)
    assert [local.falls_back(Settings(cpu_fallback=choice)) for choice in (None, True, False)] == [False, True, False]
    monkeypatch.setattr(local, "detect", lambda: ())
    assert [local.falls_back(Settings(cpu_fallback=choice)) for choice in (None, True, False)] == [True, True, False]

import threading

import pytest

from burnish.kit import clock, ids


def test_ids_sort_by_the_order_they_were_made_even_within_a_microsecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_micros", lambda: 1_800_000_000_000_000)
    made = [ids.new("job") for _ in range(2000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_go_on_rising_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids.new("job")
    monkeypatch.setattr(clock, "now_micros", lambda: 1_000_000)
    assert ids.new("job") > before


def test_ids_of_different_moments_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)
    moments = [1, 1_000, 999_000_000, 1_800_000_000_000_000, 4_000_000_000_000_000]
    made = []
    for moment in moments:
        monkeypatch.setattr(clock, "now_micros", lambda moment=moment: moment)
        made.append(ids.new("x"))
    assert made == sorted(made)


def test_a_uuid_has_version_7_the_variant_and_its_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(clock, "now_micros", lambda: 1_800_000_000_123_456)
    value = ids.uuid7()
    assert (value >> 76 & 0xF, value >> 62 & 0b11, value >> 80) == (7, 0b10, 1_800_000_000_123)


def test_threads_never_make_the_same_id() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend(ids.new("t") for _ in range(500))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 4000


def test_an_id_is_recognised_by_its_prefix_and_shape() -> None:
    made = ids.new("job")
    assert len(made) == len("job_") + 26
    assert ids.is_id(made, "job")
    assert not ids.is_id(made, "dep")


@pytest.mark.parametrize(
    "text", ["", "job_", "job_abc", "job_" + "u" * 26, "JOB_" + "0" * 26, "job_" + "0" * 26 + "\n", "job-" + "0" * 26]
)
def test_other_texts_are_no_ids(text: str) -> None:
    assert not ids.is_id(text, "job")

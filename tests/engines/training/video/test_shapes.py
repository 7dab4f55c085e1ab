"""What of a clip is trained on."""

from fractions import Fraction
from itertools import islice
from typing import Any

import pytest

from engines.training.video_batches import Batches
from engines.training.video_shapes import Shape, cover, frame_counts, frames_at, least_frames, shape_for, taken
from engines.training.video_spec import PIXELS_AT_ONCE, VideoHyperparameters


def hyper(**given: Any) -> VideoHyperparameters:
    return VideoHyperparameters.model_validate(given)


@pytest.mark.parametrize(
    ("count", "rate", "fps", "expected"),
    [(49, 8, 8, 49), (49, 30, 8, 14), (49, 24, 8, 17), (48, 24, 8, 16), (49, 4, 8, 49), (1, 30, 8, 1), (9, None, 8, 9)],
)
def test_every_so_many_th_frame_is_taken_and_none_twice(count: int, rate: int | None, fps: int, expected: int) -> None:
    given = None if rate is None else Fraction(rate)
    assert frames_at(count, given, fps) == expected
    numbers = list(islice(taken(given, fps), expected + 1))
    assert numbers[-2] < count <= numbers[-1]
    assert len(set(numbers)) == len(numbers)


def test_frames_of_a_rate_that_does_not_divide_are_spread_evenly() -> None:
    assert list(islice(taken(Fraction(30000, 1001), 8), 6)) == [0, 3, 7, 11, 14, 18]


def test_without_buckets_every_clip_has_the_jobs_shape() -> None:
    asked = hyper(num_frames=49, height=480, width=720)
    assert shape_for(asked, 49, 1080, 1920) == shape_for(asked, 60, 720, 405) == Shape(49, 480, 720)
    assert shape_for(asked, 48, 480, 720) is None
    assert least_frames(asked) == 49


def test_with_buckets_a_clip_keeps_about_its_aspect_and_what_it_has_of_frames() -> None:
    asked = hyper(num_frames=49, height=480, width=720, buckets=True)
    assert frame_counts(asked) == [49, 37, 25, 13]
    assert shape_for(asked, 49, 1080, 1920) == Shape(49, 448, 784)
    assert shape_for(asked, 30, 1920, 1080) == Shape(25, 784, 448)
    assert shape_for(asked, 13, 500, 500) == Shape(13, 592, 592)
    assert shape_for(asked, 48, 481, 720) == Shape(37, 480, 720)
    assert shape_for(asked, 12, 480, 720) is None
    assert least_frames(asked) == 13


def test_every_bucket_can_be_trained_and_has_about_the_pixels_that_were_asked_for() -> None:
    asked = hyper(num_frames=9, height=256, width=256, buckets=True)
    assert frame_counts(asked) == [9, 5]
    for height, width in ((100, 400), (100, 250), (100, 100), (300, 100), (1, 999)):
        found = shape_for(asked, 9, height, width)
        assert found is not None
        assert found.height % PIXELS_AT_ONCE == found.width % PIXELS_AT_ONCE == 0
        assert abs(found.height * found.width / (256 * 256) - 1) < 0.1


def test_one_frame_is_enough_only_where_one_is_asked_for() -> None:
    assert frame_counts(hyper(num_frames=1, buckets=True)) == [1]
    assert frame_counts(hyper(num_frames=5, buckets=True)) == [5]


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(100, 200, (32, 64)), (200, 100, (64, 32)), (33, 32, (33, 32)), (8, 8, (32, 32))]
)
def test_a_picture_is_scaled_to_just_cover_its_shape(height: int, width: int, expected: tuple[int, int]) -> None:
    assert cover(height, width, Shape(1, 32, 32)) == expected


def test_an_epoch_takes_each_clip_once_in_batches_of_one_shape() -> None:
    shapes = ["wide"] * 5 + ["tall"] * 2
    batches = Batches(shapes, 2, seed=7)
    assert batches.per_epoch == 4
    epochs = [[batches.at(epoch * 4 + place) for place in range(4)] for epoch in range(3)]
    for epoch in epochs:
        assert sorted(clip for batch in epoch for clip in batch) == list(range(7))
        assert sorted(map(len, epoch)) == [1, 2, 2, 2]
        assert all(len({shapes[clip] for clip in batch}) == 1 for batch in epoch)
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_clips_of_a_step_hang_on_the_seed_and_the_step_alone() -> None:
    straight, resumed = Batches(["a"] * 9, 2, seed=7), Batches(["a"] * 9, 2, seed=7)
    wanted = [straight.at(step) for step in range(12)]
    assert [resumed.at(step) for step in range(8, 12)] == wanted[8:]
    other = Batches(["a"] * 9, 2, seed=8)
    assert [other.at(step) for step in range(12)] != wanted

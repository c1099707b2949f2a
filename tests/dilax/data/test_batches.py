import dataclasses
import multiprocessing
import os
import signal
from typing import Any

import numpy as np
import pytest

from dilax.data import Augmentation, Example, Normalization, Slab, Source, Volume
from dilax.data.bad_samples import BadSamples
from dilax.data.built_in import slab_source
from dilax.data.examples import InMemory
from dilax.errors import ArgumentError

Batch = dict[str, np.ndarray]

CHANGES = Augmentation(scale=(0.5, 2.0), brightness=0.3, contrast=0.3, saturation=0.3, hue=0.2)


def _source(count: int = 7, **changes: Any) -> Source:
    """Pictures of noise, whose label is their number."""
    rng = np.random.default_rng(8)
    pictures = [
        Example(rng.random((9 + n, 14 - n, 3)).astype(np.float32), np.full((9 + n, 14 - n), n, np.int32), f"p{n}")
        for n in range(count)
    ]
    fields: dict[str, Any] = {
        "class_names": tuple("abcdefghijk"[:count]), "in_channels": 3, "spatial_rank": 2, "ignore_index": 255,
        "training_examples": InMemory(pictures), "evaluation_examples": InMemory(pictures),
        "normalization": Normalization((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)),
    }  # fmt: skip
    return Source("numbered", **{**fields, **changes})


def _batches(source: Source, **changes: Any) -> Any:
    arguments: dict[str, Any] = {"batch_size": 4, "seed": 5, "crop": (5, 6), "augmentation": CHANGES}
    return iter(source.training(**{**arguments, **changes}))


def _take(iterator: Any, count: int) -> list[Batch]:
    return [next(iterator) for _ in range(count)]


def _same(left: list[Batch], right: list[Batch]) -> bool:
    return len(left) == len(right) and all(
        np.array_equal(a[key], b[key]) for a, b in zip(left, right, strict=True) for key in ("image", "labels")
    )


def test_batches_have_the_stated_shapes() -> None:
    batch = next(_batches(_source()))
    assert {key: (value.shape, value.dtype.name) for key, value in batch.items()} == {
        "image": ((4, 5, 6, 3), "float32"),
        "labels": ((4, 5, 6), "int32"),
    }


def test_an_epoch_has_every_example_once_and_the_next_another_order() -> None:
    batches = _take(_batches(_source(repeats=4), augmentation=Augmentation(flip=False)), 14)
    numbers = np.concatenate([batch["labels"][:, 2, 2] for batch in batches])
    for epoch in (numbers[:28], numbers[28:]):
        np.testing.assert_array_equal(np.bincount(epoch), [4] * 7)
    assert not np.array_equal(numbers[:28], numbers[28:])
    assert _source(repeats=4).batches_per_epoch(4) == 7
    assert _source(repeats=4).batches_per_epoch(5) == 6


def test_epochs_differ_and_seeds_differ_and_one_seed_repeats() -> None:
    source = _source(1)
    first = _take(_batches(source, batch_size=1), 6)
    assert _same(first, _take(_batches(source, batch_size=1), 6))
    assert not _same(first[:1], first[1:2])
    assert not _same(first, _take(_batches(source, batch_size=1, seed=6), 6))


def test_the_order_goes_on_from_every_position() -> None:
    source, states, batches = _source(), [], []
    iterator = _batches(source)
    for _ in range(9):
        states.append(iterator.get_state())
        batches.append(next(iterator))
    assert states == [{"position": 4 * step} for step in range(9)]
    for done, state in enumerate(states):
        resumed = _batches(source)
        resumed.set_state(state)
        assert resumed.get_state() == state
        assert _same(batches[done:], _take(resumed, 9 - done))
    iterator.set_state(states[2])  # back, in the middle of reading ahead
    assert _same(batches[2:], _take(iterator, 7))


def test_any_number_of_processes_gives_the_same_batches_and_takes_up_any_state() -> None:
    source = _source()
    whole = _take(_batches(source), 6)
    done, state = 0, {"position": 0}
    for count in (1, 2, 4, 1):
        shares = [_batches(source, process_index=index, process_count=count) for index in range(count)]
        for share in shares:
            share.set_state(state)
        parts = [_take(share, 2) for share in shares]
        joined = [
            {key: np.concatenate([part[step][key] for part in parts]) for key in ("image", "labels")}
            for step in range(2)
        ]
        assert _same(joined, whole[done : done + 2])
        states = [share.get_state() for share in shares]
        assert states == [states[0]] * count
        done, state = (done + 1, {"position": 4 * (done + 1)})  # overlapping, so that six batches are enough


def test_another_batch_size_goes_on_with_the_next_sample() -> None:
    source = _source()
    samples = np.concatenate([batch["image"] for batch in _take(_batches(source, batch_size=1), 14)])
    iterator = _batches(source, batch_size=4)
    first = _take(iterator, 2)
    resumed = _batches(source, batch_size=6)
    resumed.set_state(iterator.get_state())
    found = np.concatenate([batch["image"] for batch in [*first, next(resumed)]])
    np.testing.assert_array_equal(found, samples)


@pytest.mark.slow  # two Python processes start
def test_worker_processes_give_the_same_batches() -> None:
    source = _source()
    iterator = _batches(source, workers=2)
    iterator.set_state({"position": 8})
    assert _same(_take(iterator, 3), _take(_batches(source), 5)[2:])
    assert iterator.get_state() == {"position": 20}
    iterator.close()


@pytest.mark.slow  # Python processes start
def test_when_worker_processes_end_others_take_their_place(caplog: pytest.LogCaptureFixture) -> None:
    source = _source()
    iterator, found = _batches(source, workers=2), []
    for send in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        found += _take(iterator, 2)  # each of them is at work
        for worker in multiprocessing.active_children():
            os.kill(worker.pid or 0, send)
        found += _take(iterator, 8)  # more than were ready
    assert _same(found, _take(_batches(source), 30))
    ends = [-send for send in (signal.SIGTERM, signal.SIGKILL)]  # an interrupt is left to the process that has them
    assert [record.message for record in caplog.records] == [
        f"a process that prepares batches ended (exit code {end}); others take its place" for end in ends
    ]
    iterator.close()


def _end(*_: Any) -> Any:
    os._exit(3)


@pytest.mark.slow  # Python processes start
def test_worker_processes_that_always_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    iterator = _batches(_source(), workers=1)
    monkeypatch.setattr(iterator, "_stream", dataclasses.replace(iterator._stream, prepare=_end))
    with pytest.raises(ArgumentError) as caught:
        next(iterator)
    assert str(caught.value) == (
        "training: workers=1 gave processes that ended 3 times (exit code 3); see whether they have memory enough, "
        "or pass 0."
    )


def test_a_closed_iterator_gives_nothing() -> None:
    iterator = _batches(_source())
    iterator.start_prefetch()
    next(iterator)
    iterator.close()
    with pytest.raises(ValueError, match="closed iterator"):
        next(iterator)


def _numbered_volume() -> tuple[Volume, Source]:
    shape = (9, 20, 8)
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    volume = Volume(image, image.astype(np.int32) % 3, np.eye(4), ("a", "b", "c"))
    return volume, slab_source("numbered", volume, Slab(1, 7, 13), samples=12, bad=BadSamples("raise", 0))


def test_samples_of_a_volume_are_flipped_boxes_with_their_labels() -> None:
    volume, source = _numbered_volume()
    flipped = set()
    for batch in _take(_batches(source, crop=(5, 4, 6), augmentation=None), 15):
        for image, labels in zip(batch["image"][..., 0], batch["labels"], strict=True):
            corner = np.unravel_index(int(image.min()), volume.image.shape)
            box = volume.image[tuple(slice(c, c + n) for c, n in zip(corner, (5, 4, 6), strict=True))]
            signs = [int(np.sign(np.diff(image, axis=axis)).flat[0]) for axis in range(3)]
            np.testing.assert_array_equal(image, box[tuple(slice(None, None, sign) for sign in signs)])
            np.testing.assert_array_equal(labels, image.astype(np.int32) % 3)
            flipped.add(tuple(signs))
    assert len(flipped) == 8


def test_samples_come_from_every_place_beside_the_slab_and_from_no_other() -> None:
    volume, source = _numbered_volume()
    seen = set()
    for batch in _take(_batches(source, batch_size=16, crop=5, augmentation=None), 16):
        planes = np.unravel_index(batch["image"].astype(int), volume.image.shape)[1]
        seen |= {tuple(np.unique(patch)) for patch in planes}
    assert seen == {tuple(range(start, start + 5)) for start in (0, 1, 2, 13, 14, 15)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 3, "process_count": 2},
         "training: batch_size=3 is no positive multiple of 2 processes; pass e.g. 4."),
        ({"batch_size": 0}, "training: batch_size=0 is no positive multiple of 1 processes; pass e.g. 1."),
        ({"seed": -1}, "training: seed=-1 is outside 0 to 2**32 - 1; pass e.g. 0."),
        ({"workers": -1}, "training: workers=-1 is negative; pass 0 or more."),
        ({"crop": (4, 5, 6)},
         "training: crop=(4, 5, 6) is no length for each of the 2 axes of numbered; pass e.g. (32, 32)."),
        ({"crop": 0}, "training: crop=0 is no length for each of the 2 axes of numbered; pass e.g. (32, 32)."),
        ({"process_index": 2, "process_count": 2},
         "training: process_index=2 is none of 2 processes; pass 0 to process_count - 1."),
    ],
)  # fmt: skip
def test_errors(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        _batches(_source(), **arguments)
    assert str(caught.value) == message


def test_colour_changes_of_a_grey_volume_and_crops_beyond_it() -> None:
    _, source = _numbered_volume()
    with pytest.raises(ArgumentError) as caught:
        _batches(source, crop=3, augmentation=Augmentation(hue=0.1))
    assert str(caught.value) == (
        "training: augmentation=Augmentation(scale=(1.0, 1.0), flip=True, brightness=0.0, contrast=0.0, "
        "saturation=0.0, hue=0.1) changes colours, and numbered has 1 channel; leave saturation and hue at 0."
    )
    with pytest.raises(ArgumentError) as caught:
        _batches(source, crop=(9, 8, 8), augmentation=None)
    assert str(caught.value) == (
        "training: crop=(9, 8, 8) does not fit into the training part of numbered; pass at most (9, 7, 8)."
    )


@pytest.mark.parametrize("state", [{"next_index": 3}, {"position": -1}, {"position": "3"}, {}])
def test_a_state_of_another_iterator(state: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError) as caught:
        _batches(_source()).set_state(state)
    assert str(caught.value) == (
        f"set_state: state={state!r} is no position in the order of samples; pass what get_state returned."
    )


def test_shares_of_an_evaluation_have_every_example_once() -> None:
    source = _source()
    for count in (1, 2, 3, 9):
        shares = [source.evaluation(process_index=index, process_count=count) for index in range(count)]
        assert sum(len(share) for share in shares) == 7
        found = {example.name: example for share in shares for example in share}
        assert sorted(found) == [f"p{n}" for n in range(7)]
        for n in range(7):
            raw = source.evaluation_examples.read(n)
            expected = (raw.image.astype(np.float64) - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
            np.testing.assert_allclose(found[f"p{n}"].image, expected, atol=1e-5)
            np.testing.assert_array_equal(found[f"p{n}"].labels, raw.labels)

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dilax.data import Source, load_source
from dilax.errors import BadSample, FileError

from .making import make_folder, save_image, save_mask

CLASSES = ("ground", "cat", "dog")
NAMES = [f"n{number}" for number in range(8)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight pairs, of which n3 and n5 are evaluated."""
    make_folder(tmp_path)
    (tmp_path / "val.txt").write_text("n3\nn5\n")
    return tmp_path


def _load(folder: Path, **arguments: Any) -> Source:
    return load_source(f"folder:{folder}", {"class_names": CLASSES, "evaluation_list": "val.txt"}, **arguments)


def _batches(source: Source, count: int, *, size: int = 3, **arguments: Any) -> list[dict[str, np.ndarray]]:
    iterator = iter(source.training(batch_size=size, seed=4, crop=(7, 6), **arguments))
    return [next(iterator) for _ in range(count)]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _two_frames(path: Path) -> None:
    frame = Image.fromarray(np.zeros((13, 14, 3), np.uint8))
    file = io.BytesIO()
    frame.save(file, "TIFF", save_all=True, append_images=[frame])
    path.write_bytes(file.getvalue())


def _fractions(path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.zeros((13, 14), np.float32)).save(file, "TIFF")
    path.write_bytes(file.getvalue())


BREAKS: list[tuple[str, Callable[[Path], Any], str]] = [
    ("images", lambda path: path.write_bytes(b""), "has no bytes"),
    ("images", lambda path: path.write_bytes(b"<html>"), "is no image of a known kind"),
    ("images", lambda path: path.unlink(), "does not exist"),
    ("images", _cut, "cannot be read as an image ("),
    ("images", _two_frames, "holds 2 images, and not one"),
    ("images", _fractions, "holds fractions, and no values of 8 or 16 bits"),
    ("masks", _cut, "cannot be read as an image ("),
    ("masks", lambda path: save_mask(path, np.eye(14, 13)), "has 14 x 13 labels, where its image has 13 x 14 values"),
    (
        "masks", lambda path: save_mask(path, np.eye(13, 14) * 7),
        "has the label 7 at (0, 0), where classes are 0 to 2 and 255 is ignored",
    ),
    (
        "masks", lambda path: save_image(path, (13, 14), seed=0),
        "holds colours (RGB), and no classes; say the colour of each class",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "spoil", "rule"), BREAKS)
def test_a_bad_sample_is_named_with_its_reason(
    folder: Path, kind: str, spoil: Callable[[Path], Any], rule: str
) -> None:
    path = folder / kind / "n3.png"
    source = _load(folder)
    spoil(path)
    with pytest.raises(BadSample) as caught:
        list(source.evaluation())
    message = f"read_example: {str(path)!r} {rule}"
    if not rule.endswith("("):  # Pillow's own words follow
        message += "; repair or remove it, or pass bad_samples='skip'."
    assert str(caught.value).startswith(message)
    if path.exists():  # else the pair is no pair
        skipping = _load(folder, bad_samples="skip")
        assert [example.name for example in skipping.evaluation()] == ["n5"]
        assert list(skipping.skipped) == ["n3"]
        assert skipping.skipped["n3"].startswith(f"{path} {rule}")


def test_a_colour_without_a_class_is_named(tmp_path: Path) -> None:
    for name in "ab":
        save_image(tmp_path / "images" / f"{name}.png", (4, 5), seed=0)
        labels = np.zeros((4, 5))
        labels[2, 3] = 16
        save_mask(tmp_path / "masks" / f"{name}.png", labels)
    (tmp_path / "val.txt").write_text("a")
    source = load_source(
        f"folder:{tmp_path}", {"class_names": ("x",), "colors": ("#000000",), "evaluation_list": "val.txt"}
    )
    with pytest.raises(BadSample) as caught:
        source.training_examples.read_labels(0)
    assert caught.value.rule == "has the colour #101010 at (2, 3), which stands for no class"
    Image.fromarray(labels.astype(np.uint16)).save(tmp_path / "masks" / "b.png")
    with pytest.raises(BadSample) as caught:
        source.training_examples.read_labels(0)
    assert caught.value.rule == "holds values of 16 bits, and no colours"


def test_training_stops_at_a_bad_sample(folder: Path) -> None:
    source = _load(folder)
    _cut(folder / "images" / "n6.png")
    with pytest.raises(BadSample) as caught:
        _batches(source, 2)
    assert caught.value.path == str(folder / "images" / "n6.png")


def _skipping(folder: Path, **arguments: Any) -> Source:
    _cut(folder / "images" / "n6.png")
    save_mask(folder / "masks" / "n1.png", np.full((11, 16), 9))
    return _load(folder, bad_samples="skip", **arguments)


def test_others_take_the_place_of_bad_samples_and_the_good_stay_where_they_are(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = _batches(_load(folder), 8)
    source = _skipping(folder)
    with caplog.at_level("WARNING"):
        found = _batches(source, 8)
    same = [
        np.array_equal(a["image"][row], b["image"][row]) for a, b in zip(whole, found, strict=True) for row in range(3)
    ]
    # Six training examples, each four times in 24 samples, and two of the six are bad.
    assert same.count(False) == 8
    assert set(source.skipped) == {"n1", "n6"}
    assert sorted(record.getMessage() for record in caplog.records) == [
        f"skipped {name}: {reason}" for name, reason in sorted(source.skipped.items())
    ]
    assert source.skipped["n1"] == (
        f"{folder}/masks/n1.png has the label 9 at (0, 0), where classes are 0 to 2 and 255 is ignored"
    )


def test_the_order_with_bad_samples_resumes_at_every_step_and_in_any_number_of_processes(folder: Path) -> None:
    source = _skipping(folder)
    whole = _batches(source, 6, size=4)
    for done in range(6):
        resumed = iter(source.training(batch_size=4, seed=4, crop=(7, 6)))
        resumed.set_state({"position": 4 * done})
        for expected in whole[done:]:
            np.testing.assert_array_equal(next(resumed)["image"], expected["image"])
    halves = [_batches(source, 6, size=4, process_index=index, process_count=2) for index in range(2)]
    for expected, *parts in zip(whole, *halves, strict=True):
        np.testing.assert_array_equal(np.concatenate([part["labels"] for part in parts]), expected["labels"])


def test_more_bad_samples_than_may_be_skipped(folder: Path) -> None:
    source = _skipping(folder, skip_limit=1)
    with pytest.raises(FileError) as caught:
        _batches(source, 8)
    last = list(source.skipped)[-1]
    assert str(caught.value) == (
        f"load_source: {last!r} is one bad sample more than the 1 that may be skipped; "
        "repair the samples that the log names, or raise skip_limit."
    )


def test_one_good_sample_takes_every_place(folder: Path) -> None:
    source = _load(folder, bad_samples="skip")
    for name in ("n0", "n1", "n2", "n6", "n7"):
        (folder / "masks" / f"{name}.png").write_bytes(b"")
    save_mask(folder / "masks" / "n4.png", np.full((14, 13), 2))
    for batch in _batches(source, 8):
        assert (batch["labels"] == 2).all()
    assert len(source.skipped) == 5


def test_nothing_left_to_learn_from(folder: Path) -> None:
    source = _load(folder, bad_samples="skip")
    for name in NAMES:
        (folder / "images" / f"{name}.png").write_bytes(b"")
    with pytest.raises(BadSample) as caught:
        _batches(source, 1)
    assert caught.value.rule == "has no bytes, and no other sample is left to take its place"
    assert len(source.skipped) == 6
    assert list(source.evaluation()) == []
    assert len(source.skipped) == 8


def test_class_weights_leave_out_bad_masks(folder: Path) -> None:
    weights = _load(folder).class_weights("inverse")
    source = _skipping(folder)
    assert not np.array_equal(source.class_weights("inverse"), weights)
    assert list(source.skipped) == ["n1"]


@pytest.mark.slow  # two Python processes start
def test_worker_processes_say_what_is_bad(folder: Path) -> None:
    source = _skipping(folder)
    expected = _batches(source, 4)
    again = _load(folder, bad_samples="skip")
    iterator = iter(again.training(batch_size=3, seed=4, crop=(7, 6), workers=2))
    for batch in expected:
        np.testing.assert_array_equal(next(iterator)["image"], batch["image"])
    iterator.close()
    assert dict(again.skipped) == dict(source.skipped)
    strict = iter(_load(folder).training(batch_size=3, seed=4, crop=(7, 6), workers=2))
    with pytest.raises(BadSample) as caught:
        for _ in range(4):
            next(strict)
    assert caught.value.path in (str(folder / "images" / "n6.png"), str(folder / "masks" / "n1.png"))
    strict.close()

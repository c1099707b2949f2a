from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dilax.data import Source, load_source
from dilax.errors import ArgumentError, FileError

from .making import make_folder, save_image, save_mask

CLASSES = ("ground", "cat", "dog")


def _load(folder: Path, **options: Any) -> Source:
    return load_source(f"folder:{folder}", {"class_names": CLASSES, **options})


def _all(source: Source) -> dict[str, Any]:
    parts = (source.training_examples, source.evaluation_examples)
    return {part.name(index): part.read(index) for part in parts for index in range(len(part))}


def test_every_pair_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = make_folder(tmp_path)
    source = _load(tmp_path, held_out=0.5)
    found = _all(source)
    assert sorted(found) == sorted(made)
    assert len(source.training_examples) + len(source.evaluation_examples) == 8
    for name, (pixels, labels) in made.items():
        np.testing.assert_array_equal(found[name].image, pixels)
        np.testing.assert_array_equal(found[name].labels, labels)
        assert found[name].labels.dtype == np.int32
    assert (source.in_channels, source.num_classes, source.spatial_rank, source.ignore_index) == (3, 3, 2, 255)


def test_names_decide_the_part_whatever_else_is_there(tmp_path: Path) -> None:
    make_folder(tmp_path, count=8)
    first = _load(tmp_path, held_out=0.5)
    kept = {example.name for example in first.evaluation()}
    assert 0 < len(kept) < 8
    for name in ("n1", "n4"):
        (tmp_path / "images" / f"{name}.png").unlink()
        (tmp_path / "masks" / f"{name}.png").unlink()
    assert {example.name for example in _load(tmp_path, held_out=0.5).evaluation()} == kept - {"n1", "n4"}
    from dilax.data.splits import _number

    numbers = np.sort([_number(f"image {count}") for count in range(2000)])
    np.testing.assert_allclose(numbers, np.linspace(0, 1, 2000), atol=0.04)  # even: Kolmogorov's 1.7 / sqrt(2000)


def test_a_list_decides_the_part(tmp_path: Path) -> None:
    make_folder(tmp_path, count=4)
    (tmp_path / "val.txt").write_text("n2\nn0\n\n")
    source = _load(tmp_path, evaluation_list="val.txt")
    assert [example.name for example in source.evaluation()] == ["n0", "n2"]
    assert [source.training_examples.name(index) for index in range(2)] == ["n1", "n3"]


def test_colours_stand_for_classes(tmp_path: Path) -> None:
    colors = np.array([(0, 0, 0), (255, 128, 0), (1, 2, 3), (9, 9, 9)], np.uint8)
    labels = np.random.default_rng(0).integers(0, 4, (6, 5))
    for name in ("a", "b", "c", "d"):
        save_image(tmp_path / "images" / f"{name}.jpg", (6, 5), seed=1)
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(colors[labels]).save(tmp_path / "masks" / f"{name}_seg.png")
    source = _load(
        tmp_path, masks="masks/*_seg.png", colors=("#000000", "#ff8000", "#010203"), ignored_colors=("#090909",),
        held_out=0.5,
    )  # fmt: skip
    for example in _all(source).values():
        np.testing.assert_array_equal(example.labels, np.where(labels == 3, 255, labels))


def test_grey_values_are_colours_too(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 2, (4, 7))
    for name in "abcd":
        save_image(tmp_path / "images" / f"{name}.png", (4, 7), seed=1)
        save_mask(tmp_path / "masks" / f"{name}.png", labels * 255)
    source = load_source(
        "folder", {"path": str(tmp_path), "class_names": ["no", "yes"], "colors": ["#000000", "#ffffff"],
                   "held_out": 0.5},
    )  # fmt: skip
    for example in _all(source).values():
        np.testing.assert_array_equal(example.labels, labels)


def test_images_become_grey_or_coloured_and_keep_sixteen_bits(tmp_path: Path) -> None:
    for name in "abcd":
        save_mask(tmp_path / "masks" / f"{name}.png", np.zeros((3, 4)))
    (tmp_path / "images").mkdir()
    grey = np.random.default_rng(0).integers(0, 256, (3, 4)).astype(np.uint8)
    deep = np.random.default_rng(1).integers(0, 65536, (3, 4)).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "images" / "a.png")
    Image.fromarray(deep).save(tmp_path / "images" / "b.tif")
    Image.fromarray(grey).convert("RGBA").save(tmp_path / "images" / "c.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "images" / "d.tif")
    colored, plain = _all(_load(tmp_path, held_out=0.5)), _all(_load(tmp_path, held_out=0.5, channels=1))
    for name, pixels in {"a": grey, "b": deep, "c": grey, "d": grey}.items():
        np.testing.assert_array_equal(colored[name].image, np.repeat(pixels[..., None], 3, axis=-1))
        np.testing.assert_array_equal(plain[name].image, pixels[..., None])
        assert colored[name].image.dtype == pixels.dtype
    (tmp_path / "val.txt").write_text("b")
    [shown] = _load(tmp_path, evaluation_list="val.txt", mean=(0, 0, 0), std=(1, 1, 2)).evaluation()
    np.testing.assert_allclose(shown.image, deep[..., None] / 65535.0 / [1, 1, 2], atol=1e-6)


def _message(folder: Path, kind: type[Exception] = FileError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        _load(folder, **options)
    return str(caught.value).replace(str(folder), "")


def test_errors_of_files(tmp_path: Path) -> None:
    assert _message(tmp_path) == ("folder: '/images/*' matches no file; check the path, or pass another pattern.")
    make_folder(tmp_path, count=4)
    (tmp_path / "images" / ".hidden").touch()  # is no image
    (tmp_path / "masks" / "n2.png").unlink()
    (tmp_path / "masks" / "n3.png").unlink()
    assert _message(tmp_path) == (
        "folder: '/images/n2.png' has no labels under '/masks/*' (number of images without labels: 2); "
        "remove what has no partner, or pass other patterns."
    )
    for name in ("n0", "n2", "n3"):
        (tmp_path / "images" / f"{name}.png").unlink()
    assert _message(tmp_path) == (
        "folder: '/masks/n0.png' has no images under '/images/*' (number of labels without images: 1); "
        "remove what has no partner, or pass other patterns."
    )
    save_image(tmp_path / "images" / "n1.jpg", (3, 4), seed=0)
    assert _message(tmp_path) == ("folder: '/images/n1.png' is called as n1.jpg is; pass a pattern with the ending.")
    assert _message(tmp_path / "absent") == "folder: '' is no folder; check the path."


def test_errors_of_lists(tmp_path: Path) -> None:
    make_folder(tmp_path, count=2)
    for text, rule in (
        ("", "lists no name; pass a text file with a name in each line."),
        ("n1\nn7", "lists 'n7', which is not there; correct the list."),
        ("n1\nn1", "lists 'n1' twice; list each name once."),
        ("n1\nn0", "lists all examples; leave some for training."),
    ):
        (tmp_path / "val.txt").write_text(text)
        assert _message(tmp_path, evaluation_list="val.txt") == f"folder: '/val.txt' {rule}"
    assert _message(tmp_path, evaluation_list="no.txt") == (
        "folder: '/no.txt' cannot be read (No such file or directory); pass a text file with a name in each line."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_names": ()}, "folder: class_names=() is not one name a class; pass e.g. ('background', 'lesion')."),
        ({"class_names": ("a", "a")},
         "folder: class_names=('a', 'a') is not one name a class; pass e.g. ('background', 'lesion')."),
        ({"ignore_index": 1}, "folder: ignore_index=1 is the class 'cat'; pass another, e.g. 255."),
        ({"colors": ("#000000",)},
         "folder: colors=('#000000',) is not one colour for each of 3 classes; pass as many colours as class_names."),
        ({"colors": ("#000000", "#111111", "red")}, "folder: colors='red' is no colour; pass e.g. '#ff8000'."),
        ({"colors": ("#000000", "#111111", "#000000")},
         "folder: colors=('#000000', '#111111', '#000000') has a colour twice; pass one colour a class."),
        ({"ignored_colors": ("#000000",)},
         "folder: ignored_colors=('#000000',) has no use without colors; pass colors as well."),
        ({"channels": 2}, "folder: channels=2 is neither 1 nor 3; pass 3, or 1 for grey."),
        ({"held_out": 1.0}, "folder: held_out=1.0 is not between 0 and 1; pass e.g. 0.2."),
        ({"held_out": 0.001},
         "folder: held_out=0.001 leaves nothing of 2 examples for evaluation; "
         "pass another share, or say the names with evaluation_list."),
        ({"mean": (0.5,)},
         "folder: mean=(0.5,) is not one number for each channel, of which there are 3; pass as many as channels."),
        ({"std": (1, 0, 1)},
         "folder: std=(1, 0, 1) is not one positive number for each channel, of which there are 3; "
         "pass as many as channels."),
    ],
)  # fmt: skip
def test_errors_of_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    make_folder(tmp_path, count=2)  # n0 and n1, both for training
    assert _message(tmp_path, ArgumentError, **options) == message


def test_a_folder_is_needed() -> None:
    with pytest.raises(ArgumentError) as caught:
        load_source("folder", {"class_names": ("a", "b")})
    assert str(caught.value) == "load_source: path='' is no folder of folder; pass e.g. 'folder:/data/set'."

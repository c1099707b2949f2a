"""PASCAL VOC, Cityscapes and folders of scans."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from dilax.data import load_source
from dilax.errors import BadSample, FileError

from .making import save_image, save_mask

AFFINE = np.array([[0, 0, -3.0, 7], [-2.0, 0, 0, 5], [0, 1.0, 0, 3], [0, 0, 0, 1]])

#: The table of the data set's own page, as id, name, train id.
CITYSCAPES = """
0 unlabeled 255
1 ego_vehicle 255
2 rectification_border 255
3 out_of_roi 255
4 static 255
5 dynamic 255
6 ground 255
7 road 0
8 sidewalk 1
9 parking 255
10 rail_track 255
11 building 2
12 wall 3
13 fence 4
14 guard_rail 255
15 bridge 255
16 tunnel 255
17 pole 5
18 polegroup 255
19 traffic_light 6
20 traffic_sign 7
21 vegetation 8
22 terrain 9
23 sky 10
24 person 11
25 rider 12
26 car 13
27 truck 14
28 bus 15
29 caravan 255
30 trailer 255
31 train 16
32 motorcycle 17
33 bicycle 18
"""


def _voc(folder: Path) -> dict[str, np.ndarray]:
    made = {}
    for number in range(5):
        name, size = f"2007_00000{number}", (9 + number, 12)
        labels = np.random.default_rng(number).integers(0, 21, size)
        labels[:2] = 255
        save_image(folder / "JPEGImages" / f"{name}.jpg", size, seed=number)
        save_mask(folder / "SegmentationClass" / f"{name}.png", labels, palette=True)
        made[name] = labels
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000003\n2007_000000\n2007_000001\n")
    (lists / "val.txt").write_text("2007_000004\n2007_000002\n")
    return made


def test_voc(tmp_path: Path) -> None:
    made = _voc(tmp_path)
    source = load_source(f"voc:{tmp_path}")
    assert (source.num_classes, source.class_names[15], source.ignore_index) == (21, "person", 255)
    names = [source.training_examples.name(index) for index in range(3)]
    assert names == ["2007_000003", "2007_000000", "2007_000001"]
    assert [example.name for example in source.evaluation()] == ["2007_000004", "2007_000002"]
    for example in source.evaluation():
        np.testing.assert_array_equal(example.labels, made[example.name])
        assert example.image.shape == (*example.labels.shape, 3)


def test_voc_that_is_not_whole(tmp_path: Path) -> None:
    def message(options: dict[str, Any], path: Path = tmp_path) -> str:
        with pytest.raises(FileError) as caught:
            load_source(f"voc:{path}", options)
        return str(caught.value).replace(str(tmp_path), "")

    _voc(tmp_path)
    assert message({"masks": "SegmentationClassAug"}) == (
        "voc: '/SegmentationClassAug' is no folder; pass the folder with JPEGImages, e.g. VOC2012."
    )
    assert message({"training_list": "trainaug"}) == (
        "voc: '/ImageSets/Segmentation/trainaug.txt' cannot be read (No such file or directory); "
        "pass a text file with a name in each line."
    )
    (tmp_path / "JPEGImages" / "2007_000004.jpg").unlink()
    with pytest.raises(BadSample) as caught:
        list(load_source(f"voc:{tmp_path}").evaluation())
    assert str(caught.value) == (
        f"read_example: '{tmp_path}/JPEGImages/2007_000004.jpg' does not exist; "
        "repair or remove it, or pass bad_samples='skip'."
    )


def test_cityscapes(tmp_path: Path) -> None:
    table = np.array([int(line.split()[2]) for line in CITYSCAPES.split("\n") if line])
    names = [line.split()[1].replace("_", " ") for line in CITYSCAPES.split("\n") if line]
    made = {}
    for part, city in (("train", "aachen"), ("train", "bochum"), ("val", "ulm")):
        stem = f"{city}_000001_000019"
        ids = np.random.default_rng(len(made)).permutation(np.arange(8 * 34) % 34).reshape(16, 17)
        save_image(tmp_path / "leftImg8bit" / part / city / f"{stem}_leftImg8bit.png", (16, 17), seed=1)
        save_mask(tmp_path / "gtFine" / part / city / f"{stem}_gtFine_labelIds.png", ids)
        save_mask(tmp_path / "gtFine" / part / city / f"{stem}_gtFine_instanceIds.png", ids)  # not asked for
        made[f"{city}/{stem}"] = ids
    source = load_source(f"cityscapes:{tmp_path}")
    assert source.class_names == tuple(names[np.flatnonzero(table == label)[0]] for label in range(19))
    assert [source.training_examples.name(index) for index in range(2)] == [
        "aachen/aachen_000001_000019", "bochum/bochum_000001_000019",
    ]  # fmt: skip
    for index in range(2):
        example = source.training_examples.read(index)
        np.testing.assert_array_equal(example.labels, table[made[example.name]])
    [example] = source.evaluation()
    np.testing.assert_array_equal(example.labels, table[made[example.name]])
    assert example.labels.dtype == np.int32
    path = tmp_path / "gtFine" / "val" / "ulm" / "ulm_000001_000019_gtFine_labelIds.png"
    ids[3, 5] = 34
    save_mask(path, ids)
    with pytest.raises(BadSample) as caught:
        list(source.evaluation())
    assert (caught.value.path, caught.value.rule) == (
        str(path), "has the value 34 at (3, 5), which stands for no class",
    )  # fmt: skip


def _nifti(folder: Path, count: int = 4) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    made = {}
    for kind in ("images", "labels"):
        (folder / kind).mkdir(exist_ok=True)
    for number in range(count):
        size = (6 + number, 9, 7)
        rng = np.random.default_rng(number)
        image = rng.gamma(2.0, 300.0, size).astype(np.float32)
        labels = rng.integers(0, 3, size)
        ending = ".nii" if number % 2 else ".nii.gz"
        nibabel.save(nibabel.Nifti1Image(image, AFFINE), folder / "images" / f"s{number}{ending}")
        dtype = np.float32 if number == 2 else np.uint8
        nibabel.save(nibabel.Nifti1Image(labels.astype(dtype), AFFINE), folder / "labels" / f"s{number}.nii.gz")
        made[f"s{number}"] = (image, labels)
    return made


def test_scans(tmp_path: Path) -> None:
    made = _nifti(tmp_path)
    source = load_source(f"nifti:{tmp_path}", {"class_names": ["a", "b", "c"], "held_out": 0.5})
    parts = (source.training_examples, source.evaluation_examples)
    found = {part.name(index): part.read(index) for part in parts for index in range(len(part))}
    assert sorted(found) == ["s0", "s1", "s2", "s3"]
    for name, (image, labels) in made.items():
        np.testing.assert_array_equal(found[name].labels, labels)
        low, high = np.percentile(image, [2, 98])
        expected = np.minimum(np.maximum((image - low) / (high - low), 0), 1)
        np.testing.assert_allclose(found[name].image[..., 0], expected, atol=1e-5)
    assert source.batches_per_epoch(3) == -(-8 * len(source.training_examples) // 3)
    batch = next(iter(source.training(batch_size=2, seed=0, crop=(8, 5, 6))))
    assert batch["image"].shape == (2, 8, 5, 6, 1)


def test_scans_that_cannot_be_used(tmp_path: Path) -> None:
    _nifti(tmp_path)
    source = load_source(f"nifti:{tmp_path}", {"class_names": ("a", "b", "c"), "held_out": 0.5})
    examples, path = source.training_examples, tmp_path / "labels" / f"{source.training_examples.name(0)}.nii.gz"
    shape = examples.read(0).labels.shape
    whole = path.read_bytes()
    fractions, seven = np.full(shape, 0.5, np.float32), np.zeros(shape, np.uint8)
    seven[2, 3, 4] = 7
    for labels, affine, rule in (
        (fractions, AFFINE, "holds fractions, and no classes"),
        (seven, AFFINE, "has the label 7 at (2, 3, 4), where classes are 0 to 2 and 255 is ignored"),
        (np.zeros(shape, np.uint8), np.eye(4), "lies elsewhere than its image: their affines differ"),
        (np.zeros((2, 3, 4), np.uint8), AFFINE, f"has 2 x 3 x 4 labels, where its image has {shape[0]} x 9 x 7 values"),
    ):
        nibabel.save(nibabel.Nifti1Image(labels, affine), path)
        with pytest.raises(BadSample) as caught:
            examples.read(0)
        assert (caught.value.path, caught.value.rule) == (str(path), rule)
    path.write_bytes(whole[:60])
    with pytest.raises(BadSample) as caught:
        examples.read(0)
    assert caught.value.rule.startswith("cannot be read as a scan (")
    path.write_bytes(whole)
    image = next((tmp_path / "images").glob(f"{examples.name(0)}.nii*"))
    nibabel.save(nibabel.Nifti1Image(np.ones(shape, np.float32), AFFINE), image)
    with pytest.raises(BadSample) as caught:
        examples.read(0)
    assert caught.value.rule == "has the same value almost everywhere"


def test_prepared_scans_are_the_scans_and_are_read_once(tmp_path: Path) -> None:
    _nifti(tmp_path)
    options = {"class_names": ("a", "b", "c"), "held_out": 0.5, "prepared": str(tmp_path / "deep" / "ready")}

    def batches() -> list[dict[str, np.ndarray]]:
        iterator = iter(source.training(batch_size=2, seed=0, crop=(8, 5, 6)))
        return [next(iterator) for _ in range(4)]

    source = load_source(f"nifti:{tmp_path}", {**options, "prepared": ""})
    expected = batches()
    source = load_source(f"nifti:{tmp_path}", options)
    for _ in range(2):
        for found, wanted in zip(batches(), expected, strict=True):
            np.testing.assert_array_equal(found["image"], wanted["image"])
            np.testing.assert_array_equal(found["labels"], wanted["labels"])
            assert type(found["image"]) is np.ndarray
    kept = list((tmp_path / "deep" / "ready").iterdir())
    assert len(kept) == 2 * len(source.training_examples)
    name = source.training_examples.name(0)
    path = tmp_path / "labels" / f"{name}.nii.gz"
    other = (source.training_examples.read(0).labels + 1) % 3
    nibabel.save(nibabel.Nifti1Image(other.astype(np.uint8), AFFINE), path)
    np.testing.assert_array_equal(source.training_examples.read(0).labels, other)
    path.unlink()
    with pytest.raises(BadSample) as caught:
        source.training_examples.read(0)
    assert (caught.value.path, caught.value.rule) == (str(path), "does not exist")


def test_prepared_scans_that_find_no_place(tmp_path: Path) -> None:
    _nifti(tmp_path)
    (tmp_path / "file").touch()
    options = {"class_names": ("a", "b", "c"), "held_out": 0.5, "prepared": str(tmp_path / "file")}
    with pytest.raises(FileError) as caught:
        load_source(f"nifti:{tmp_path}", options).training_examples.read(0)
    text = str(caught.value)
    assert text.startswith(f"nifti: '{tmp_path}/file/")
    assert text.endswith("cannot be written (File exists); pass another folder as prepared.")

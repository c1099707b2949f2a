import sys
from pathlib import Path

import numpy as np
import pytest

from dilax.data import Example, load_source
from dilax.errors import MissingDependency
from dilax.train.board import Board, draw
from dilax.train.events import EpochDone, StepDone


def test_image_truth_and_prediction_lie_side_by_side() -> None:
    rng = np.random.default_rng(0)
    image, labels = rng.random((5, 4, 3)).astype(np.float32), rng.integers(9, size=(5, 4)).astype(np.int32)
    labels[2, 3] = 255
    predicted = rng.integers(9, size=(5, 4))
    picture = draw(Example(image, labels), predicted, ignore_index=255)
    assert (picture.shape, picture.dtype) == ((5, 12, 3), np.uint8)
    assert (picture[..., :4, :].min(), picture[..., :4, :].max()) == (0, 255)
    assert picture[2, 7].tolist() == [128, 128, 128]
    colour = {int(label): tuple(picture[row, 4 + column]) for (row, column), label in np.ndenumerate(labels)}
    for (row, column), label in np.ndenumerate(predicted):
        if int(label) in colour:
            assert tuple(picture[row, 8 + column]) == colour[int(label)]
    assert len(set(colour.values())) == len({min(label, 250) % 8 for label in colour if label != 255}) + 1


def test_a_volume_is_drawn_at_the_middle_of_its_shortest_axis() -> None:
    rng = np.random.default_rng(1)
    image, labels = rng.random((7, 3, 5, 1)).astype(np.float32), rng.integers(4, size=(7, 3, 5)).astype(np.int32)
    plane = draw(Example(image[:, 1], labels[:, 1]), labels[:, 1], ignore_index=255)
    np.testing.assert_array_equal(draw(Example(image, labels), labels, ignore_index=255), plane)


def test_scalars_and_pictures_are_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    source = load_source("shapes_2d", {"training": 2, "evaluation": 2})
    board = Board(tmp_path, source, pictures=1)
    board(StepDone(3, 1, 3, 0.25, 0.5, 0.01, 0.1))
    for example in source.evaluation():
        board.see(example, example.labels)
    board(EpochDone(4, 1, 0.3, 0.6, {"mean_dice": 0.7}, 0.01, 1.0, 0.1, 1e6))
    board.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    content = file.read_bytes()
    for tag in (b"step/loss", b"step/learning_rate", b"epoch/accuracy", b"held_out/mean_dice", b"PNG"):
        assert tag in content
    assert content.count(b"PNG") == 1


def test_the_package_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingDependency) as caught:
        Board(tmp_path, load_source("shapes_2d", {"training": 2, "evaluation": 2}), pictures=1)
    assert str(caught.value) == (
        "train: the package 'tensorboardX' is not installed; install it with pip install 'dilax-nn[tensorboard]'."
    )

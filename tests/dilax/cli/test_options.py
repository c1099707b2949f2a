import pytest

from dilax.cli.options import parse_options
from dilax.data import source_options
from dilax.errors import ArgumentError


def test_options_of_data_have_the_types_that_the_source_says() -> None:
    texts = [
        "path=/data/a=b",
        "class_names=ground,cat",
        "held_out=0.1",
        "channels=1",
        "mean=0.5",
        "colors=#000000,#ffffff",
    ]
    assert parse_options(source_options("folder"), texts) == {
        "path": "/data/a=b", "class_names": ("ground", "cat"), "held_out": 0.1, "channels": 1, "mean": (0.5,),
        "colors": ("#000000", "#ffffff"),
    }  # fmt: skip


def test_fractions_where_the_source_wants_fractions() -> None:
    with pytest.raises(ArgumentError) as caught:
        parse_options(source_options("voc"), ["mean=red"])
    assert str(caught.value) == (
        "options: options='mean=red' has a value of another type; pass numbers with commas between them, e.g. 6,12,18."
    )

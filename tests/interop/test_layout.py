"""Every layout of the rules is a bijection: there and back, and back and there, bit for bit."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from interop.rules import ChannelsLast, OutputsLast, Same, Unrolled

shapes = st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple)
layouts = st.sampled_from([Same(), ChannelsLast(), OutputsLast()])


@given(layouts, shapes.flatmap(lambda shape: arrays.arrays(np.float32, shape)))
def test_there_and_back(layout, array):
    there = layout.to_flax(array)
    assert layout.torch_shape(there.shape) == array.shape
    back = layout.to_torch(there)
    assert back.tobytes() == array.tobytes()
    assert layout.to_flax(layout.to_torch(array)).tobytes() == array.tobytes()


@given(layouts, shapes, st.integers(0, 4), st.booleans(), st.data())
def test_vectors_there_and_back(layout, shape, axis, rows, data):
    axis %= len(shape)
    shape = tuple(size if (place == axis) == rows else 1 for place, size in enumerate(shape))
    array = data.draw(arrays.arrays(np.float32, math.prod(shape)))
    there = Unrolled(layout, shape).to_flax(array)
    assert Unrolled(layout, shape).torch_shape(there.shape) == array.shape
    assert Unrolled(layout, shape).to_torch(there).tobytes() == array.tobytes()

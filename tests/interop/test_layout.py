"""Every layout of the rules is a bijection: there and back, and back and there, bit for bit."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from interop.rules import (
    Absent,
    Biases,
    ChannelsLast,
    Flipped,
    FusedGruBiases,
    One,
    OutputsLast,
    Reshaped,
    Same,
    Stacked,
    TransposedChannelsLast,
    Unrolled,
)

shapes = st.lists(st.integers(1, 4), min_size=2, max_size=5).map(tuple)
simple = [Same(), ChannelsLast(), OutputsLast(), TransposedChannelsLast(1)]
layouts = st.sampled_from([*simple, Flipped(ChannelsLast()), Flipped(TransposedChannelsLast(1))])
# Any bits at all: NaNs of every payload, and both zeros.
bits = st.integers(0, 2**32 - 1)


def floats(shape):
    return arrays.arrays(np.uint32, shape, elements=bits).map(lambda array: array.view(np.float32))


@given(layouts, shapes.flatmap(floats))
def test_there_and_back(layout, array):
    there = layout.to_flax(array)
    assert layout.torch_shape(there.shape) == array.shape
    back = layout.to_torch(there)
    assert back.tobytes() == array.tobytes()
    assert layout.to_flax(layout.to_torch(array)).tobytes() == array.tobytes()


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), shapes, st.data())
def test_grouped_there_and_back(groups, inputs, outputs, kernel_size, data):
    layout = TransposedChannelsLast(groups)
    array = data.draw(floats((groups * inputs, outputs, *kernel_size)))
    there = layout.to_flax(array)
    assert there.shape == (*kernel_size, inputs, groups * outputs)
    assert layout.torch_shape(there.shape) == array.shape
    assert layout.to_torch(there).tobytes() == array.tobytes()


@given(layouts, shapes, st.integers(0, 4), st.booleans(), st.data())
def test_vectors_there_and_back(layout, shape, axis, rows, data):
    axis %= len(shape)
    shape = tuple(size if (place == axis) == rows else 1 for place, size in enumerate(shape))
    array = data.draw(floats(math.prod(shape)))
    there = Unrolled(layout, shape).to_flax(array)
    assert Unrolled(layout, shape).torch_shape(there.shape) == array.shape
    assert Unrolled(layout, shape).to_torch(there).tobytes() == array.tobytes()


@given(shapes, shapes, st.data())
def test_split_axes_there_and_back(inputs, outputs, data):
    layout = Reshaped(ChannelsLast(), (math.prod(inputs), math.prod(outputs)), (*inputs, *outputs))
    array = data.draw(floats((math.prod(outputs), math.prod(inputs))))
    there = layout.to_flax(array)
    assert there.shape == (*inputs, *outputs)
    assert layout.torch_shape(there.shape) == array.shape
    assert layout.to_torch(there).tobytes() == array.tobytes()


@given(layouts, shapes, st.integers(1, 4), st.data())
def test_stacked_there_and_back(layout, shape, count, data):
    join = Stacked(layout, count)
    parts = [layout.to_flax(data.draw(floats(shape))) for _ in range(count)]
    (array,) = join.to_torch(parts)
    assert join.torch_shapes([part.shape for part in parts]) == (array.shape,)
    for one, other in zip(join.to_flax([array]), parts, strict=True):
        assert one.tobytes() == other.tobytes()
    assert join.to_torch(join.to_flax([array]))[0].tobytes() == array.tobytes()


@given(st.sampled_from([(Biases(), 1), (Biases(4), 4), (Biases(3, 1), 4)]), st.integers(1, 5), st.data())
def test_biases_of_flax_there_and_back(kind, size, data):
    join, count = kind
    parts = [data.draw(floats(size)) for _ in range(count)]
    pair = join.to_torch(parts)
    assert join.torch_shapes([(size,)] * count) == tuple(array.shape for array in pair)
    assert join.loss(pair) is None
    for one, other in zip(join.to_flax(pair), parts, strict=True):
        assert one.tobytes() == other.tobytes()


def test_biases_of_torch_are_added():
    inputs, hidden = np.arange(6.0), np.arange(6.0) * 10
    np.testing.assert_array_equal(Biases().to_flax([inputs, hidden])[0], inputs + hidden)
    found = Biases(3, 1).to_flax([inputs, hidden])
    np.testing.assert_array_equal(found, [[0, 11], [22, 33], [4, 5], [40, 50]])
    assert Biases(3, 1).loss([inputs, hidden]) == "are added, since Flax has one bias; saving gives the sum and zeros"
    hidden[:4] = 0
    assert Biases(3, 1).loss([inputs, hidden]) is None


@given(st.integers(1, 5), st.data())
def test_biases_of_a_fused_gru(size, data):
    join = FusedGruBiases()
    whole = data.draw(floats(3 * size))
    pair = join.to_torch([whole])
    assert join.torch_shapes([whole.shape]) == tuple(array.shape for array in pair)
    assert join.refusal(pair) is None
    assert join.to_flax(pair)[0].tobytes() == whole.tobytes()


def test_an_array_that_flax_has_not():
    assert Absent().to_flax([np.array(7)]) == ()
    assert Absent().to_torch([])[0] == 0
    assert One(Same()).torch_shapes([(2, 3)]) == ((2, 3),)

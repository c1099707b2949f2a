"""Winograd's way in the compiled convolutions: where it is taken, that it is exact on integers, and how it rounds."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dilax.ops import compiled
from dilax.ops.problem import Problem, native, native_input_gradient

from .drawing import by_torch
from .test_compiled import assert_exact

pytestmark = pytest.mark.skipif(not compiled.takes(jnp.float32), reason=compiled.status())


def same(size, rate, *, taps=3, stride=1, groups=1):
    """As many places of the result as of the input where the stride is 1."""
    axes = len(size)
    return Problem(size, (taps,) * axes, (stride,) * axes, ((rate,) * 2,) * axes, (rate,) * axes, groups)


def is_winograd(problem, c_in, c_out):
    """Whether huge values are subtracted from the ones beside them, though no sum of ones contains them.

    Only the last axis's first tap is not zero, and every other stretch of one dilation is huge.
    """
    kernel = np.zeros((*problem.kernel_size, c_in, c_out), np.float32)
    kernel[..., 0, :, :] = 1
    x = np.ones((1, *problem.size, c_in), np.float32)
    rate = problem.dilation[-1]
    huge = np.arange(problem.size[-1]) // rate % 2 == 0
    x[..., huge, :] = 2.0**25
    y = np.asarray(compiled.forward(jnp.asarray(x), jnp.asarray(kernel), problem))
    ones = native(jnp.asarray(np.where(x > 1, 0, x)), jnp.asarray(kernel), problem)
    reads = np.arange(problem.out_size[-1]) * problem.stride[-1] - problem.pads[-1][0]  # the only tap's places
    plain = [place for place, read in enumerate(reads) if 0 <= read < problem.size[-1] and not huge[read]]
    return not np.array_equal(y[..., plain, :], np.asarray(ones)[..., plain, :])


@pytest.mark.parametrize(
    ("problem", "c_in", "expected"),
    [
        (same((33, 33), 2), 56, True),
        (same((33, 33), 2), 48, False),  # sums of 144 products
        (same((33, 33), 6), 64, True),
        (same((33, 33), 12), 64, False),  # most taps meet padding
        (same((17, 30), 1), 64, False),  # 255 pairs
        (same((33, 33), 2, stride=2), 64, False),
        (same((33, 33), 2, taps=2), 64, False),
        (same((9, 10, 12), 1), 18, True),
        (same((900,), 1), 200, False),  # one row for all threads
    ],
)
def test_where_it_is_taken(problem, c_in, expected):
    assert is_winograd(problem, c_in, 17) == expected


@st.composite
def eligible(draw):
    """Last axes that end anywhere in a tile of two dilations; pads that crop; other axes of any kind."""
    axes, rate = draw(st.integers(2, 3)), draw(st.integers(1, 5))
    taps, strides, rates = (
        [*draw(st.tuples(*[st.integers(1, most)] * (axes - 1))), last] for most, last in ((3, 3), (2, 1), (5, rate))
    )
    pads = [(draw(st.integers(-2, 2 * rate)), draw(st.integers(-2, 2 * rate))) for _ in range(axes)]
    outs = [draw(st.integers(8, 40 if axes == 2 else 10)) for _ in range(axes - 1)] + [
        draw(st.integers(4 * rate, 8 * rate))
    ]
    size = [
        max(1, out * step + dilation * (count - 1) - sum(pair))
        for out, step, dilation, count, pair in zip(outs, strides, rates, taps, pads, strict=True)
    ]
    return Problem(tuple(size), tuple(taps), tuple(strides), tuple(pads), tuple(rates))


@given(problem=eligible(), batch=st.integers(1, 2), channels=st.sampled_from([(170, 60), (288, 20), (33, 165)]))
@settings(deadline=None, max_examples=15)
def test_random_convolutions_are_exact(problem, batch, channels):
    assert_exact(problem, batch, *channels)


@pytest.mark.parametrize(
    ("problem", "channels"),
    [(same((33, 31), 2), (64, 56)), (same((17, 65), 3), (64, 130)), (same((12, 13, 14), 1), (21, 30))],
)
def test_it_rounds_no_worse_than_xla(problem, channels):
    rng = np.random.default_rng(0)
    x, gradient = (rng.normal(size=(1, *problem.size, count)).astype(np.float32) for count in channels)
    kernel = rng.normal(size=(*problem.kernel_size, *channels)).astype(np.float32)
    assert is_winograd(problem, *channels)
    y, dx, _ = by_torch(problem, *(array.astype(np.float64) for array in (x, kernel, gradient)))
    for ours, xlas, read, exact in (
        (compiled.forward, native, x, y),
        (compiled.input_gradient, native_input_gradient, gradient, dx),
    ):
        errors = [
            np.sqrt(np.mean((np.asarray(compute(jnp.asarray(read), jnp.asarray(kernel), problem)) - exact) ** 2))
            for compute in (ours, xlas)
        ]
        assert errors[0] <= errors[1], errors

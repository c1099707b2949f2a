"""Three views of one operation: zeros between the taps, the image in phases, and the dilated convolution itself."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dilax.errors import ArgumentError
from dilax.geometry import effective_kernel_size, output_size
from dilax.ops import conv, dilate_kernel, sample_phases


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_all_three_agree(axes):
    rng = np.random.default_rng(axes)
    rates, size, taps = (2, 3, 1)[:axes], (11, 13, 6)[:axes], (3, 2, 4)[:axes]
    with jax.enable_x64(True):
        x = jnp.asarray(rng.normal(size=(2, *size, 3)))
        kernel = jnp.asarray(rng.normal(size=(*taps, 3, 4)))
        dilated = np.asarray(conv(x, kernel, dilation=rates))
        spread = dilate_kernel(kernel, rates)
        assert spread.shape[:axes] == tuple(effective_kernel_size(t, r) for t, r in zip(taps, rates, strict=True))
        np.testing.assert_allclose(conv(x, spread), dilated, rtol=0, atol=1e-12)
        phases = sample_phases(x, rates)
        assert phases.shape[:axes] == rates
        for phase in itertools.product(*map(range, rates)):
            mine = dilated[(slice(None), *(slice(p, None, r) for p, r in zip(phase, rates, strict=True)))]
            small = np.asarray(conv(phases[phase], kernel))
            kept = small[tuple(map(slice, mine.shape))]  # what the zeros at the end gave is left out
            np.testing.assert_allclose(kept, mine, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("dilation", "expected"), [(1, 5), (2, 3)])
def test_the_textbook_example(dilation, expected):
    assert output_size(7, kernel_size=3, padding=0, stride=1, dilation=dilation) == expected
    assert conv(jnp.ones((1, 7, 7, 1)), jnp.ones((3, 3, 1, 1)), dilation=dilation).shape == (1, expected, expected, 1)


def test_messages():
    with pytest.raises(ArgumentError) as caught:
        dilate_kernel(jnp.ones((3, 3)), 2)
    assert str(caught.value) == (
        "dilate_kernel: kernel=(3, 3) does not have 1, 2 or 3 spatial axes; pass an array of 3 to 5 axes."
    )
    with pytest.raises(ArgumentError) as caught:
        sample_phases(jnp.ones((1, 5, 5, 1)), (2, 0))
    assert str(caught.value) == "sample_phases: dilation=(2, 0) contains 0; pass integers of at least 1."

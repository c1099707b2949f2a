"""The context module begins as the identity, and sees as far as the paper says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dilax import geometry
from dilax.errors import ArgumentError
from dilax.nn import ContextModule

X = np.random.default_rng(0).gumbel(size=(2, 11, 13, 3)).astype(np.float32)


def kernels(module):
    return {name: getattr(module, name) for name in module.order if hasattr(getattr(module, name), "kernel")}


def test_basic_form_is_the_identity_on_what_is_not_negative():
    y = jax.jit(ContextModule(3, levels=5, rngs=nnx.Rngs(0)).__call__)(X)
    assert np.array_equal(y, np.maximum(X, 0))


def test_large_form_is_nearly_the_identity():
    rngs = nnx.Rngs(jax.random.key(0, impl="unsafe_rbg"))  # the generator that compiles fastest
    y = jax.jit(ContextModule(3, levels=4, large=True, rngs=rngs).__call__)(X)
    error = abs(np.asarray(y) - np.maximum(X, 0)).max()
    assert 1e-4 < error < 0.5 * X.max()


def test_large_kernels_follow_the_formula_of_the_paper():
    module = nnx.eval_shape(lambda: ContextModule(3, large=True, rngs=nnx.Rngs(0)))
    shapes = [kernel.kernel.shape[2:] for kernel in kernels(module).values()]
    assert shapes == [(3, 6), (6, 6), (6, 12), (12, 24), (24, 48), (48, 96), (96, 96), (96, 3)]

    rngs = nnx.Rngs(jax.random.key(0, impl="unsafe_rbg"))
    kernel = np.asarray(ContextModule(3, levels=4, large=True, rngs=rngs).ctx_final.kernel[...])[0, 0]
    for a in range(6):
        for b in range(3):
            share = 3 / 3 if a * 3 // 6 == b * 3 // 3 else 0
            assert (kernel[a, b] == share) if share else 0 < abs(kernel[a, b]) < 0.1


@pytest.mark.parametrize(("levels", "field"), [(8, 67), (10, 67 + 2 * 96)])
def test_receptive_field(levels, field):
    module = nnx.eval_shape(lambda: ContextModule(3, levels=levels, rngs=nnx.Rngs(0)))
    convs = kernels(module).values()
    assert len(convs) == levels
    assert geometry.receptive_field((conv.kernel_size[0], 1, conv.dilation[0]) for conv in convs) == field


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda r: ContextModule(0, rngs=r), "ContextModule: channels=0 is below 1; pass a positive integer."),
        (
            lambda r: ContextModule(3, levels=3, rngs=r),
            "ContextModule: levels=3 leaves out a layer that every context module has; pass at least 4.",
        ),
        (
            lambda r: ContextModule(3, levels=4, rngs=r)(jnp.ones((1, 5, 4, 2))),
            "ContextModule: x=(1, 5, 4, 2) does not end with channels=3; "
            "pass an array whose last axis has that many entries.",
        ),
    ],
)
def test_messages(make, message):
    with pytest.raises(ArgumentError) as caught:
        make(nnx.Rngs(0))
    assert str(caught.value) == message

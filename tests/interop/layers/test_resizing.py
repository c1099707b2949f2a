"""Upsample against PyTorch, and a sweep of interpolate over its options."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dilax.ops import interpolate

from .parity import FLOAT64, check

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (torch.nn.Upsample(size=(9, 4)), (5, 7)),
        (torch.nn.Upsample(scale_factor=1.5, mode="nearest-exact"), (7,)),
        (torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), (5, 7)),
        (torch.nn.Upsample(scale_factor=(2.3, 0.6), mode="bicubic"), (5, 7)),
        (torch.nn.Upsample(scale_factor=1.7, mode="trilinear", recompute_scale_factor=True), (3, 4, 5)),
        (torch.nn.UpsamplingBilinear2d(scale_factor=3), (4, 5)),
        (torch.nn.UpsamplingNearest2d(size=(7, 7)), (3, 5)),
    ],
    ids=str,
)
def test_upsample(module, size):
    check(module, RNG.normal(size=(2, 3, *size)))


MODES = {
    1: ["nearest", "nearest-exact", "linear", "area"],
    2: ["nearest", "nearest-exact", "bilinear", "bicubic", "area"],
    3: ["nearest", "nearest-exact", "trilinear", "area"],
}


@st.composite
def resizings(draw, most=30):
    axes = draw(st.integers(1, 3))
    mode = draw(st.sampled_from(MODES[axes]))
    size = draw(st.tuples(*[st.integers(1, most)] * axes))
    options = {"mode": mode}
    if draw(st.booleans()):
        options["size"] = draw(st.tuples(*[st.integers(1, most)] * axes))
    else:
        scale = st.integers(20, 300).map(lambda hundredths: hundredths / 100)
        options["scale_factor"] = draw(st.tuples(*[scale] * axes))
        assume(all(length * factor >= 1 for length, factor in zip(size, options["scale_factor"], strict=True)))
        options["recompute_scale_factor"] = draw(st.sampled_from([None, False, True]))
    if ("near" not in mode and mode != "area") or mode.endswith("linear"):
        options["align_corners"] = draw(st.sampled_from([None, False, True]))
    if mode in ("bilinear", "bicubic"):
        # PyTorch 2.13 repeats one row of an antialiased image that is or becomes one column wide.
        wide = size[1] > 1 and options.get("size", (2, 2))[1] > 1
        wide &= "size" in options or int(size[1] * options["scale_factor"][1]) > 1
        options["antialias"] = wide and draw(st.booleans())
    return size, options


@given(resizings())
@settings(deadline=None)
def test_every_resizing(resizing):
    size, options = resizing
    x = RNG.normal(size=(2, 2, *size))
    leaf = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.interpolate(leaf, **options)
    weights = RNG.normal(size=theirs.shape)
    theirs.backward(torch.tensor(weights))
    with jax.enable_x64(True):
        ours, pull = jax.vjp(jax.jit(lambda x: interpolate(x, **options)), jnp.asarray(np.moveaxis(x, 1, -1)))
        (slope,) = pull(jnp.asarray(np.moveaxis(weights, 1, -1)))
    pairs = [(ours, theirs.detach())]
    # PyTorch's gradient of nearest samples follows another rule than its output where a scale was rounded.
    if "nearest" not in options["mode"]:
        pairs.append((slope, leaf.grad))
    for one, other in pairs:
        scale = max(float(other.abs().max()), 1e-3)
        np.testing.assert_allclose(np.moveaxis(np.asarray(one), -1, 1), other, rtol=0, atol=FLOAT64 * scale)


@given(resizings(most=8))
@settings(deadline=None)
def test_the_gradient_is_the_transpose(resizing):
    size, options = resizing
    with jax.enable_x64(True):
        x = jnp.asarray(RNG.normal(size=(1, *size, 2)))
        y, pull = jax.vjp(jax.jit(lambda x: interpolate(x, **options)), x)
        weights = jnp.asarray(RNG.normal(size=y.shape))
        np.testing.assert_allclose((y * weights).sum(), (pull(weights)[0] * x).sum(), rtol=1e-11, atol=1e-11)

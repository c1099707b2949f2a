"""Pooling layers, and a sweep over their options; ties, infinities and NaN as in PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import interop

from .parity import FLOAT64, check

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("module", "size"),
    [
        (torch.nn.MaxPool1d(3, stride=2, padding=1, ceil_mode=True, return_indices=True), (8,)),
        (torch.nn.MaxPool2d((2, 3), stride=(2, 1), padding=(1, 1), dilation=(1, 2), return_indices=True), (7, 9)),
        (torch.nn.MaxPool3d(2), (5, 4, 6)),
        (torch.nn.MaxPool1d(18, stride=2), (40,)),
        (torch.nn.AvgPool1d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False), (8,)),
        (torch.nn.AvgPool2d((3, 2), stride=2, padding=(1, 0), ceil_mode=True), (7, 9)),
        (torch.nn.AvgPool3d(2, divisor_override=3), (5, 4, 6)),
        (torch.nn.LPPool2d(3, (2, 3), stride=(1, 2), ceil_mode=True), (7, 8)),
        (torch.nn.AdaptiveAvgPool2d((3, None)), (7, 5)),
        (torch.nn.AdaptiveAvgPool3d(1), (3, 4, 5)),
        (torch.nn.AdaptiveMaxPool2d((3, 7), return_indices=True), (8, 5)),
    ],
    ids=str,
)
def test_pooling(module, size):
    x = RNG.normal(size=(2, 3, *size))
    # The root of a sum that nearly cancels is as ill-conditioned for PyTorch as for us.
    check(module, np.abs(x) + 0.5 if isinstance(module, torch.nn.LPPool2d) else x)


def test_one_image_without_a_batch():
    check(torch.nn.MaxPool2d(2, return_indices=True), RNG.normal(size=(3, 7, 6)))


@pytest.mark.parametrize("overlap", [False, True])
def test_unpooling(overlap):
    stride = 1 if overlap else 2
    x = torch.tensor(RNG.normal(size=(2, 3, 6, 8)))
    y, indices = torch.nn.functional.max_pool2d(x, 2, stride, return_indices=True)
    check(torch.nn.MaxUnpool2d(2, stride), y.numpy(), indices.numpy())


def test_unpooling_to_a_size():
    x = torch.tensor(RNG.normal(size=(3, 7, 9)))
    y, indices = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    module = torch.nn.MaxUnpool2d(2)
    theirs = module(y, indices, output_size=(7, 9)).numpy()
    y, indices = (jnp.asarray(np.moveaxis(array.numpy(), 0, -1)) for array in (y, indices))
    ours = interop.from_torch(module)(y, indices, output_size=(7, 9))
    np.testing.assert_array_equal(np.moveaxis(np.asarray(ours), -1, 0), theirs.astype(np.float32))


def equals_torch(module, x):
    """Outputs and the gradient in float64, NaN and infinities included."""
    leaf = torch.tensor(x, requires_grad=True)
    theirs = module(leaf)
    theirs = theirs if isinstance(theirs, tuple) else (theirs,)
    weights = RNG.normal(size=theirs[0].shape)
    theirs[0].backward(torch.tensor(weights))
    with jax.enable_x64(True):
        layer = interop.from_torch(module)
        ours, pull = jax.vjp(jax.jit(layer), jnp.asarray(np.moveaxis(x, 1, -1)))
        found = ours if isinstance(ours, tuple) else (ours,)
        cotangent = jnp.asarray(np.moveaxis(weights, 1, -1))
        slopes = pull((cotangent, np.zeros(found[1].shape, jax.dtypes.float0)) if len(found) > 1 else cotangent)
    for one, other in [*zip(found, theirs, strict=True), (slopes[0], leaf.grad)]:
        other = other.detach().numpy()
        scale = max(np.abs(other, where=np.isfinite(other), out=np.zeros(other.shape)).max(initial=0), 1e-3)
        one = np.moveaxis(np.asarray(one), -1, 1)
        np.testing.assert_allclose(one, other, rtol=0, atol=FLOAT64 * scale)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.MaxPool2d(3, stride=2, padding=1, return_indices=True),
        torch.nn.MaxPool2d((20, 2), stride=1, padding=(3, 0), return_indices=True),
        torch.nn.AdaptiveMaxPool2d((4, 3), return_indices=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["ties", "nan", "nothing"])
def test_ties_and_nan(module, kind):
    x = RNG.integers(0, 3, size=(2, 3, 22, 7)).astype(np.float64)
    if kind == "nan":
        x[RNG.random(x.shape) < 0.1] = np.nan
        x[RNG.random(x.shape) < 0.1] = np.inf
    if kind == "nothing":
        x[:, :, 2:9] = -np.inf
        x[:, 1] = -np.inf
    equals_torch(module, x)


def each(data, axes, low, high):
    return data.draw(st.tuples(*[st.integers(low, high)] * axes))


@given(data=st.data(), axes=st.integers(1, 3), kind=st.sampled_from(["Max", "Avg", "LP"]))
@settings(deadline=None)
def test_every_window(data, axes, kind):
    kernel_size, stride = each(data, axes, 1, 4), each(data, axes, 1, 3)
    dilation = each(data, axes, 1, 2) if kind == "Max" else (1,) * axes
    padding = tuple(data.draw(st.integers(0, taps // 2)) for taps in kernel_size)
    # Where dilation steps over a whole axis, PyTorch sends the gradient outside the window.
    size = tuple(
        max(rate * (taps - 1) + 1 + data.draw(st.integers(0, 4)) - (0 if kind == "LP" else 2 * ends), rate)
        for taps, rate, ends in zip(kernel_size, dilation, padding, strict=True)
    )
    options = {"stride": stride, "ceil_mode": data.draw(st.booleans())}
    if kind == "Avg" and axes == 3:  # PyTorch asks for it here alone
        size = tuple(map(max, size, kernel_size))
    x = RNG.normal(size=(2, 2, *size))
    if kind == "Max":
        options |= {"padding": padding, "dilation": dilation, "return_indices": data.draw(st.booleans())}
        x = np.round(x, data.draw(st.integers(0, 1)))
    elif kind == "Avg":
        options |= {"padding": padding, "count_include_pad": data.draw(st.booleans())}
        if axes > 1:
            options["divisor_override"] = data.draw(st.sampled_from([None, 3]))
    else:
        options["norm_type"], x = data.draw(st.sampled_from([1, 2, 3, 1.5])), np.abs(x) + 0.1
        if axes == 1:  # PyTorch takes no tuple here
            (kernel_size,) = kernel_size
    equals_torch(getattr(torch.nn, f"{kind}Pool{axes}d")(kernel_size=kernel_size, **options), x)


@given(data=st.data(), axes=st.integers(1, 3), kind=st.sampled_from(["Max", "Avg"]))
@settings(deadline=None)
def test_every_adaptive_window(data, axes, kind):
    sizes = [st.integers(1, 9) if axes == 1 else st.none() | st.integers(1, 9) for _ in range(axes)]
    module = getattr(torch.nn, f"Adaptive{kind}Pool{axes}d")(data.draw(st.tuples(*sizes)))
    equals_torch(module, np.round(RNG.normal(size=(2, 2, *each(data, axes, 1, 9))), 1))

"""Derivatives of every order and kind, alone and under JAX's transformations, equal PyTorch's or the native ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dilax.ops import conv, conv_transpose

from .drawing import arrays, by_torch, problems


def _call(problem, lowering="auto"):
    def call(x, kernel):
        return conv(
            x, kernel, stride=problem.stride, padding=problem.pads, dilation=problem.dilation, groups=problem.groups,
            lowering=lowering,
        )  # fmt: skip

    return call


def _close(ours, theirs):
    theirs = np.asarray(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * max(1.0, np.abs(theirs).max(initial=0)))


@pytest.mark.slow
@given(drawn=problems())
@settings(deadline=None)
def test_gradients_in_jit_scan_and_vmap(drawn):
    problem, batch, c_in, c_out = drawn
    x, kernel, out_gradient = arrays(problem, batch, c_in, c_out)
    y, dx, dk = by_torch(problem, x, kernel, out_gradient)
    with jax.enable_x64(True):
        x, kernel, out_gradient = map(jnp.asarray, (x, kernel, out_gradient))

        def pull(x, kernel, out_gradient):
            y, back = jax.vjp(_call(problem), x, kernel)
            return y, *back(out_gradient)

        for ours, theirs in zip(jax.jit(pull)(x, kernel, out_gradient), (y, dx, dk), strict=True):
            _close(ours, theirs)
        one = (x[:, None], out_gradient[:, None])  # each sample by itself
        _, (ys, dxs, dks) = jax.lax.scan(lambda _, xg: (None, pull(xg[0], kernel, xg[1])), None, one)
        for ours, theirs in ((ys[:, 0], y), (dxs[:, 0], dx), (dks.sum(0), dk)):
            _close(ours, theirs)
        ys, dxs, dks = jax.vmap(pull, in_axes=(0, None, 0))(x[:, None], kernel, out_gradient[:, None])
        for ours, theirs in ((ys[:, 0], y), (dxs[:, 0], dx), (dks.sum(0), dk)):
            _close(ours, theirs)


@pytest.mark.slow
@given(drawn=problems(), seed=st.integers(0, 3))
@settings(deadline=None)
def test_second_derivatives_and_forward_mode_equal_the_native_ones(drawn, seed):
    problem, batch, c_in, c_out = drawn
    x, kernel, _ = arrays(problem, batch, c_in, c_out, seed)
    with jax.enable_x64(True):
        primals = jnp.asarray(x), jnp.asarray(kernel)
        tangents = tuple(jnp.cos(array * 3) for array in primals)
        found = []
        for lowering in ("auto", "native"):
            call = _call(problem, lowering)

            def loss(x, kernel, call=call):
                return jnp.sin(call(x, kernel)).sum()

            def squares(x, kernel, loss=loss):
                return sum((g**2).sum() for g in jax.grad(loss, (0, 1))(x, kernel))

            forward = jax.jvp(call, primals, tangents)[1]
            over_reverse = jax.jvp(jax.grad(loss, (0, 1)), primals, tangents)[1]
            found.append((forward, *over_reverse, *jax.grad(squares, (0, 1))(*primals)))
        for ours, theirs in zip(*found, strict=True):
            _close(ours, theirs)


@pytest.mark.parametrize("batched", [(0, None), (None, 0), (0, 0), (1, 2)])
def test_vmap_of_either_argument(batched):
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, kernel = rng.normal(size=(4, 4, 9, 8, 6)), rng.normal(size=(3, 3, 4, 2, 9))
        x = jnp.asarray(x if batched[0] is not None else x[0])
        kernel = jnp.moveaxis(jnp.asarray(kernel), 2, batched[1] or 0) if batched[1] is not None else kernel[:, :, 0]
        call = lambda lowering: jax.vmap(  # noqa: E731
            lambda x, k: conv(x, k, dilation=2, padding=1, groups=3, lowering=lowering), in_axes=batched
        )(x, kernel)
        _close(call("auto"), call("native"))


def test_remat_and_checkpoint_agree():
    rng = np.random.default_rng(0)
    x, kernel = jnp.asarray(rng.normal(size=(2, 7, 8, 9, 3))), jnp.asarray(rng.normal(size=(3, 3, 3, 3, 3)))

    def loss(x, wrap):
        layer = wrap(lambda x: jnp.tanh(conv(x, kernel, padding="same", dilation=2)))
        return layer(layer(x)).sum()

    plain, saved = (jax.grad(loss)(x, wrap) for wrap in (lambda f: f, jax.checkpoint))
    np.testing.assert_allclose(plain, saved, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("groups", "channels"), [(1, (3, 5)), (2, (12, 6)), (6, (6, 12)), (6, (12, 6))])
@pytest.mark.parametrize("options", [
    {"stride": 1}, {"stride": 2, "padding": 1, "output_padding": 1}, {"stride": (3, 2), "padding": (2, 0)},
    {"stride": 2, "dilation": 3, "padding": 2, "output_padding": 2}, {"dilation": 2, "padding": 3},
])  # fmt: skip
def test_conv_transpose_and_its_gradients_equal_pytorch(groups, channels, options):
    c_in, c_out = channels
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 6, c_in))
    weight = rng.normal(size=(c_in, c_out // groups, 4, 3))  # PyTorch's layout
    tx, tw = torch.tensor(x).movedim(-1, 1).requires_grad_(), torch.tensor(weight).requires_grad_()
    y = torch.nn.functional.conv_transpose2d(tx, tw, groups=groups, **options)
    y.sin().sum().backward()
    with jax.enable_x64(True):

        def ours(x, weight):
            # Group by group: (in, out / groups, …) is (…, in / groups, out).
            parts = weight.reshape(groups, c_in // groups, c_out // groups, 4, 3)
            kernel = parts.transpose(3, 4, 1, 0, 2).reshape(4, 3, c_in // groups, c_out)
            return conv_transpose(x, kernel, groups=groups, **options)

        found = ours(jnp.asarray(x), jnp.asarray(weight))
        dx, dw = jax.grad(lambda x, w: jnp.sin(ours(x, w)).sum(), (0, 1))(jnp.asarray(x), jnp.asarray(weight))
    _close(found, y.detach().movedim(1, -1).numpy())
    _close(dx, tx.grad.movedim(1, -1).numpy())
    _close(dw, tw.grad.numpy())


@pytest.mark.parametrize("axes", [1, 3])
def test_conv_transpose_over_other_axes(axes):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, *(4, 5, 6)[:axes], 3)), rng.normal(size=(*(3, 2, 4)[:axes], 3, 5))
    convolve = getattr(torch.nn.functional, f"conv_transpose{axes}d")
    weight = torch.tensor(kernel).movedim((-2, -1), (0, 1))
    y = convolve(torch.tensor(x).movedim(-1, 1), weight, stride=2, padding=1, output_padding=1)
    with jax.enable_x64(True):
        found = conv_transpose(jnp.asarray(x), jnp.asarray(kernel), stride=2, padding=1, output_padding=1)
    _close(found, y.movedim(1, -1).numpy())

"""The compiled computations: exact on small integers, whose sums float32 holds; and what happens without a compiler."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dilax.ops import compiled, conv
from dilax.ops.problem import Problem
from dilax.ops.sampling import Taps, sample
from dilax.ops.sums import mean

from .drawing import by_torch, problems

compiled_here = pytest.mark.skipif(not compiled.takes(jnp.float32), reason=compiled.status())
# Vectors and parts of them, one to three beside one another; more channels than are summed at a time.
CHANNELS = [1, 2, 5, 8, 16, 17, 21, 24, 33, 40, 300]


def integers(problem, batch, c_in, c_out):
    rng = np.random.default_rng(0)
    shapes = (batch, *problem.size, c_in), (*problem.kernel_size, c_in // problem.groups, c_out)
    x, kernel = (rng.integers(-4, 5, shape).astype(np.float64) for shape in shapes)
    return x, kernel, rng.integers(-4, 5, (batch, *problem.out_size, c_out)).astype(np.float64)


def assert_exact(problem, batch, c_in, c_out):
    x, kernel, out_gradient = integers(problem, batch, c_in, c_out)
    y, dx, dk = by_torch(problem, x, kernel, out_gradient)
    for compute, one, other, expected in (
        (compiled.forward, x, kernel, y),
        (compiled.input_gradient, out_gradient, kernel, dx),
        (compiled.kernel_gradient, x, out_gradient, dk),
    ):
        ours = compute(jnp.asarray(one, jnp.float32), jnp.asarray(other, jnp.float32), problem)
        assert ours.shape == expected.shape
        np.testing.assert_array_equal(ours, expected, compute.__name__)


@compiled_here
@given(drawn=problems(least_pad=-1), c_in=st.sampled_from(CHANNELS), c_out=st.sampled_from(CHANNELS))
@settings(deadline=None)
def test_random_convolutions_are_exact(drawn, c_in, c_out):
    problem, batch, *_ = drawn
    assert_exact(problem, batch, c_in * problem.groups, c_out * problem.groups)


@compiled_here
@given(drawn=problems(groups=1, least_pad=-1), channels=st.sampled_from(CHANNELS), multiplier=st.integers(1, 2))
@settings(deadline=None)
def test_random_depthwise_convolutions_are_exact(drawn, channels, multiplier):
    problem, batch, *_ = drawn
    assert_exact(problem._replace(groups=channels), batch, channels, channels * multiplier)


@st.composite
def long_rows(draw):
    """Three taps along rows of many places: the inner loops are others than for a few."""
    axes = draw(st.integers(1, 3))
    rate, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2, 3, 4, 8, 16]))
    ends = [(0, 0), (rate, rate), (rate, 0), (1, rate), (2 * rate, rate), (-1, rate + 1)]
    before, behind = draw(st.sampled_from(ends))
    width = draw(st.integers(2 * rate + 2, 60))
    problem = Problem(
        (5,) * (axes - 1) + (width,), (3,) * axes, (1,) * axes,
        ((rate, rate),) * (axes - 1) + ((before, behind),), (rate,) * axes, groups,
    )  # fmt: skip
    c_in = draw(st.sampled_from([1, 2, 3, 4, 8, 16, 17, 53, 130] if groups == 1 else [2, 3, 4, 8, 16]))
    c_out = c_in if draw(st.booleans()) else draw(st.sampled_from([1, 2, 4, 6, 8, 11, 16, 21, 32]))
    return problem, draw(st.integers(1, 2)), c_in * groups, c_out * groups


@compiled_here
@given(long_rows())
@settings(deadline=None)
def test_long_rows_of_three_taps_are_exact(drawn):
    assert_exact(*drawn)


@compiled_here
@pytest.mark.parametrize("channels", [(3, 40), (64, 21)])
def test_many_bands_and_long_rows_are_exact(channels):
    for size, reach in (((3000,), 700), ((70, 90), 12), ((9, 20, 30), 3)):
        axes = len(size)
        pads = ((reach, reach - 1),) * axes
        assert_exact(Problem(size, (3,) * axes, (1,) * axes, pads, (reach,) * axes), 2, *channels)


# Lengths around the widths and heights at which the loops change.
LENGTHS = st.sampled_from([1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 130, 300])


@st.composite
def three_axes(draw, most):
    """Lengths of which the product is at most so much."""
    lengths = [
        draw(LENGTHS),
        draw(LENGTHS | st.sampled_from([4096, 5000])),
        draw(LENGTHS | st.sampled_from([4095, 9000])),
    ]
    while np.prod(lengths) > most:
        lengths[int(np.argmax(lengths))] //= 2
    return draw(st.permutations(lengths))


@compiled_here
@given(lengths=three_axes(1 << 20), seed=st.integers(0, 99))
@settings(deadline=None)
def test_means_are_exact_but_for_one_rounding(lengths, seed):
    x = np.random.default_rng(seed).integers(-(10**6), 10**6, lengths).astype(np.float32)
    for axes in ((1,), (0, 1), (1, 2)):
        assert (
            not compiled.adds_up(x.shape, axes)
            or "dilax_total" in jax.jit(mean, static_argnums=1).lower(x, axes).as_text()
        )
        expected = np.mean(x, axes, dtype=np.float64).astype(np.float32)
        np.testing.assert_array_equal(mean(jnp.asarray(x), axes), expected)


@compiled_here
@given(
    lengths=three_axes(1 << 17),
    taps=st.integers(1, 70),
    outputs=LENGTHS,
    weighted=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_samples_of_an_axis_are_exact(lengths, taps, outputs, weighted, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 10, lengths).astype(np.float32)
    index, used = rng.integers(lengths[1], size=(taps, outputs)), rng.random((taps, outputs)) < 0.8
    weight = rng.integers(-4, 5, (taps, outputs)).astype(float) if weighted else np.ones((taps, outputs))
    dense = np.zeros((outputs, lengths[1]))
    for tap, output in np.argwhere(used):
        dense[output, index[tap, output]] += weight[tap, output]
    planned = Taps(lengths[1], index, used, weight if weighted else None)
    ours = jax.jit(lambda x: sample(x, 1, planned))
    assert "dilax_sample" in ours.lower(x).as_text()
    np.testing.assert_array_equal(ours(x), np.einsum("os,bsa->boa", dense, x))
    # What a tap that is not used would read does not count, not even as a product with zero.
    gone = ~np.isin(np.arange(lengths[1]), index[used])
    x[:, gone] = np.nan
    np.testing.assert_array_equal(ours(x), np.einsum("os,bsa->boa", dense, np.nan_to_num(x)))


@compiled_here
def test_derivatives_of_all_kinds_stay_compiled():
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((2, 9, 10, 3), (3, 3, 3, 5)))

    def second_derivatives(lowering):
        def loss(x, kernel):
            return jnp.sin(conv(x, kernel, padding=2, dilation=2, lowering=lowering)).sum()

        return lambda x, kernel: jax.jvp(jax.grad(loss, (0, 1)), (x, kernel), (x, kernel))[1]

    def looped(lowering):
        step = second_derivatives(lowering)
        return lambda x, kernel: jax.lax.scan(lambda c, _: (step(c, kernel)[0] * 1e-2, None), x, None, length=2)[0]

    def mapped(lowering):
        return lambda x, kernel: jax.vmap(second_derivatives(lowering), (0, None))(x[:, None], kernel)

    for make in (second_derivatives, looped, mapped):
        ours, native = jax.jit(make("auto")), jax.jit(make("native"))
        text = ours.lower(x, kernel).as_text()
        assert "dilax_convolve" in text
        assert "stablehlo.convolution" not in text
        with jax.enable_x64(True):
            exact = native(jnp.asarray(x, jnp.float64), jnp.asarray(kernel, jnp.float64))
        errors = [
            [np.sqrt(np.mean((np.asarray(one) - np.asarray(truth)) ** 2)) for one, truth in zip(*pair, strict=True)]
            for pair in ((jax.tree.leaves(run(x, kernel)), jax.tree.leaves(exact)) for run in (ours, native))
        ]
        assert all(one <= 2 * other for one, other in zip(*errors, strict=True)), errors


def _child(code, **environment):
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    return run.stdout.strip()


SUM = """
import jax, jax.numpy as jnp
from dilax.ops import compiled, conv
from dilax.ops.problem import Problem
run = jax.jit(lambda x, k: conv(x, k, padding=1))
x, k = jnp.ones((1, 4, 5, 2)), jnp.ones((3, 3, 2, 3))
print(compiled.status(), float(run(x, k).sum()), "dilax_convolve" in run.lower(x, k).as_text(), sep="; ")
"""


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DILAX_COMPILE": "0"}, "XLA's operations: DILAX_COMPILE=0"),
        ({"CXX": "no-such-compiler"}, "XLA's operations: there is no C++ compiler"),
        ({"CXX": "false", "XDG_CACHE_HOME": "{tmp}"}, "XLA's operations: false failed: "),
    ],
)
def test_without_the_library_xla_computes(environment, said, tmp_path):
    environment = {name: value.format(tmp=tmp_path) for name, value in environment.items()}
    assert _child(SUM, **environment) == f"{said}; 780.0; False"


@pytest.mark.slow
@compiled_here
def test_a_fresh_cache_is_filled_and_used_again(tmp_path):
    path = _child(SUM, XDG_CACHE_HOME=str(tmp_path)).split(";")[0].removeprefix("compiled: ")
    (library,) = (tmp_path / "dilax").iterdir()
    assert str(library) == path
    before = library.stat().st_mtime_ns
    assert _child(SUM, XDG_CACHE_HOME=str(tmp_path)) == f"compiled: {path}; 780.0; True"
    assert library.stat().st_mtime_ns == before
    library.chmod(0o777)  # others could have written it: compiled again
    _child(SUM, XDG_CACHE_HOME=str(tmp_path))
    assert library.stat().st_mtime_ns > before


@compiled_here
def test_several_devices_divide_xlas_operations():
    code = """
import jax, jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from dilax.ops import conv, interpolate
from dilax.ops.sums import total
mesh = Mesh(jax.devices(), ("batch",))
run = jax.jit(lambda x, k: total(interpolate(conv(x, k, padding=1), (40, 50), mode="bilinear"), (1, 2)) / 100)
x = jax.device_put(jnp.ones((2, 4, 5, 2)), NamedSharding(mesh, PartitionSpec("batch")))
k = jax.device_put(jnp.ones((3, 3, 2, 3)), NamedSharding(mesh, PartitionSpec()))
print(round(float(run(x, k).sum())), "dilax_" in run.lower(x, k).as_text(), run(x, k).sharding.spec[0], sep="; ")
"""
    assert _child(code, XLA_FLAGS="--xla_force_host_platform_device_count=2") == "1560; False; batch"

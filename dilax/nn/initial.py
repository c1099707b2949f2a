"""Initial values with PyTorch's distributions.

A key that has a value seeds NumPy's generators: XLA would compile a program for each shape, which for a deep network
takes ten times as long as to draw the numbers. While JAX traces, ``jax.random`` draws them, others for the same key.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..memory import aligned_empty, threads

#: Numbers that one generator draws.
_PART = 2**20
#: Numbers that are drawn at once: about what a core's cache holds, and so many that threads seldom meet at the
#: interpreter's lock.
_CACHED = 2**18


def uniform(
    rngs: nnx.Rngs, shape: tuple[int, ...], dtype: Any, bound: float, init: nnx.Initializer | None = None
) -> jax.Array:
    """Uniform from ``-bound`` to ``bound``, as PyTorch's layers begin; or what ``init`` gives."""
    key = _next_key(rngs)
    if init is not None:
        return init(key, shape, dtype)
    return _uniform(key, shape, dtype, bound)


def normal(rngs: nnx.Rngs, shape: tuple[int, ...], dtype: Any, deviation: float = 1.0) -> jax.Array:
    """Normal around 0."""
    return _normal(_next_key(rngs), shape, dtype, deviation)


def glorot(rngs: nnx.Rngs, shape: tuple[int, int], dtype: Any) -> jax.Array:
    """Uniform within ``sqrt(6 / (rows + columns))``, ``torch.nn.init.xavier_uniform_`` of a matrix."""
    return uniform(rngs, shape, dtype, math.sqrt(6 / sum(shape)))


def fan_out(key: Any, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> jax.Array:
    """Normal for a kernel that a ReLU follows, ``torch.nn.init.kaiming_normal_`` with ``mode="fan_out"``.

    Args:
        key: Of the random numbers.
        shape: ``(*kernel_size, in, out)``.
        dtype: Of the kernel.
        out_sharding: None; initializers have it in JAX.
    """
    return _normal(key, tuple(shape), dtype, math.sqrt(2 / (math.prod(shape[:-2]) * shape[-1])))


def uniform_fan_in(key: Any, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> jax.Array:
    """Uniform for a kernel that a ReLU follows, ``torch.nn.init.kaiming_uniform_`` with ``nonlinearity="relu"``.

    Args:
        key: As for :func:`fan_out`, as all that follow.
        shape: As there.
        dtype: As there.
        out_sharding: As there.
    """
    return _uniform(key, tuple(shape), dtype, math.sqrt(6 / math.prod(shape[:-1])))


def uniform_fans(key: Any, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> jax.Array:
    """Uniform by inputs and outputs together, ``torch.nn.init.xavier_uniform_`` of a kernel.

    Args:
        key: As for :func:`fan_out`, as all that follow.
        shape: As there.
        dtype: As there.
        out_sharding: As there.
    """
    return _uniform(key, tuple(shape), dtype, math.sqrt(6 / (math.prod(shape[:-2]) * sum(shape[-2:]))))


def gaussian(deviation: float) -> nnx.Initializer:
    """An initializer that draws from the normal distribution around 0, ``torch.nn.init.normal_``."""

    def draw(key: Any, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> jax.Array:
        return _normal(key, tuple(shape), dtype, deviation)

    return draw


def symmetric(bound: float) -> nnx.Initializer:
    """An initializer that draws uniformly from ``-bound`` to ``bound``, ``torch.nn.init.uniform_``."""

    def draw(key: Any, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> jax.Array:
        return _uniform(key, tuple(shape), dtype, bound)

    return draw


def _uniform(key: Any, shape: tuple[int, ...], dtype: Any, bound: float) -> jax.Array:
    if isinstance(key, jax.core.Tracer):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    def fill(generator: np.random.Generator, values: Any) -> None:
        _from_one_to_two(generator, values)
        values -= 1.5
        values *= 2 * bound

    return _drawn(key, shape, dtype, fill)


def _next_key(rngs: nnx.Rngs) -> jax.Array:
    """``rngs.params()``, which while JAX traces looks through all operations so far each time it counts."""
    stream: Any = rngs.params
    key = jax.random.fold_in(stream.key.get_value(), stream.count.get_value())
    stream.count.set_value(stream.count.get_value() + 1)
    return key


def _normal(key: Any, shape: tuple[int, ...], dtype: Any, deviation: float) -> jax.Array:
    if isinstance(key, jax.core.Tracer):
        return deviation * jax.random.normal(key, shape, dtype)

    def fill(generator: np.random.Generator, values: Any) -> None:
        _from_one_to_two(generator, values)
        _to_normal(generator, values, deviation)

    return _drawn(key, shape, dtype, fill)


def _from_one_to_two(generator: np.random.Generator, values: Any) -> None:
    """Fill with uniform numbers: random bits under the exponent of one. NumPy's own way takes twice as long."""
    bits = values.view(f"u{values.itemsize}")
    raw = generator.bit_generator.random_raw(-(-values.nbytes // 8)).view(bits.dtype)[: values.size]
    np.right_shift(raw, 8 * values.itemsize - np.finfo(values.dtype).nmant, out=bits)
    np.bitwise_or(bits, np.ones((), values.dtype).view(bits.dtype), out=bits)


def _to_normal(generator: np.random.Generator, values: Any, deviation: float) -> None:
    """Make pairs of such numbers normal ones, as PyTorch does (Box and Muller, 1958): NumPy's way is slower."""
    half = values.size // 2
    radius, angle, odd = values[:half], values[half : 2 * half], values[2 * half :]
    np.log(np.subtract(2, radius, out=radius), out=radius)
    radius *= -2 * deviation**2
    np.sqrt(radius, out=radius)
    angle -= 1.5
    angle *= 2 * math.pi
    cosine = np.cos(angle)
    np.sin(angle, out=angle)
    angle *= radius
    radius *= cosine
    generator.standard_normal(dtype=values.dtype, out=odd)
    odd *= deviation


def _drawn(key: Any, shape: tuple[int, ...], dtype: Any, fill: Callable[[np.random.Generator, Any], None]) -> jax.Array:
    """Parts of fixed size, each from a generator of its own: threads share them, and their number changes no value."""
    values = aligned_empty(math.prod(shape), np.dtype(np.float64 if dtype == np.float64 else np.float32))
    parts = [values[begin : begin + _PART] for begin in range(0, values.size, _PART)]
    seeds = np.random.SeedSequence(np.asarray(jax.random.key_data(key)).ravel().tolist()).spawn(len(parts))
    generators = [np.random.Generator(np.random.SFC64(seed)) for seed in seeds]

    def fill_part(generator: np.random.Generator, part: Any) -> None:
        for begin in range(0, part.size, _CACHED):
            fill(generator, part[begin : begin + _CACHED])

    if len(parts) == 1:
        fill_part(generators[0], parts[0])
    else:
        list(threads().map(fill_part, generators, parts))
    return jax.device_put(values.reshape(shape).astype(jax.dtypes.canonicalize_dtype(dtype), copy=False))

"""Initial values with PyTorch's distributions.

A key that has a value seeds NumPy's generator: XLA would compile a program for each shape, which for a deep network
takes ten times as long as to draw the numbers. While JAX traces, ``jax.random`` draws them, others for the same key.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx


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
    values = _generator(key).random(shape, _drawn(dtype))
    values *= 2 * bound
    values -= bound
    return _placed(values, dtype)


def _next_key(rngs: nnx.Rngs) -> jax.Array:
    """``rngs.params()``, which while JAX traces looks through all operations so far each time it counts."""
    stream: Any = rngs.params
    key = jax.random.fold_in(stream.key.get_value(), stream.count.get_value())
    stream.count.set_value(stream.count.get_value() + 1)
    return key


def _normal(key: Any, shape: tuple[int, ...], dtype: Any, deviation: float) -> jax.Array:
    if isinstance(key, jax.core.Tracer):
        return deviation * jax.random.normal(key, shape, dtype)
    values = _generator(key).standard_normal(shape, _drawn(dtype))
    values *= deviation
    return _placed(values, dtype)


def _generator(key: Any) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())


def _drawn(dtype: Any) -> Any:
    """The dtype that NumPy draws numbers in that become ``dtype``."""
    return np.float64 if dtype == np.float64 else np.float32


def _placed(values: Any, dtype: Any) -> jax.Array:
    return jax.device_put(values.astype(jax.dtypes.canonicalize_dtype(dtype), copy=False))

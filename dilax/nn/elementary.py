"""Elementary functions with PyTorch's error in float32, where XLA's own is larger, and PyTorch's slopes at kinks."""

import math

import jax
import jax.numpy as jnp


def clamp(x: jax.Array, low: float, high: float) -> jax.Array:
    """``x`` within bounds; at a bound the slope is 0, as in PyTorch, where ``jnp.clip`` has one half."""
    return jnp.where(x <= low, low, jnp.where(x >= high, high, x)).astype(x.dtype)


def expm1_of_negative(x: jax.Array) -> jax.Array:
    """``exp(x) - 1`` for ``x <= 0``."""
    return _expm1_float32(x) if x.dtype == jnp.float32 else jnp.expm1(x)


def softplus(x: jax.Array) -> jax.Array:
    """``log(1 + exp(x))``, with the slope of a sigmoid in full precision."""
    # At 0 the slopes are 1 and that of jnp.abs, also 1, times minus one half.
    return jnp.where(x >= 0, x, 0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


@jax.custom_jvp
def tanh(x: jax.Array) -> jax.Array:
    """Hyperbolic tangent; XLA's own has two to three times PyTorch's error in float32."""
    if x.dtype != jnp.float32:
        return jnp.tanh(x)
    size = jnp.abs(x)
    small = _expm1_float32(-2 * size)
    large = jnp.exp(-2 * size)
    # Near 1 the distance from 1 is the exact way, near 0 the other.
    return jnp.copysign(jnp.where(size < 0.5, -small / (2 + small), 1 - 2 * large / (1 + large)), x)


@tanh.defjvp
def _tanh_slope(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    y = tanh(primals[0])
    return y, (1 - y * y) * tangents[0]


def _expm1_float32(x: jax.Array) -> jax.Array:
    x = jnp.maximum(x, -25)  # below, the result is -1
    octaves = jax.lax.stop_gradient(jnp.round(x / math.log(2)))
    # ln 2 in two parts, of which the first times a small integer is exact.
    rest = (x - octaves * 0.693359375) + octaves * 2.12194440e-4
    series = jnp.zeros_like(rest)
    for power in range(8, 1, -1):
        series = series * rest + 1 / math.factorial(power)
    # 2 to that power by its exponent's bits: XLA's ldexp calls a function for each number on a CPU.
    scale = jax.lax.bitcast_convert_type((octaves.astype(jnp.int32) + 127) << 23, jnp.float32)
    return scale * (rest + rest * rest * series) + (scale - 1)

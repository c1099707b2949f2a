"""A convolution and its two gradients as JAX primitives, closed under differentiation.

The three are the contractions of one trilinear form T(x, kernel, out_gradient), each bilinear, and the transpose of one
in either argument is another. So derivatives of every order, forward and reverse, stay on this package's lowerings.
(A ``jax.custom_vjp`` would have no forward mode.) On a CPU :mod:`dilax.ops.compiled` computes
them, or what :mod:`dilax.ops.cpu` chooses of XLA's operations; on an NVIDIA GPU what :mod:`dilax.ops.gpu` chooses of
them; elsewhere XLA's own convolution does.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AxisType

from . import compiled, cpu, gpu
from .problem import Contraction, Problem, native, native_input_gradient, native_kernel_gradient


def _make(
    name: str,
    fast: Contraction,
    on_cpu: Contraction,
    on_gpu: Contraction,
    elsewhere: Contraction,
    shape: Callable[..., tuple[int, ...]],
) -> Any:
    primitive = Primitive(f"dilax_{name}")

    def abstract(one: Any, other: Any, *, problem: Problem) -> ShapedArray:
        return ShapedArray(shape(one.shape, other.shape, problem), one.dtype)

    def lower(compute: Contraction) -> Any:
        return mlir.lower_fun(partial(_with_keyword, compute), multiple_results=False)

    primitive.def_impl(jax.jit(primitive.bind, static_argnames="problem"))
    primitive.def_abstract_eval(abstract)
    mlir.register_lowering(
        primitive,
        compiled.lowering(partial(_with_keyword, fast), partial(_with_keyword, on_cpu)),
        platform="cpu",
    )
    mlir.register_lowering(primitive, lower(on_gpu), platform="cuda")
    mlir.register_lowering(primitive, lower(elsewhere))
    batching.primitive_batchers[primitive] = partial(_batched, primitive, on_gpu, elsewhere)
    return primitive


def _with_keyword(contraction: Contraction, one: jax.Array, other: jax.Array, *, problem: Problem) -> jax.Array:
    return contraction(one, other, problem)


def _batched(
    primitive: Any,
    on_gpu: Contraction,
    elsewhere: Contraction,
    args: tuple[jax.Array, jax.Array],
    dims: tuple[Any, Any],
    *,
    problem: Problem,
) -> tuple[jax.Array, int]:
    one, other = args
    if dims[1] is None and primitive is not _kernel_gradient_p:
        # The mapped axis joins the batch.
        one = jnp.moveaxis(one, dims[0], 0)
        result = primitive.bind(one.reshape(-1, *one.shape[2:]), other, problem=problem)
        return result.reshape(*one.shape[:2], *result.shape[1:]), 0
    stacked = [
        jnp.moveaxis(array, dim, 0) if dim is not None else jnp.broadcast_to(array, (length, *array.shape))
        for length in [next(a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None)]
        for array, dim in zip(args, dims, strict=True)
    ]
    result = lax.platform_dependent(
        *stacked,
        cpu=lambda one, other: lax.map(lambda pair: primitive.bind(*pair, problem=problem), (one, other)),
        cuda=jax.vmap(lambda one, other: on_gpu(one, other, problem)),
        default=jax.vmap(lambda one, other: elsewhere(one, other, problem)),
    )
    return result, 0


def _out_shape(x: tuple[int, ...], kernel: tuple[int, ...], problem: Problem) -> tuple[int, ...]:
    return x[0], *problem.out_size, kernel[-1]


def _input_shape(out_gradient: tuple[int, ...], kernel: tuple[int, ...], problem: Problem) -> tuple[int, ...]:
    return out_gradient[0], *problem.size, kernel[-2] * problem.groups


def _kernel_shape(x: tuple[int, ...], out_gradient: tuple[int, ...], problem: Problem) -> tuple[int, ...]:
    return *problem.kernel_size, x[-1] // problem.groups, out_gradient[-1]


_forward_p = _make("conv", compiled.forward, cpu.forward, gpu.forward, native, _out_shape)
_input_gradient_p = _make(
    "conv_input_gradient",
    compiled.input_gradient,
    cpu.input_gradient,
    gpu.input_gradient,
    native_input_gradient,
    _input_shape,
)
_kernel_gradient_p = _make(
    "conv_kernel_gradient",
    compiled.kernel_gradient,
    cpu.kernel_gradient,
    gpu.kernel_gradient,
    native_kernel_gradient,
    _kernel_shape,
)


def apply_here(*arrays: jax.Array) -> bool:
    """Whether the primitives can be used: not on a mesh of explicit or manual axes, whose bookkeeping is JAX's own."""
    meshes = (jax.typeof(array).sharding.mesh for array in arrays)
    return all(kind == AxisType.Auto for mesh in meshes for kind in mesh.axis_types or ())


@partial(jax.jit, static_argnums=2, inline=True)
def forward(x: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native`."""
    return _forward_p.bind(x, kernel, problem=problem)


@partial(jax.jit, static_argnums=2, inline=True)
def input_gradient(out_gradient: jax.Array, kernel: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native_input_gradient`."""
    return _input_gradient_p.bind(out_gradient, kernel, problem=problem)


@partial(jax.jit, static_argnums=2, inline=True)
def kernel_gradient(x: jax.Array, out_gradient: jax.Array, problem: Problem) -> jax.Array:
    """As :func:`dilax.ops.problem.native_kernel_gradient`."""
    return _kernel_gradient_p.bind(x, out_gradient, problem=problem)


# Each rule gets the cotangent of the result and the argument that stays, and gives the other argument's cotangent.
ad.defbilinear(
    _forward_p,
    lambda out_gradient, _x, kernel, problem: input_gradient(out_gradient, kernel, problem),
    lambda out_gradient, x, _kernel, problem: kernel_gradient(x, out_gradient, problem),
)
ad.defbilinear(
    _input_gradient_p,
    lambda x, _out_gradient, kernel, problem: forward(x, kernel, problem),
    lambda x, out_gradient, _kernel, problem: kernel_gradient(x, out_gradient, problem),
)
ad.defbilinear(
    _kernel_gradient_p,
    lambda kernel, _x, out_gradient, problem: input_gradient(out_gradient, kernel, problem),
    lambda kernel, x, _out_gradient, problem: forward(x, kernel, problem),
)

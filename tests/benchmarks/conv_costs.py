"""What dilax's convolutions cost besides time, against XLA's own: ``python -m tests.benchmarks.conv_costs``.

Peak memory of each case of the benchmark, forward and gradient, as XLA's compiler plans it (arguments, results and
scratch); time to compile a model of fifty dilated layers; and the error of each against float64.
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from dilax.ops import conv

from .conv_cases import CASES, Case

_LAYERS = 50


def main() -> None:
    """Print both tables."""
    out = Console(width=130)
    table = Table(title="auto over native")
    table.add_column("case", no_wrap=True)
    table.add_column("")
    for heading in ("peak MB", "native", "ratio", "scratch MB", "native", "error", "native error"):
        table.add_column(heading, justify="right")
    for case in CASES:
        for kind in ("forward", "gradient"):
            table.add_row(case.name, kind, *_row(case, kind))
    out.print(table)
    for axes, edge in ((2, 33), (3, 16)):
        ours, native = (_compile_seconds(axes, edge, lowering) for lowering in ("auto", "native"))
        out.print(
            f"{_LAYERS} layers, {axes}-D, forward and gradient: compiled in {ours:.1f} s, native {native:.1f} s, "
            f"ratio {ours / native:.2f}"
        )


def _row(case: Case, kind: str) -> list[str]:
    ours, native = (_compiled(case, kind, lowering) for lowering in ("auto", "native"))
    peaks = [_peak(compiled) / 1e6 for compiled in (ours, native)]
    scratch = [compiled.memory_analysis().temp_size_in_bytes / 1e6 for compiled in (ours, native)]
    errors = _errors(case, kind, ours, native)
    return [
        f"{peaks[0]:.0f}", f"{peaks[1]:.0f}", f"{peaks[0] / peaks[1]:.2f}", f"{scratch[0]:.0f}", f"{scratch[1]:.0f}",
        *errors,
    ]  # fmt: skip


def _shapes(case: Case) -> tuple[tuple[int, ...], tuple[int, ...]]:
    kernel = (*[case.taps] * len(case.size), case.channels[0] // case.groups, case.channels[1])
    return (case.batch, *case.size, case.channels[0]), kernel


def _call(case: Case, lowering: Any) -> Callable[..., Any]:
    return lambda x, k: conv(x, k, padding=case.padding, dilation=case.dilation, groups=case.groups, lowering=lowering)


def _compiled(case: Case, kind: str, lowering: str, dtype: Any = jnp.float32) -> Any:
    call = _call(case, lowering)
    x, kernel = (jax.ShapeDtypeStruct(shape, dtype) for shape in _shapes(case))
    if kind == "forward":
        return jax.jit(call).lower(x, kernel).compile()
    out = jax.eval_shape(call, x, kernel)
    return jax.jit(lambda x, k, g: jax.vjp(call, x, k)[1](g)).lower(x, kernel, out).compile()


def _peak(compiled: Any) -> float:
    found = compiled.memory_analysis()
    return float(found.argument_size_in_bytes + found.output_size_in_bytes + found.temp_size_in_bytes)


def _errors(case: Case, kind: str, ours: Any, native: Any) -> tuple[str, str]:
    """Root mean square distance from the float64 result, over the result's own; the larger one of the two gradients."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in _shapes(case)]
    if kind == "gradient":
        out = (*arrays[0].shape[:-1], case.channels[1])
        arrays.append(rng.normal(size=out).astype(np.float32))
    with jax.enable_x64(True):
        # Native is too slow in float64 for 3-D; what auto takes there is right to 1e-15.
        exact = _compiled(case, kind, "auto", jnp.float64)(*(jnp.asarray(array, jnp.float64) for array in arrays))
    found = [[np.asarray(array, np.float64) for array in jax.tree.leaves(run(*arrays))] for run in (ours, native)]
    worst = [
        max(
            np.sqrt(np.mean((array - right) ** 2) / np.mean(right**2))
            for array, right in zip(results, map(np.asarray, jax.tree.leaves(exact)), strict=True)
        )
        for results in found
    ]
    return f"{worst[0]:.1e}", f"{worst[1]:.1e}"


def _compile_seconds(axes: int, edge: int, lowering: Any) -> float:
    """Least of three, of a model whose layers all differ in dilation or are alike, as in real ones."""
    kernels = [jnp.zeros((*[3] * axes, 24, 24)) for _ in range(_LAYERS)]
    x = jnp.zeros((1, *[edge] * axes, 24))

    def loss(kernels: Any, x: Any) -> Any:
        for layer, kernel in enumerate(kernels):
            rate = (1, 2, 4, 8)[layer % 4]
            x = jax.nn.relu(conv(x, kernel, padding=rate, dilation=rate, lowering=lowering))
        return x.sum()

    seconds = []
    for _ in range(3):
        jax.clear_caches()
        begin = time.perf_counter()
        jax.jit(jax.grad(loss)).lower(kernels, x).compile()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


if __name__ == "__main__":
    main()

"""One convolution, and its two gradients, in dilax, Flax and PyTorch, as functions that return when they are done.

On a CPU a function makes one call. On an accelerator one call is over before the next can be started from Python, so
there a function runs a program of several, each with a kernel of its own, several times: one of XLA, or a CUDA graph of
PyTorch's.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

from dilax.ops import conv, conv_transpose

from .conv_cases import Case

Functions = dict[str, Callable[[], object]]
Call = Callable[[Any, Any], Any]

ON_CPU = jax.default_backend() == "cpu"
# Convolutions of a program, and how often a function runs it before it waits for the last.
_MANY, _ROUNDS = (1, 1) if ON_CPU else (5, 10)
#: Convolutions that a function makes.
MANY = _MANY * _ROUNDS
_TORCH_DEVICE = "cpu" if ON_CPU else "cuda"


def contenders(case: Case, dtype: str) -> dict[str, Functions]:
    """By ``"forward"`` and ``"gradient"`` the functions to time, by name.

    Args:
        case: The convolution.
        dtype: Of all arrays: ``"float32"`` or ``"bfloat16"``.
    """
    rng = np.random.default_rng(0)
    size = (*[case.taps] * len(case.size), case.channels[0] // case.groups, case.channels[1])
    x = rng.normal(size=(case.batch, *case.size, case.channels[0])).astype(np.float32)
    kernels = [rng.normal(size=size).astype(np.float32) for _ in range(_MANY)]
    forward, gradient = _in_jax(case, x, kernels, dtype)
    torch_forward, torch_gradient = _in_torch(case, x, kernels, getattr(torch, dtype))
    return {"forward": forward | torch_forward, "gradient": gradient | torch_gradient}


def _in_jax(case: Case, x: Any, kernels: Any, dtype: str) -> tuple[Functions, Functions]:
    x, kernels = jnp.asarray(x, dtype), [jnp.asarray(kernel, dtype) for kernel in kernels]
    forward: Functions = {}
    gradient: Functions = {}
    for name, call in _jax_calls(case, kernels[0]).items():
        shape = jax.eval_shape(call, x, kernels[0]).shape
        pulled = [jnp.full(shape, 0.5 + index, dtype) for index in range(_MANY)]

        def push(x: Any, kernels: Any, call: Call = call) -> Any:
            return [call(x, kernel) for kernel in kernels]

        def pull(x: Any, kernels: Any, pulled: Any, call: Call = call) -> Any:
            return [jax.vjp(call, x, kernel)[1](one) for kernel, one in zip(kernels, pulled, strict=True)]

        run, back = jax.jit(push), jax.jit(pull)
        forward[name] = lambda run=run: _rounds(run, x, kernels)
        gradient[name] = lambda back=back, pulled=pulled: _rounds(back, x, kernels, pulled)
    return forward, gradient


def _rounds(run: Callable[..., object], *args: Any) -> None:
    for _ in range(_ROUNDS):
        last = run(*args)
    jax.block_until_ready(last)


def _jax_calls(case: Case, kernel: Any) -> dict[str, Call]:
    if case.stride > 1:
        edge = (case.taps - case.stride) // 2
        options: Mapping[str, Any] = {"stride": case.stride, "padding": edge, "groups": case.groups}
        return {
            "dilax": lambda x, k: conv_transpose(x, k, **options),
            # nnx.ConvTranspose has no groups: XLA's own way stands in for it
            "flax": lambda x, k: conv_transpose(x, k, **options, lowering="native"),
        }
    layer = nnx.Conv(
        *case.channels, kernel.shape[:-2], padding=case.padding, kernel_dilation=case.dilation,
        feature_group_count=case.groups, use_bias=False, dtype=kernel.dtype, rngs=nnx.Rngs(0),
    )  # fmt: skip
    graph, state = nnx.split(layer)
    return {
        "dilax": lambda x, k: conv(x, k, padding=case.padding, dilation=case.dilation, groups=case.groups),
        "flax": lambda x, k: nnx.merge(graph, jax.tree.map(lambda _: k, state))(x),
    }


def _in_torch(case: Case, x: Any, kernels: Any, dtype: torch.dtype) -> tuple[Functions, Functions]:
    torch.backends.cudnn.benchmark = True
    axes = len(case.size)
    forward: Functions = {}
    gradient: Functions = {}
    last = {2: torch.channels_last, 3: torch.channels_last_3d}
    for name, layout in {"torch": torch.contiguous_format, "torch last": last.get(axes)}.items():
        if layout is None:
            continue
        tx = torch.tensor(x).movedim(-1, 1).to(_TORCH_DEVICE, dtype).contiguous(memory_format=layout)
        # A transposed, depthwise convolution's kernel has the input's channels first: (channels, 1, …).
        order = (0, 1) if case.stride > 1 else (1, 0)
        source = (-1, -2) if case.stride > 1 else (-2, -1)
        tks = [
            torch.tensor(kernel)
            .movedim(source, order)
            .to(_TORCH_DEVICE, dtype)
            .contiguous(memory_format=torch.contiguous_format if case.stride > 1 else layout)
            for kernel in kernels
        ]
        call = _torch_call(case, axes)

        @torch.no_grad()
        def run(tx: Any = tx, tks: Any = tks, call: Any = call) -> object:
            return [call(tx, tk) for tk in tks]

        forward[name] = run if ON_CPU else _graph(run)
        if case.stride == 1 and ON_CPU:
            torch.compiler.reset()  # or it stops compiling after a few shapes
            compiled = torch.compile(call, dynamic=False)
            forward[f"{name} compiled"] = lambda run=run, compiled=compiled: run(call=compiled)
        back = _torch_gradient(case, tx, tks, call, layout)
        gradient[name] = back if ON_CPU else _graph(back)
    return forward, gradient


def _torch_gradient(case: Case, tx: Any, tks: Any, call: Call, layout: Any) -> Callable[[], object]:
    if ON_CPU:
        tx.requires_grad_()
        (tk,) = tks
        tk.requires_grad_()
        y = call(tx, tk)
        g = torch.full_like(y, 0.5).contiguous(memory_format=layout)
        return lambda: torch.autograd.grad(y, (tx, tk), g, retain_graph=True)
    # Without autograd, which takes longer to start a convolution than the device to compute it.
    axes = len(case.size)
    transposed = case.stride > 1
    edge = (case.taps - case.stride) // 2 if transposed else case.padding[0][0]
    before, after = case.padding[0]
    if before != after and not transposed:
        tx, edge = torch.nn.functional.pad(tx, (before, after) * axes), 0
    y = call(tx, tks[0]) if transposed or before == after else getattr(torch.nn.functional, f"conv{axes}d")(
        tx, tks[0], dilation=case.dilation, groups=case.groups
    )  # fmt: skip
    gs = [torch.full_like(y, 0.5 + index).contiguous(memory_format=layout) for index in range(_MANY)]
    same = [case.stride] * axes, [edge] * axes, [case.dilation] * axes, transposed, [0] * axes, case.groups
    return lambda: [
        torch.ops.aten.convolution_backward(g, tx, tk, None, *same, (True, True, False))
        for g, tk in zip(gs, tks, strict=True)
    ]


def _graph(run: Callable[[], object]) -> Callable[[], object]:
    """All that ``run`` starts on the device, started at once."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):  # cuDNN chooses its algorithms
            run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = run()

    def replay(keep: Any = (run, results)) -> object:  # the graph reads and writes their memory
        for _ in range(_ROUNDS):
            graph.replay()
        torch.cuda.synchronize()
        return keep

    return replay


def _torch_call(case: Case, axes: int) -> Call:
    functional = torch.nn.functional
    if case.stride > 1:
        transpose = getattr(functional, f"conv_transpose{axes}d")
        edge = (case.taps - case.stride) // 2
        return lambda x, k: transpose(x, k, stride=case.stride, padding=edge, groups=case.groups)
    convolve = getattr(functional, f"conv{axes}d")
    before, after = case.padding[0]
    if before == after:
        return lambda x, k: convolve(x, k, padding=before, dilation=case.dilation, groups=case.groups)
    return lambda x, k: convolve(
        functional.pad(x, (before, after) * axes), k, dilation=case.dilation, groups=case.groups
    )

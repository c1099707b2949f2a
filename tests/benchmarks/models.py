"""Time whole models against PyTorch: ``python -m tests.benchmarks.models --output docs/benchmarks``.

Inference of one image of 513x513 and a training step on two of 257x257 (cross-entropy, gradients, SGD with momentum),
in one process, in turn; medians are compared. PyTorch's time is the best of its contiguous and its channels-last
layout, each as it is and under ``torch.compile``. Ratios below 1 say that dilax is faster. Needs torchvision and
segmentation_models_pytorch.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .timing import interleaved  # sets how PyTorch's threads wait, so before PyTorch

import jax  # isort: skip
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import nnx
from rich.console import Console
from rich.table import Table

import interop
from dilax import models
from interop import reference

#: Names and options.
MODELS: dict[str, dict[str, Any]] = {
    "deeplabv3_resnet50": {"auxiliary_head": True},
    "deeplabv3_mobilenet_v3_large": {"auxiliary_head": True},
    "drn_d_22": {},
    "smp_deeplabv3plus": {"encoder_name": "resnet34", "classes": 21},
}
_LAYOUTS = {"torch": torch.contiguous_format, "torch last": torch.channels_last}
_RATE, _MOMENTUM = 0.001, 0.9


@dataclass(frozen=True)
class Row:
    """What was measured of a model.

    Attributes:
        model: Its name.
        kind: ``inference`` or ``training step``.
        milliseconds: By contender.
        over_torch: dilax's time over the best of PyTorch's.
        compile_seconds: What JAX took to compile.
        spread: The largest distance of quartiles over a median.
    """

    model: str
    kind: str
    milliseconds: dict[str, float]
    over_torch: float
    compile_seconds: float
    spread: float


def main() -> None:
    """Run everything, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", default="", help="run models whose name contains this")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    out = Console(width=120)
    rows = []
    for name in MODELS:
        if arguments.only in name:
            for measure in (_inference, _training_step):
                rows.append(measure(name, arguments.repeats))
                out.print(_line(rows[-1]))
    out.print(_table(rows))
    (arguments.output / "models.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))


def _inference(name: str, repeats: int) -> Row:
    model, module = _pair(name)
    model.eval()
    module.eval()
    image = _image(1, 513, model)
    graph, state = nnx.split(model)
    run = jax.jit(lambda state, x: nnx.merge(graph, state)(x))
    x = jnp.asarray(image)
    seconds = _seconds(lambda: run.lower(state, x).compile())
    contenders: dict[str, Callable[[], object]] = {"dilax": lambda: jax.block_until_ready(run(state, x))}
    for layout, order in _LAYOUTS.items():
        placed = _copy(module, name).eval().to(memory_format=order)
        tx = torch.tensor(image).movedim(-1, 1).contiguous(memory_format=order)
        for kind, call in {layout: placed, f"{layout} compiled": torch.compile(placed, dynamic=False)}.items():
            contenders[kind] = lambda call=call, tx=tx: _without_gradient(call, tx)
    return _row(name, "inference", contenders, repeats, seconds)


def _training_step(name: str, repeats: int) -> Row:
    model, module = _pair(name)
    model.eval()
    image = _image(2, 257, model)
    shape = jax.eval_shape(lambda: _outputs(model(image))[0]).shape
    model.train()
    labels = np.random.default_rng(1).integers(shape[-1], size=shape[:-1])
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)
    optimizer = optax.sgd(_RATE, _MOMENTUM)
    x, y = jnp.asarray(image), jnp.asarray(labels)

    def loss_of(parameters: Any, rest: Any) -> Any:
        built = nnx.merge(graph, parameters, rest, copy=True)
        loss = sum(optax.softmax_cross_entropy_with_integer_labels(each, y).mean() for each in _outputs(built(x)))
        return loss, nnx.state(built, nnx.Not(nnx.Param))

    def step(parameters: Any, rest: Any, moments: Any) -> Any:
        gradients, rest = jax.grad(loss_of, has_aux=True)(parameters, rest)
        updates, moments = optimizer.update(gradients, moments)
        return optax.apply_updates(parameters, updates), rest, moments

    run = jax.jit(step, donate_argnums=(0, 1, 2))
    carried = [parameters, rest, optimizer.init(parameters)]
    seconds = _seconds(lambda: run.lower(*carried).compile())

    def ours() -> None:
        carried[:] = run(*carried)
        jax.block_until_ready(carried)

    contenders: dict[str, Callable[[], object]] = {"dilax": ours}
    for layout, order in _LAYOUTS.items():
        placed = _copy(module, name).train().to(memory_format=order)
        tx = torch.tensor(image).movedim(-1, 1).contiguous(memory_format=order)
        for kind, call in {layout: placed, f"{layout} compiled": torch.compile(placed, dynamic=False)}.items():
            contenders[kind] = _torch_step(call, placed, tx, torch.tensor(labels))
    return _row(name, "training step", contenders, repeats, seconds)


def _torch_step(call: Any, module: torch.nn.Module, x: Any, labels: Any) -> Callable[[], object]:
    optimizer = torch.optim.SGD(module.parameters(), _RATE, _MOMENTUM)

    def step() -> None:
        optimizer.zero_grad()
        sum(torch.nn.functional.cross_entropy(each, labels) for each in _outputs(call(x))).backward()
        optimizer.step()

    return step


def _pair(name: str) -> tuple[Any, torch.nn.Module]:
    """The model and the module it agrees with, with the same numbers."""
    torch.compiler.reset()
    torch.manual_seed(0)
    module = reference.create(name, **MODELS[name])
    model = models.create(name, **MODELS[name])
    interop.load(model, module.state_dict())
    return model, module


def _copy(module: torch.nn.Module, name: str) -> torch.nn.Module:
    copied = reference.create(name, **MODELS[name])
    copied.load_state_dict(module.state_dict())
    return copied


def _image(batch: int, edge: int, model: Any) -> np.ndarray:
    if hasattr(model, "encoder"):  # smp's models take multiples of their stride alone
        edge -= edge % model.encoder.output_stride
    return np.random.default_rng(0).normal(size=(batch, edge, edge, 3)).astype(np.float32)


def _outputs(found: Any) -> list[Any]:
    return list(found.values()) if isinstance(found, dict) else [found]


def _without_gradient(call: Any, x: Any) -> object:
    with torch.no_grad():
        return call(x)


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _row(name: str, kind: str, contenders: Any, repeats: int, compile_seconds: float) -> Row:
    found = interleaved(contenders, repeats=repeats)
    times = {contender: timing.median * 1e3 for contender, timing in found.items()}
    best = min(time for contender, time in times.items() if contender != "dilax")
    spread = max(timing.spread for timing in found.values())
    return Row(name, kind, times, times["dilax"] / best, compile_seconds, spread)


def _line(row: Row) -> str:
    times = "  ".join(f"{name} {value:.0f}" for name, value in row.milliseconds.items())
    return (
        f"{row.model} {row.kind}: {row.over_torch:.2f} of torch ({times} ms), compiled in {row.compile_seconds:.1f} s"
    )


def _table(rows: list[Row]) -> Table:
    table = Table("model", "", title="dilax over the best of PyTorch: below 1 is faster")
    for heading in ("ms", "over torch", "compiled in s", "spread"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row.model, row.kind, f"{row.milliseconds['dilax']:.0f}", f"{row.over_torch:.2f}",
            f"{row.compile_seconds:.1f}", f"{row.spread:.0%}",
        )  # fmt: skip
    mean = math.exp(sum(math.log(row.over_torch) for row in rows) / len(rows))
    table.add_row("geometric mean", "", "", f"{mean:.2f}", "", "")
    return table


if __name__ == "__main__":
    main()

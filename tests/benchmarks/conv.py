"""Time dilax's convolutions against Flax's and PyTorch's: ``python -m tests.benchmarks.conv --output benchmarks``.

Every function of a case is called in turn, in one process; medians are compared. PyTorch's time is the best of its
contiguous and its channels-last layout, on a CPU forward also of both under ``torch.compile``. Ratios below 1 say that
dilax is faster. On a GPU, where both frameworks have one, the same is timed there, in ``--dtype bfloat16`` too.
"""

import argparse
import json
import math
import platform
from pathlib import Path
from typing import Any

from .timing import Timing, interleaved  # sets how PyTorch's threads wait, so before PyTorch

import jax  # isort: skip
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from rich.console import Console
from rich.table import Table

from dilax import models
from dilax.ops import conv

from .conv_cases import CASES, UPSAMPLING, Case
from .conv_contenders import MANY, ON_CPU, contenders


def main() -> None:
    """Run everything and write a table, JSON and a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmarks"))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", default="", help="run cases whose family or name contains this")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    out = Console(width=120)
    device = platform.machine() if ON_CPU else jax.devices()[0].device_kind
    out.print(f"{device}, {arguments.dtype}, jax {jax.__version__}, torch {torch.__version__}")
    if ON_CPU:
        out.print(_honesty(arguments.repeats))
    name = f"conv-{'cpu' if ON_CPU else 'gpu'}-{arguments.dtype}"
    rows = []
    for case in (*CASES, UPSAMPLING):
        if arguments.only in case.family or arguments.only in case.name:
            rows += _measure(case, arguments.dtype, arguments.repeats)
            out.print(_line(rows[-2]), _line(rows[-1]), sep="\n")
            (arguments.output / f"{name}.json").write_text(json.dumps(rows, indent=1))  # a later case may fail
    if ON_CPU and arguments.only in "MeshNet":
        for channels in (5, 21, 30):
            rows.append(_measure_meshnet(channels, arguments.repeats))
            out.print(_line(rows[-1]))
    out.print(_table(rows))
    out.print(_families(rows))
    if arguments.only in "scan":
        out.print(_scan(arguments.repeats))
    (arguments.output / f"{name}.json").write_text(json.dumps(rows, indent=1))
    _draw(rows, arguments.output / f"{name}.png")


def _honesty(repeats: int) -> str:
    """The same program under two names, beside PyTorch, and the rate of a matrix product."""
    x = jnp.ones((1, 65, 65, 256))
    kernel = jnp.ones((3, 3, 256, 256))
    run = jax.jit(lambda x, k: conv(x, k, padding=2, dilation=2))
    theirs = torch.ones(1, 256, 65, 65), torch.ones(256, 256, 3, 3)
    a = jnp.ones((2048, 2048))
    product = jax.jit(jnp.dot)
    found = interleaved(
        {
            "one": lambda: jax.block_until_ready(run(x, kernel)),
            "torch": lambda: torch.nn.functional.conv2d(*theirs, padding=2, dilation=2),
            "same": lambda: jax.block_until_ready(run(x, kernel)),
            "product": lambda: jax.block_until_ready(product(a, a)),
        },
        repeats=repeats,
    )
    ratio = found["one"].median / found["same"].median
    rate = 2 * 2048**3 / found["product"].median / 1e9
    noise = max(timing.spread for timing in found.values())
    verdict = "too noisy: do not trust the ratios" if noise > 0.5 or not 0.8 < ratio < 1.25 else "quiet enough"
    return f"one program under two names: ratio {ratio:.2f}; spread {noise:.0%} ({verdict}); sgemm {rate:.0f} GF/s"


def _measure(case: Case, dtype: str, repeats: int) -> list[dict[str, Any]]:
    return [
        _row(case.family, case.name, kind, interleaved(functions, repeats=repeats), case.flops * MANY)
        for kind, functions in contenders(case, dtype).items()
    ]


def _measure_meshnet(channels: int, repeats: int) -> dict[str, Any]:
    from interop import reference

    options = {"channels": channels, "num_classes": 3, "activation": "relu"}
    model = models.create("meshnet", **options)
    graph, state = nnx.split(model)
    run = jax.jit(lambda state, x: nnx.merge(graph, state)(x))
    module = reference.create("meshnet", **options).eval()
    volume = np.random.default_rng(0).random((1, 96, 96, 96, 1)).astype(np.float32)
    x, tx = jnp.asarray(volume), torch.tensor(volume).movedim(-1, 1)

    def theirs() -> object:
        with torch.no_grad():
            return module(tx)

    found = interleaved({"dilax": lambda: jax.block_until_ready(run(state, x)), "torch": theirs}, repeats=repeats)
    flops = 2.0 * 96**3 * 27 * (channels + 8 * channels**2)
    return _row("3-D MeshNet", f"96x96x96 {channels} channels", "forward", found, flops)


def _scan(repeats: int) -> str:
    """Four training steps in ``lax.scan`` against the same four unrolled."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 33, 33, 64)), jnp.float32)
    kernels = [jnp.asarray(rng.normal(size=(3, 3, 64, 64)) * 0.04, jnp.float32) for _ in range(3)]

    def step(kernels: Any, _: Any) -> Any:
        def loss(kernels: Any) -> Any:
            y = x
            for rate, kernel in zip((1, 2, 4), kernels, strict=True):
                y = jax.nn.relu(conv(y, kernel, padding=rate, dilation=rate))
            return (y**2).mean()

        return jax.tree.map(lambda k, g: k - 0.1 * g, kernels, jax.grad(loss)(kernels)), None

    scanned = jax.jit(lambda kernels: jax.lax.scan(step, kernels, None, length=4)[0])
    unrolled = jax.jit(lambda kernels: jax.lax.scan(step, kernels, None, length=4, unroll=4)[0])
    found = interleaved(
        {"scan": lambda: jax.block_until_ready(scanned(kernels)),
         "unrolled": lambda: jax.block_until_ready(unrolled(kernels))}, repeats=repeats,
    )  # fmt: skip
    ratio = found["scan"].median / found["unrolled"].median
    return f"four training steps: scan {found['scan'].median * 1e3:.1f} ms, {ratio:.2f} of unrolled"


def _row(family: str, name: str, kind: str, found: dict[str, Timing], flops: float) -> dict[str, Any]:
    best = min((n for n in found if n.startswith("torch")), key=lambda n: found[n].median)
    ours = found["dilax"].median
    times = flops * (2 if kind == "gradient" else 1)
    return {
        "family": family,
        "case": name,
        "kind": kind,
        "milliseconds": {n: timing.median * 1e3 / MANY for n, timing in found.items()},
        "spread": max(timing.spread for timing in found.values()),
        "over_torch": ours / found[best].median,
        "over_flax": ours / found["flax"].median if "flax" in found else None,
        "gigaflops": times / ours / 1e9,
    }


def _line(row: dict[str, Any]) -> str:
    over_flax = f"{row['over_flax']:.3f} of Flax" if row["over_flax"] else ""
    times = "  ".join(f"{name} {value:.2f}" for name, value in row["milliseconds"].items())
    return f"{row['case']} {row['kind']}: {row['over_torch']:.2f} of torch  {over_flax}  ({times} ms)"


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("family", "case", "", title="dilax over others: below 1 is faster")
    for heading in ("ms", "over torch", "over Flax", "GF/s", "spread"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row["family"], row["case"], row["kind"], f"{row['milliseconds']['dilax']:.2f}", f"{row['over_torch']:.2f}",
            f"{row['over_flax']:.3f}" if row["over_flax"] else "", f"{row['gigaflops']:.0f}", f"{row['spread']:.0%}",
        )  # fmt: skip
    return table


def _families(rows: list[dict[str, Any]]) -> Table:
    table = Table("family", "", title="geometric means")
    for heading in ("over torch", "over Flax", "worst over torch"):
        table.add_column(heading, justify="right")
    for kind in ("forward", "gradient"):
        for family in (*dict.fromkeys(row["family"] for row in rows), "all"):
            chosen = [row for row in rows if row["kind"] == kind and family in (row["family"], "all")]
            flax = [row["over_flax"] for row in chosen if row["over_flax"]]
            if chosen:
                worst = max(row["over_torch"] for row in chosen)
                mean = _geometric_mean([row["over_torch"] for row in chosen])
                over_flax = f"{_geometric_mean(flax):.3f}" if flax else ""
                table.add_row(family, kind, f"{mean:.2f}", over_flax, f"{worst:.2f}", end_section=family == "all")
    return table


def _geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def _draw(rows: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.24 * len(rows) + 1.2), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = [f"{row['case']} {row['kind']}" for row in rows]
    colours = ["tab:green" if row["over_torch"] <= 1 else "tab:red" for row in rows]
    axes.barh(names, [row["over_torch"] - 1 for row in rows], left=1, color=colours)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("dilax's time over the best of PyTorch's (left is faster)")
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.margins(y=0.005)
    axes.axvline(1, color="black", linewidth=0.8)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()

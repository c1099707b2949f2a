"""Time the step of ``examples/03_train_beside_torch.py`` against PyTorch's: ``python -m tests.benchmarks.training``.

A MeshNet of 16 channels on four cubes of 32³, cross-entropy, AdamW, in one process, in turn; medians are compared.
PyTorch runs as it is, contiguous and channels last. What the example prints of a step in its loop compares with this.
"""

import argparse
from typing import Any

from .timing import interleaved  # sets how PyTorch's threads wait, so before PyTorch

import jax  # isort: skip
import numpy as np
import torch

import interop
from dilax import models
from dilax.train import OptimizerConfig, initial_state, make_optimizer, make_train_step
from interop import reference

OPTIONS = {"channels": 16, "num_classes": 3, "activation": "elu", "batch_norm": True}
_LAYOUTS = {"PyTorch": torch.contiguous_format, "PyTorch, channels last": torch.channels_last_3d}


def main() -> None:
    """Print the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=21)
    repeats = parser.parse_args().repeats
    torch.manual_seed(0)
    module = reference.create("meshnet", **OPTIONS)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(4, 32, 32, 32, 1)).astype(np.float32)
    labels = rng.integers(3, size=image.shape[:-1])
    contenders = {"dilax": _ours(module, image, labels)}
    contenders |= {name: _theirs(module, order, image, labels) for name, order in _LAYOUTS.items()}
    found = interleaved(contenders, repeats=repeats)
    best = min(timing.median for name, timing in found.items() if name != "dilax")
    for name, timing in found.items():
        print(f"{name}: {timing.median * 1e3:.0f} ms (spread {timing.spread:.0%})")
    print(f"dilax over the best of PyTorch: {found['dilax'].median / best:.2f}")


def _ours(module: torch.nn.Module, image: Any, labels: Any) -> Any:
    model, optimizer = models.create("meshnet", **OPTIONS), make_optimizer(OptimizerConfig(name="adamw"))
    interop.load(model, module.state_dict())
    step, placed = make_train_step(model, optimizer), jax.device_put((image, labels))
    carried = [initial_state(model, optimizer)]

    def run() -> None:
        carried[0], result = step(carried[0], *placed, 0.001)
        jax.block_until_ready((carried[0], result.loss))

    return run


def _theirs(module: torch.nn.Module, order: Any, image: Any, labels: Any) -> Any:
    copied = reference.create("meshnet", **OPTIONS)
    copied.load_state_dict(module.state_dict())
    copied = copied.train().to(memory_format=order)
    optimizer = torch.optim.AdamW(copied.parameters(), lr=0.001)
    x, y = torch.tensor(image).movedim(-1, 1).contiguous(memory_format=order), torch.tensor(labels)

    def run() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(copied(x), y).backward()
        optimizer.step()

    return run


if __name__ == "__main__":
    main()

"""Train a MeshNet on the MNI152 brain in JAX and in PyTorch: one recipe, one order of samples, two frameworks.

Prints the Dice of both, what checkpoints cost, how close the loop comes to the compiled step alone, and what a step
takes in PyTorch. Run with: python examples/03_train_beside_torch.py (some seven minutes on two cores; needs nilearn)
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # else PyTorch's idle threads spin beside JAX's

import jax  # isort: skip
import numpy as np
import torch

import interop
from dilax import models
from dilax.data import load_source
from dilax.train import (
    DataConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainConfig,
    evaluate,
    initial_state,
    learning_rate,
    make_optimizer,
    make_train_step,
    train,
)
from dilax.train.events import CheckpointSaved, EpochDone, StepDone
from interop import reference

OPTIONS = {"channels": 16, "num_classes": 3, "activation": "elu", "batch_norm": True}


def recipe(epochs: int) -> TrainConfig:
    """What both programs do."""
    return TrainConfig(
        model="meshnet",
        model_options=OPTIONS,
        epochs=epochs,
        steps_per_epoch=50,
        data=DataConfig(source="mni152", batch_size=4, patch_size=32),
        optimizer=OptimizerConfig(name="adamw", learning_rate=0.005),
        schedule=ScheduleConfig(name="one_cycle"),
    )


def begin_as_identity(module: torch.nn.Module) -> None:
    """Let each convolution begin by passing its input on: dilated ones that begin at random blur everything."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, torch.nn.Conv3d):
                layer.weight += torch.nn.init.dirac_(torch.empty_like(layer.weight))


def to_flax(module: torch.nn.Module):
    """The model of the same numbers."""
    model = models.create("meshnet", **OPTIONS)
    interop.load(model, module.state_dict())
    return model


def train_in_jax(config: TrainConfig, module: torch.nn.Module) -> tuple[dict, list[float]]:
    """The run, and how long its steps took."""
    events = []

    def report(event):
        events.append(event)
        if isinstance(event, EpochDone):
            print(f"  JAX, step {event.step}: loss {event.loss:.3f}, Dice {event.metrics.get('mean_dice', 0):.3f}")

    begin = time.perf_counter()
    result = train(config, Path(tempfile.mkdtemp()) / "run", initial=to_flax(module), report=report)
    seconds = time.perf_counter() - begin
    saving = sum(event.seconds for event in events if isinstance(event, CheckpointSaved))
    print(f"JAX: {seconds:.0f} s in all, of which {saving:.2f} s ({saving / seconds:.2%}) for checkpoints")
    return dict(result.metrics), [event.seconds for event in events if isinstance(event, StepDone)]


def train_in_torch(config: TrainConfig, module: torch.nn.Module) -> tuple[dict, list[float]]:
    """The same as a PyTorch script."""
    data, steps = config.data, config.epochs * config.steps_per_epoch
    source = load_source(data.source)
    batches = iter(source.training(batch_size=data.batch_size, seed=config.seed, crop=data.patch_size))
    optimizer = torch.optim.AdamW(module.parameters(), lr=1.0, weight_decay=config.optimizer.weight_decay)
    seconds = []
    module.train()
    for step in range(steps):
        batch = next(batches)
        begin = time.perf_counter()
        rate = learning_rate(
            config.schedule, config.optimizer.learning_rate, step=step, steps=steps,
            steps_per_epoch=config.steps_per_epoch,
        )  # fmt: skip
        for group in optimizer.param_groups:
            group["lr"] = rate
        logits = module(torch.from_numpy(batch["image"]).movedim(-1, 1))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(batch["labels"]).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - begin)
        if (step + 1) % config.steps_per_epoch == 0:
            print(f"  PyTorch, step {step + 1}: loss {loss.item():.3f}")
    module.eval()

    def predict(_arrays, image):
        with torch.no_grad():
            return module(torch.from_numpy(np.array(image)).movedim(-1, 1)).argmax(1).numpy()

    return evaluate(predict, {}, source, tile=config.evaluation.tile), seconds


def time_bare_step(config: TrainConfig, module: torch.nn.Module, steps: int = 30) -> float:
    """Median seconds of the compiled step on one batch, without data, evaluation and checkpoints."""
    model, optimizer = to_flax(module), make_optimizer(config.optimizer)
    step, state = make_train_step(model, optimizer), initial_state(model, optimizer)
    data = config.data
    batch = next(iter(load_source(data.source).training(batch_size=data.batch_size, seed=0, crop=data.patch_size)))
    image, labels = jax.device_put((batch["image"], batch["labels"]))
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        state, result = step(state, image, labels, 0.001)
        result.loss.block_until_ready()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[2:])


def main() -> None:
    """Train twice and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=12, help="of 50 steps")
    config = recipe(parser.parse_args().epochs)
    torch.manual_seed(0)
    module = reference.create("meshnet", **OPTIONS)
    begin_as_identity(module)
    ours, our_steps = train_in_jax(config, module)
    bare = time_bare_step(config, module)
    theirs, their_steps = train_in_torch(config, module)
    for name in ("mean_dice", *(name for name in ours if name.startswith("dice/"))):
        print(f"{name}: JAX {ours[name]:.4f}, PyTorch {theirs[name]:.4f}")
    loop, eager = statistics.median(our_steps), statistics.median(their_steps)
    print(f"a step: {bare:.3f} s alone, {loop:.3f} s in the loop ({bare / loop:.0%} of the speed)")
    print(f"a step in PyTorch: {eager:.3f} s, {eager / loop:.2f} times as long")


if __name__ == "__main__":
    main()

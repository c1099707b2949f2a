"""What a run would do, found out by building everything and compiling one step."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from .arrays import count_parameters
from .schedules import learning_rate
from .task import Task

_MIB = 2**20


@dataclass(frozen=True)
class DryRun:
    """What a run would do.

    Args:
        model: Name of the model.
        parameters: Numbers that are trained.
        devices: How many.
        epochs: Epochs in all.
        steps_per_epoch: Steps of an epoch.
        batch: Name to dtype and shape of what a batch of this process holds.
        state_bytes: Of all that a step changes, on one device.
        step_bytes: What a step needs besides, on one device; None where the compiler does not say.
        rates: Learning rate of the first and the last step.
    """

    model: str
    parameters: int
    devices: int
    epochs: int
    steps_per_epoch: int
    batch: dict[str, str]
    state_bytes: int
    step_bytes: int | None
    rates: tuple[float, float]

    def __str__(self) -> str:
        step = "unknown" if self.step_bytes is None else f"{self.step_bytes / _MIB:,.1f} MiB"
        lines = [
            f"model: {self.model}, {self.parameters:,} parameters",
            f"steps: {self.epochs * self.steps_per_epoch:,} ({self.epochs} epochs of {self.steps_per_epoch}), "
            f"learning rate {self.rates[0]:.3g} to {self.rates[1]:.3g}",
            *(f"{name}: {form}" for name, form in self.batch.items()),
            f"memory on each of {self.devices} devices: state {self.state_bytes / _MIB:,.1f} MiB, step {step}",
        ]
        return "\n".join(lines)


def dry_run(task: Task) -> DryRun:
    """Draw a batch and compile a step; nothing is trained or written."""
    batch = next(task.batches)
    task.batches.close()
    placed = task.layout.place_batch(batch)
    step: Any = task.step
    compiled = step.lower(task.state, placed["image"], placed["labels"], 0.1).compile()
    memory = compiled.memory_analysis()
    config, every = task.config, task.steps_per_epoch
    first, last = (
        learning_rate(
            config.schedule, config.optimizer.learning_rate, step=at, steps=config.epochs * every, steps_per_epoch=every
        )
        for at in (0, config.epochs * every - 1)
    )
    return DryRun(
        config.model, count_parameters(task.state.parameters), task.layout.devices, config.epochs, every,
        {name: f"{array.dtype} {array.shape}" for name, array in batch.items()},
        sum(_bytes_of(array) for array in jax.tree.leaves(task.state)),
        None if memory is None else int(memory.temp_size_in_bytes),
        (first, last),
    )  # fmt: skip


def _bytes_of(array: Any) -> int:
    """On one device."""
    shard = array.addressable_shards[0].data
    return int(jax.random.key_data(shard).nbytes if jnp.issubdtype(shard.dtype, jax.dtypes.prng_key) else shard.nbytes)

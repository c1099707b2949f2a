"""Trains a tiny model with dilax's own loop, says each event in a line, and has faults where they hurt most.

Usage: child.py DIRECTORY start|resume [FAULT ...]; a fault is one of faults.py. The environment variable CHILD_CONFIG,
JSON, changes the configuration.
"""

import json
import os
import sys
from dataclasses import dataclass

import jax
from faults import bring_about
from flax import nnx

from dilax.models import registry
from dilax.nn import BatchNorm, Conv, FeatureDropout
from dilax.train import CheckpointConfig, DataConfig, OptimizerConfig, TrainConfig, train
from dilax.train.events import CheckpointSaved, Event, RunStarted, StepDone


@dataclass(frozen=True)
class TinyConfig:
    in_channels: int = 1
    channels: int = 4
    num_classes: int = 3


class Tiny(nnx.Module):
    """Dilated convolution, batch statistics and dropout: everything that a resume can lose."""

    def __init__(self, config: TinyConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.first = Conv(1, config.channels, (3, 3, 3), padding=2, dilation=2, rngs=rngs)
        self.norm = BatchNorm(config.channels)
        self.dropout = FeatureDropout(0.3, rngs=rngs)
        self.last = Conv(config.channels, config.num_classes, (1, 1, 1), rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.last(self.dropout(jax.nn.relu(self.norm(self.first(x)))))


registry._MODELS["tiny"] = (TinyConfig, Tiny)

CONFIG = TrainConfig(
    model="tiny", epochs=4, steps_per_epoch=5, data=DataConfig("shapes", batch_size=3, patch_size=9),
    optimizer=OptimizerConfig(learning_rate=0.01), checkpoints=CheckpointConfig(keep=2),
)  # fmt: skip


def main(directory: str, how: str, *faults: str) -> None:
    """Train, with the faults."""
    bring_about(faults)

    def say(event: Event) -> None:
        if isinstance(event, StepDone):
            print("step", event.step, flush=True)
        elif isinstance(event, CheckpointSaved):
            print("saved", event.step, flush=True)
        elif isinstance(event, RunStarted):
            skipped = "; ".join(map(str, event.skipped)) or "nothing"
            print("started at", event.step, "skipped", skipped, flush=True)

    config = CONFIG.merge(json.loads(os.environ.get("CHILD_CONFIG", "{}")))
    result = train(config, directory, resume=how == "resume", report=say)
    print("ended at", result.step, flush=True)
    if result.stopped_by is not None:
        raise SystemExit(128 + result.stopped_by)


if __name__ == "__main__":
    main(*sys.argv[1:])

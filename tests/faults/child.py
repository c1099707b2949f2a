"""Trains a tiny model, says each event in a line, and can stall where a kill hurts most.

Usage: child.py DIRECTORY start|resume [STALL]; STALL is "manifest:N" or "deletion:N" (at step N).
The environment variable CHILD_MODEL=meshnet takes a MeshNet instead.
"""

import dataclasses
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from dilax.models import registry
from dilax.nn import BatchNorm, Conv, FeatureDropout
from dilax.train import CheckpointConfig, DataConfig, OptimizerConfig, TrainConfig, manifest, train
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
MESHNET = dataclasses.replace(
    CONFIG, model="meshnet", model_options={"channels": 4, "batch_norm": True, "dropout": 0.2}
)


def say(event: Event) -> None:
    if isinstance(event, StepDone):
        print("step", event.step, flush=True)
    elif isinstance(event, CheckpointSaved):
        print("saved", event.step, flush=True)
    elif isinstance(event, RunStarted):
        skipped = "; ".join(map(str, event.skipped)) or "nothing"
        print("started at", event.step, "skipped", skipped, flush=True)


def stall(where: str) -> None:
    print("stalled", flush=True)
    time.sleep(600)


def stall_in(place: str, step: int) -> None:
    if place == "manifest":
        write = manifest.write_manifest

        def write_or_stall(directory: Path, **arguments: Any) -> None:
            stall(place) if directory.name == str(step) else write(directory, **arguments)

        manifest.write_manifest = write_or_stall
    if place == "deletion":
        remove = shutil.rmtree

        def remove_half(path: Any, *arguments: Any, **options: Any) -> None:
            if Path(path).name == f"{step}.deleting":
                remove(Path(path) / "state")
                stall(place)
            remove(path, *arguments, **options)

        shutil.rmtree = remove_half  # type: ignore[assignment]


if __name__ == "__main__":
    if len(sys.argv) > 3:
        name, at = sys.argv[3].split(":")
        stall_in(name, int(at))
    config = MESHNET if os.environ.get("CHILD_MODEL") == "meshnet" else CONFIG
    result = train(config, sys.argv[1], resume=sys.argv[2] == "resume", report=say)
    print("ended at", dataclasses.asdict(result.model.config)["channels"], result.step, flush=True)

"""Trains a small model on pictures, in float64 (JAX_ENABLE_X64=1), and prints what it did as one line of JSON.

Usage: child.py DIRECTORY OPTIONS, where OPTIONS is JSON: ``sharding``, ``resume``, ``config`` (merged into the
configuration), ``stop`` (a step at which it sends itself SIGTERM), ``kill`` (likewise SIGKILL), ``stop_in``
(``compilation``, ``evaluation`` or ``saving``, where it sends itself SIGTERM), ``fail`` (a step whose manifest cannot
be written), and ``processes`` ([address, how many, which]).
"""

import hashlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dilax.models import registry
from dilax.nn import BatchNorm, Conv, FeatureDropout
from dilax.train import (
    CheckpointConfig,
    ComputeConfig,
    DataConfig,
    Layout,
    LossConfig,
    OptimizerConfig,
    ScheduleConfig,
    TrainConfig,
    manifest,
    run,
    train,
)
from dilax.train.events import EpochDone, Event, RunStarted, SanityChecked, StepDone


@dataclass(frozen=True)
class WideConfig:
    in_channels: int = 3
    channels: int = 8
    num_classes: int = 3


class Wide(nnx.Module):
    """Dilated convolution, batch statistics and dropout, in float64, with two heads."""

    def __init__(self, config: WideConfig, *, rngs: nnx.Rngs) -> None:
        self.config, wide = config, jnp.float64
        self.first = Conv(config.in_channels, config.channels, (3, 3), padding=2, dilation=2, dtype=wide, rngs=rngs)
        self.norm = BatchNorm(config.channels, dtype=wide)
        self.dropout = FeatureDropout(0.3, rngs=rngs)
        self.last = Conv(config.channels, config.num_classes, (1, 1), dtype=wide, rngs=rngs)
        self.second = Conv(config.channels, config.num_classes, (1, 1), dtype=wide, rngs=rngs)

    def __call__(self, x: jax.Array) -> dict[str, jax.Array]:
        x = self.dropout(jax.nn.relu(self.norm(self.first(x))))
        return {"out": self.last(x), "aux": self.second(x)}


registry._MODELS["wide"] = (WideConfig, Wide)

CONFIG = TrainConfig(
    model="wide", epochs=2, steps_per_epoch=3,
    data=DataConfig("shapes_2d", batch_size=8, patch_size=(14, 12), options={"training": 11, "evaluation": 5}),
    optimizer=OptimizerConfig(learning_rate=0.02, clip_norm=1.0), schedule=ScheduleConfig("poly", warmup_steps=2),
    loss=LossConfig(dice=0.5), compute=ComputeConfig(accumulate=2, average=0.9), checkpoints=CheckpointConfig(keep=9),
)  # fmt: skip


def stop_itself() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def stop_before(module: Any, name: str) -> None:
    """Let it send itself SIGTERM when a function of a module is called, and call it then."""
    function = getattr(module, name)

    def call(*arguments: Any, **options: Any) -> Any:
        stop_itself()
        setattr(module, name, function)
        return function(*arguments, **options)

    setattr(module, name, call)


def fail_at(step: str) -> None:
    """Let the manifest of a step fail as on a full disk."""
    write = manifest.write_manifest

    def write_or_fail(directory: Path, **options: Any) -> None:
        if directory.name == step:
            raise OSError(28, "No space left on device")
        write(directory, **options)

    manifest.write_manifest = write_or_fail


def main(directory: str, options: dict[str, Any]) -> None:
    if "processes" in options:
        jax.distributed.initialize(*options["processes"], heartbeat_timeout_seconds=30)
    if "fail" in options:
        fail_at(str(options["fail"]))
    losses: dict[int, float] = {}
    metrics: list[Any] = []
    samples: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, StepDone):
            losses[event.step] = event.loss
            if event.step == options.get("stop"):
                stop_itself()
            if event.step == options.get("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
        elif isinstance(event, EpochDone):
            metrics.append(event.metrics)
        elif isinstance(event, RunStarted) and options.get("stop_in") == "compilation":
            stop_itself()
        elif isinstance(event, SanityChecked) and options.get("stop_in") == "evaluation":
            stop_before(run, "evaluate")
        elif isinstance(event, SanityChecked) and options.get("stop_in") == "saving":
            stop_before(manifest, "write_manifest")

    place = Layout.place_batch

    def place_and_note(self: Layout, batch: Any) -> Any:
        samples.extend(hashlib.sha256(image.tobytes()).hexdigest()[:8] for image in batch.get("image", ()))
        return place(self, batch)

    Layout.place_batch = place_and_note  # type: ignore[method-assign]
    layout = Layout.over_all_devices(options.get("sharding", "data"))
    config = CONFIG.merge(options.get("config", {}))
    result = train(config, directory, resume=options.get("resume", False), layout=layout, report=note)
    said = {
        "losses": losses, "metrics": metrics, "samples": samples, "step": result.step, "devices": layout.devices,
        "kernel": np.asarray(result.model.first.kernel[...]).sum(),  # type: ignore[attr-defined]
    }  # fmt: skip
    print(json.dumps(said), flush=True)
    if result.stopped_by is not None:
        raise SystemExit(128 + result.stopped_by)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))

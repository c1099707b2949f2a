"""What a run does, built and checked before anything is written."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import jax
from flax import nnx

from .. import models
from ..data import Augmentation, Source, load_source
from ..errors import ArgumentError
from .config import DataConfig, TrainConfig
from .layout import Layout
from .objective import Objective
from .optimizers import fill_moments, make_optimizer
from .step import TrainState, TrainStep, initial_state, make_train_step


@dataclass(frozen=True)
class Task:
    """What a run does.

    Args:
        config: Its configuration, with all options of the model.
        model: A new model; it becomes the trained one.
        initial: The model whose arrays it starts with; it is not changed.
        source: What it learns from.
        batches: Iterator of this process's share of the training batches.
        layout: Where its arrays are.
        steps_per_epoch: Steps of an epoch.
        state: What it begins with.
        step: The compiled step.
    """

    config: TrainConfig
    model: Any
    initial: Any
    source: Source
    batches: Any
    layout: Layout
    steps_per_epoch: int
    state: TrainState
    step: TrainStep


def prepare(
    config: TrainConfig,
    initial: Any = None,
    *,
    moments: Mapping[str, Any] | None = None,
    layout: Layout | None = None,
) -> Task:
    """Build the model, load the data, and see whether they fit.

    Args:
        config: What to do. Options of the model may be left at their defaults; ``in_channels`` and ``num_classes`` are
            then those of the data.
        initial: A model to start from; a new one if None.
        moments: What the optimizer begins with, as :func:`.optimizers.fill_moments` takes it; nothing if None.
        layout: Where arrays are; on one device if None.

    Raises:
        ArgumentError: A name or an option is unknown, or model, initial model, samples, devices and data do not fit.
        MissingDependency: The data comes with a package that is not installed.
    """
    layout = layout or Layout()
    data = config.data
    source = load_source(data.source, data.options, bad_samples=data.bad_samples, skip_limit=data.skip_limit)
    options = {**_of_data(config.model, source), **config.model_options}
    model: Any = models.create(config.model, rngs=nnx.Rngs(config.seed), **options)
    config = replace(config, model_options=asdict(model.config))
    if initial is not None and initial.config != model.config:
        raise ArgumentError(
            "train", "initial", initial.config, f"is not the configured {model.config}",
            "pass its configuration as model_options",
        )  # fmt: skip
    check_model("train", config.model, model, source)
    layout.check_batch(data.batch_size, config.compute.accumulate)
    optimizer = make_optimizer(config.optimizer)
    begin = model if initial is None else initial
    state = initial_state(begin, optimizer, average=bool(config.compute.average))
    if moments is not None:
        state = state._replace(optimizer=fill_moments(state.optimizer, moments))
    state = layout.place(state)
    balance = config.loss.balance
    objective = Objective(
        config.loss, ignore_index=source.ignore_index,
        class_weights=None if balance == "none" else tuple(source.class_weights(balance).tolist()),
    )  # fmt: skip
    step = make_train_step(
        model, optimizer, objective, compute=config.compute,
        shardings=None if layout.mesh is None else (layout.shardings(state), layout.whole),
    )  # fmt: skip
    steps = config.steps_per_epoch or source.batches_per_epoch(data.batch_size)
    return Task(config, model, begin, source, _batches(config.seed, data, source), layout, steps, state, step)


def _of_data(model: str, source: Source) -> dict[str, int]:
    """Options of the model that the data decides."""
    decided = {"in_channels": source.in_channels, "num_classes": source.num_classes}
    names = {item.name for item in fields(models.config_type(model))}
    return {name: value for name, value in decided.items() if name in names}


def check_model(function: str, name: str, model: Any, source: Source) -> None:
    """See whether a model fits the data.

    Args:
        function: Who asks, for the message.
        name: Of the model.
        model: Any NNX module.
        source: The data.

    Raises:
        ArgumentError: It does not.
    """
    for option, value in {"in_channels": source.in_channels, "num_classes": source.num_classes}.items():
        if getattr(model.config, option, value) != value:
            fix = f"pass {option}={value}" if function == "train" else "pass data of the model's kind"
            raise ArgumentError(
                function, option, getattr(model.config, option), f"is not the {value} that the data has", fix
            )
    rank = len(getattr(model, "example_size", (0,) * source.spatial_rank))
    if rank != source.spatial_rank:
        raise ArgumentError(
            function, "model", name, f"is a model of {rank} axes in space, and {source.name} has {source.spatial_rank}",
            "pass a model or data of the other kind",
        )  # fmt: skip


def _batches(seed: int, config: DataConfig, source: Source) -> Any:
    return iter(
        source.training(
            batch_size=config.batch_size, seed=seed, crop=config.patch_size, workers=config.workers,
            augmentation=Augmentation(**asdict(config.augmentation)),
            process_index=jax.process_index(), process_count=jax.process_count(),
        )
    )  # fmt: skip

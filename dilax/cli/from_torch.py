"""A run that goes on where PyTorch stopped: model, optimizer and its state from one file."""

import dataclasses
from pathlib import Path
from typing import Any

from dilax.train.config import TrainConfig
from dilax.train.parts import OptimizerName

from ..errors import FileError

#: PyTorch's names of what dilax's optimizers do not have, and the value that means that nothing is lost.
_PLAIN = {
    "dampening": 0.0, "amsgrad": False, "maximize": False, "centered": False, "alpha": 0.99, "eps": 1e-8,
}  # fmt: skip


def configure(path: Path, run: TrainConfig) -> TrainConfig:
    """Set the model's options and the optimizer as a file of PyTorch has them; what is set already stays.

    Raises:
        FileError: The file cannot be read, or its optimizer is none of dilax's.
    """
    import interop
    from interop.loading_wrappers import find

    checkpoint = interop.read(path)
    inferred = interop.infer_options(run.model, find("train", checkpoint).arrays)
    options = {**inferred.assumed, **inferred.options, **run.model_options}
    run = dataclasses.replace(run, model_options=options)
    if not _has_optimizer(checkpoint):
        return run
    return dataclasses.replace(run, optimizer=_optimizer(path, _resume(checkpoint, _build(run)).torch_optimizer, run))


def load(path: Path, run: TrainConfig) -> tuple[Any, dict[str, Any] | None, str]:
    """Fill a model, and take the state of the optimizer, if the file has one.

    Returns:
        The model, the moments by optax's names with ``count``, and a sentence or more about what was found.

    Raises:
        DilaxError: The file cannot be read, or does not fit the model.
    """
    import interop
    from interop.optimizer.moments import MOMENTS, collect

    checkpoint, model = interop.read(path), _build(run)
    if not _has_optimizer(checkpoint):
        return model, None, f"{interop.load(model, checkpoint)}{_schedulers(checkpoint)}"
    resumed = _resume(checkpoint, model)
    kind = resumed.torch_optimizer.kind
    found = collect(kind, resumed.state)
    moments: dict[str, Any] = {
        ours: found.arrays[theirs] for ours, theirs in MOMENTS[kind].items() if theirs in found.arrays
    }
    return model, {**moments, "count": resumed.step}, f"{resumed.report}{_schedulers(checkpoint)}"


def _build(run: TrainConfig) -> Any:
    from flax import nnx

    from dilax import models

    return models.create(run.model, rngs=nnx.Rngs(run.seed), **run.model_options)


def _has_optimizer(checkpoint: Any) -> bool:
    from interop.files.optimizers import find_optimizers

    return any(not found.is_scheduler for found in find_optimizers(checkpoint.root))


def _schedulers(checkpoint: Any) -> str:
    """A sentence about the file's schedulers, which a run does not go on with; empty if it has none."""
    from interop.files.optimizers import find_optimizers

    kinds = [found.kind for found in find_optimizers(checkpoint.root) if found.is_scheduler]
    if not kinds:
        return ""
    return f"\nnot taken over: {', '.join(kinds)}; the learning rate is that of --learning-rate and --schedule"


def _resume(checkpoint: Any, model: Any) -> Any:
    """Without the scheduler: rates of a run are its own schedule's."""
    import interop
    from interop.files.optimizers import find_optimizers

    schedulers = {found.place[0] for found in find_optimizers(checkpoint.root) if found.is_scheduler and found.place}
    return interop.resume_torch({key: checkpoint.root[key] for key in checkpoint.root if key not in schedulers}, model)


def _optimizer(path: Path, theirs: Any, run: TrainConfig) -> Any:
    """The same optimizer in dilax's words, at the rate that it had."""
    names: dict[str, OptimizerName] = {"AdamW": "adamw", "Adam": "adam", "SGD": "sgd", "RMSprop": "rmsprop"}
    options = theirs.options[0]
    strange = [f"{name}={options[name]}" for name, plain in _PLAIN.items() if options.get(name, plain) != plain]
    if len(theirs.options) > 1:
        strange.append(f"{len(theirs.options)} groups of parameters")
    if theirs.kind not in names or strange:
        what = f"{theirs.kind} with {', '.join(strange)}" if strange else theirs.kind
        raise FileError(
            "train", path, f"has an optimizer that dilax train lacks ({what})",
            "go on with interop.resume_torch in a loop of your own, or convert the model alone with dilax convert",
        )  # fmt: skip
    before = run.optimizer
    return dataclasses.replace(
        before, name="adamw" if options.get("decoupled_weight_decay") else names[theirs.kind],
        learning_rate=options["lr"], weight_decay=options["weight_decay"],
        betas=tuple(options.get("betas", before.betas)), momentum=options.get("momentum", before.momentum),
        nesterov=options.get("nesterov", False),
    )  # fmt: skip

"""Training: configuration, the compiled step, metrics, checkpoints, and the loop around them."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrays import fill_model as fill_model
    from .arrays import model_arrays as model_arrays
    from .checkpoint import Checkpoints as Checkpoints
    from .config import TrainConfig as TrainConfig
    from .config import drift as drift
    from .evaluation import evaluate as evaluate
    from .loop import Result as Result
    from .loop import train as train
    from .losses import cross_entropy as cross_entropy
    from .meta import CheckpointMeta as CheckpointMeta
    from .reading import Restored as Restored
    from .reading import read_arrays as read_arrays
    from .reading import read_checkpoint as read_checkpoint
    from .restore import load_model as load_model
    from .restore import save_model as save_model
    from .retention import Retention as Retention
    from .run import NonFiniteLoss as NonFiniteLoss
    from .step import TrainState as TrainState
    from .step import initial_state as initial_state
    from .step import make_optimizer as make_optimizer
    from .step import make_predict as make_predict
    from .step import make_train_step as make_train_step
    from .steps import Step as Step
    from .steps import all_steps as all_steps
    from .steps import is_checkpoint as is_checkpoint
    from .steps import read_meta as read_meta

_HOMES = {
    "CheckpointMeta": "meta",
    "Checkpoints": "checkpoint",
    "NonFiniteLoss": "run",
    "Restored": "reading",
    "Result": "loop",
    "Retention": "retention",
    "Step": "steps",
    "TrainConfig": "config",
    "TrainState": "step",
    "all_steps": "steps",
    "cross_entropy": "losses",
    "drift": "config",
    "evaluate": "evaluation",
    "fill_model": "arrays",
    "initial_state": "step",
    "is_checkpoint": "steps",
    "load_model": "restore",
    "make_optimizer": "step",
    "make_predict": "step",
    "make_train_step": "step",
    "model_arrays": "arrays",
    "read_arrays": "reading",
    "read_checkpoint": "reading",
    "read_meta": "steps",
    "save_model": "restore",
    "train": "loop",
}


def __getattr__(name: str) -> Any:
    # Names load on first use: the command line reads TrainConfig without waiting for JAX.
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

"""Training: configuration, the compiled step, metrics, checkpoints, and the loop around them."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .arrays import fill_model as fill_model
    from .arrays import model_arrays as model_arrays
    from .changes import Change as Change
    from .changes import drift as drift
    from .checkpoint import Checkpoints as Checkpoints
    from .config import TrainConfig as TrainConfig
    from .config import read_config as read_config
    from .evaluation import EvaluationStopped as EvaluationStopped
    from .evaluation import evaluate as evaluate
    from .failure import LostProcess as LostProcess
    from .failure import NonFiniteLoss as NonFiniteLoss
    from .layout import Layout as Layout
    from .loop import Result as Result
    from .loop import train as train
    from .losses import cross_entropy as cross_entropy
    from .losses import dice_loss as dice_loss
    from .losses import focal_loss as focal_loss
    from .meta import CheckpointMeta as CheckpointMeta
    from .objective import Objective as Objective
    from .optimizers import make_optimizer as make_optimizer
    from .parts import AugmentationConfig as AugmentationConfig
    from .parts import CheckpointConfig as CheckpointConfig
    from .parts import ComputeConfig as ComputeConfig
    from .parts import DataConfig as DataConfig
    from .parts import EvaluationConfig as EvaluationConfig
    from .parts import LogConfig as LogConfig
    from .parts import LossConfig as LossConfig
    from .parts import OptimizerConfig as OptimizerConfig
    from .parts import ScheduleConfig as ScheduleConfig
    from .reading import Restored as Restored
    from .reading import read_arrays as read_arrays
    from .reading import read_checkpoint as read_checkpoint
    from .restore import load_model as load_model
    from .restore import save_model as save_model
    from .retention import Retention as Retention
    from .schedules import learning_rate as learning_rate
    from .step import StepResult as StepResult
    from .step import TrainState as TrainState
    from .step import initial_state as initial_state
    from .step import make_predict as make_predict
    from .step import make_train_step as make_train_step
    from .steps import Step as Step
    from .steps import all_steps as all_steps
    from .steps import is_checkpoint as is_checkpoint
    from .steps import read_meta as read_meta

_HOMES = {
    "AugmentationConfig": "parts",
    "Change": "changes",
    "CheckpointConfig": "parts",
    "CheckpointMeta": "meta",
    "Checkpoints": "checkpoint",
    "ComputeConfig": "parts",
    "DataConfig": "parts",
    "EvaluationConfig": "parts",
    "EvaluationStopped": "evaluation",
    "Layout": "layout",
    "LogConfig": "parts",
    "LossConfig": "parts",
    "LostProcess": "failure",
    "NonFiniteLoss": "failure",
    "Objective": "objective",
    "OptimizerConfig": "parts",
    "Restored": "reading",
    "Result": "loop",
    "Retention": "retention",
    "ScheduleConfig": "parts",
    "Step": "steps",
    "StepResult": "step",
    "TrainConfig": "config",
    "TrainState": "step",
    "all_steps": "steps",
    "cross_entropy": "losses",
    "dice_loss": "losses",
    "drift": "changes",
    "evaluate": "evaluation",
    "fill_model": "arrays",
    "focal_loss": "losses",
    "initial_state": "step",
    "is_checkpoint": "steps",
    "learning_rate": "schedules",
    "load_model": "restore",
    "make_optimizer": "optimizers",
    "make_predict": "step",
    "make_train_step": "step",
    "model_arrays": "arrays",
    "read_arrays": "reading",
    "read_checkpoint": "reading",
    "read_config": "config",
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

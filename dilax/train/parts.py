"""The parts of a run's configuration: each small, frozen, and checked when it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

import tyro

from ..errors import ConfigError
from .checks import choice, flags, integers, numbers

OptimizerName = Literal["adamw", "adam", "sgd", "rmsprop", "lion", "lamb"]
ScheduleName = Literal["constant", "poly", "cosine", "step", "one_cycle"]
Balance = Literal["none", "inverse", "median"]
Metric = Literal["mean_dice", "mean_iou", "accuracy"]


def _short(flag: str) -> object:
    """The flag without the name of its part, on the command line."""
    return tyro.conf.arg(aliases=(flag,))


@dataclass(frozen=True)
class AugmentationConfig:
    """Random changes of training samples, as of :class:`dilax.data.Augmentation`.

    Args:
        scale: Least and greatest factor of size.
        flip: Whether samples are mirrored at random.
        brightness: Greatest change of the factor of all values, from 1.
        contrast: Greatest change of the factor of the distance to the mean, from 1.
        saturation: Greatest change of the factor of the distance to grey, from 1; colour images only.
        hue: Greatest turn of the hue, as a share of the whole circle; colour images only.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    flip: bool = True
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        owner = "AugmentationConfig"
        if not isinstance(self.scale, tuple) or len(self.scale) != 2:
            raise ConfigError(owner, "scale", self.scale, "is no pair", "pass two numbers, e.g. (0.5, 2.0)")
        for factor in self.scale:
            numbers(owner, scale=factor)
        flags(owner, flip=self.flip)
        numbers(owner, brightness=self.brightness, contrast=self.contrast, saturation=self.saturation, hue=self.hue)


@dataclass(frozen=True)
class DataConfig:
    """What is learned from.

    Args:
        source: ``mni152`` (brain tissue; needs nilearn), ``shapes`` (made up, small), or another of
            ``dilax.data.SOURCES``; ``voc:/data/VOC2012`` says where its files are.
        options: Options of the source; the others keep their defaults.
        batch_size: Samples in a step, over all devices.
        patch_size: Edges of a training sample, in pixels or voxels: one for all axes, or one for each.
        workers: Processes that prepare batches; 0 for threads of the run's own.
        bad_samples: ``raise`` an error for an image that cannot be used, or ``skip`` it.
        skip_limit: Bad samples that may be skipped.
        overfit_batches: Train on this many batches again and again, without evaluation, to see whether the model can
            learn at all; 0 for all data.
        augmentation: Random changes of training samples.
    """

    source: Annotated[str, _short("--data")] = "mni152"
    options: Annotated[Mapping[str, Any], tyro.conf.Suppress] = field(default_factory=dict)
    batch_size: Annotated[int, _short("--batch-size")] = 4
    patch_size: Annotated[int | tuple[int, ...], _short("--patch-size")] = 32
    workers: int = 0
    bad_samples: Literal["raise", "skip"] = "raise"
    skip_limit: int = 10
    overfit_batches: Annotated[int, _short("--overfit-batches")] = 0
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)

    def __post_init__(self) -> None:
        owner = "DataConfig"
        if not isinstance(self.source, str):
            raise ConfigError(owner, "source", self.source, "is no name", "pass a string")
        if not isinstance(self.options, Mapping):
            raise ConfigError(owner, "options", self.options, "is no mapping", "pass names and values")
        integers(owner, 1, batch_size=self.batch_size)
        for edge in self.patch_size if isinstance(self.patch_size, tuple) else (self.patch_size,):
            integers(owner, 1, patch_size=edge)
        integers(owner, 0, workers=self.workers, skip_limit=self.skip_limit, overfit_batches=self.overfit_batches)
        choice(owner, "bad_samples", self.bad_samples, ("raise", "skip"))


@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters follow their gradients; as PyTorch's optimizers of these names.

    Args:
        name: Which one.
        learning_rate: Step size, at its highest where a schedule changes it.
        weight_decay: Decoupled in ``adamw``, ``lion`` and ``lamb``; elsewhere added to the gradient.
        decay_vectors: Whether parameters of one axis, which are biases and scales of normalisations, decay too.
        momentum: Of ``sgd`` and ``rmsprop``.
        nesterov: Whether the momentum of ``sgd`` looks ahead.
        betas: Coefficients of the running means of ``adamw``, ``adam``, ``lion`` and ``lamb``.
        clip_norm: The largest norm that all gradients together keep; 0 for any.
    """

    name: OptimizerName = "adamw"
    learning_rate: Annotated[float, _short("--learning-rate")] = 1e-3
    weight_decay: Annotated[float, _short("--weight-decay")] = 1e-2
    decay_vectors: bool = True
    momentum: float = 0.9
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        owner = "OptimizerConfig"
        choice(owner, "name", self.name, get_args(OptimizerName))
        numbers(owner, learning_rate=self.learning_rate, weight_decay=self.weight_decay, clip_norm=self.clip_norm)
        numbers(owner, below=1, momentum=self.momentum)
        if not isinstance(self.betas, tuple) or len(self.betas) != 2:
            raise ConfigError(owner, "betas", self.betas, "is no pair", "pass two numbers, e.g. (0.9, 0.999)")
        for beta in self.betas:
            numbers(owner, below=1, betas=beta)
        flags(owner, decay_vectors=self.decay_vectors, nesterov=self.nesterov)


@dataclass(frozen=True)
class ScheduleConfig:
    """How the learning rate changes, step by step.

    Args:
        name: ``constant``; ``poly`` and ``cosine`` fall to ``floor``; ``step`` multiplies with ``factor`` at each
            milestone; ``one_cycle`` rises and falls.
        warmup_steps: Steps in which the rate first rises in equal parts to that of the optimizer.
        power: Of ``poly``.
        floor: Lowest rate of ``poly`` and ``cosine``, as a share of the highest.
        milestones: Epochs after which ``step`` acts.
        factor: Of ``step``.
        rise: Share of the run in which ``one_cycle`` rises.
    """

    name: Annotated[ScheduleName, _short("--schedule")] = "constant"
    warmup_steps: int = 0
    power: float = 0.9
    floor: float = 0.0
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    rise: float = 0.3

    def __post_init__(self) -> None:
        owner = "ScheduleConfig"
        choice(owner, "name", self.name, get_args(ScheduleName))
        integers(owner, 0, warmup_steps=self.warmup_steps)
        if not isinstance(self.milestones, tuple):
            raise ConfigError(owner, "milestones", self.milestones, "is no list", "pass epochs, e.g. (30, 60)")
        for milestone in self.milestones:
            integers(owner, 1, milestones=milestone)
        numbers(owner, power=self.power, factor=self.factor)
        numbers(owner, below=1, floor=self.floor, rise=self.rise)


@dataclass(frozen=True)
class LossConfig:
    """What is minimised: a sum of losses, each times its number here, 0 leaving it out.

    Args:
        cross_entropy: Share of cross-entropy.
        focal: Share of focal loss.
        dice: Share of Dice loss.
        gamma: Of focal loss: how little a sample counts that is right already.
        generalised: Whether Dice loss weights classes by their size.
        balance: Weights of classes in cross-entropy and focal loss by how often they are in the data: ``inverse`` or
            ``median`` frequency.
        auxiliary: Share of the loss of a model's second head.
    """

    cross_entropy: float = 1.0
    focal: float = 0.0
    dice: float = 0.0
    gamma: float = 2.0
    generalised: bool = False
    balance: Balance = "none"
    auxiliary: float = 0.4

    def __post_init__(self) -> None:
        owner = "LossConfig"
        shares = {"cross_entropy": self.cross_entropy, "focal": self.focal, "dice": self.dice}
        numbers(owner, **shares, gamma=self.gamma, auxiliary=self.auxiliary)
        flags(owner, generalised=self.generalised)
        choice(owner, "balance", self.balance, get_args(Balance))
        if not any(shares.values()):
            raise ConfigError(owner, "cross_entropy", self.cross_entropy, "leaves no loss", "pass one above 0")


@dataclass(frozen=True)
class ComputeConfig:
    """How a step is computed.

    Args:
        dtype: Of activations; parameters, statistics and losses stay in float32.
        accumulate: Parts that a batch is computed in, one after the other; the gradient is that of the whole batch,
            but for batch statistics.
        rematerialise: Whether only convolutions keep their results for the gradient and all else is computed anew:
            less memory, more time.
        average: Decay of a running mean of the parameters, which is evaluated instead of them; 0 for none.
    """

    dtype: Literal["float32", "bfloat16"] = "float32"
    accumulate: int = 1
    rematerialise: bool = False
    average: float = 0.0

    def __post_init__(self) -> None:
        choice("ComputeConfig", "dtype", self.dtype, ("float32", "bfloat16"))
        integers("ComputeConfig", 1, accumulate=self.accumulate)
        flags("ComputeConfig", rematerialise=self.rematerialise)
        numbers("ComputeConfig", below=1, average=self.average)


@dataclass(frozen=True)
class EvaluationConfig:
    """How the held-out data is used.

    Args:
        every: Epochs from one evaluation to the next.
        tile: Edge of the tiles that are predicted, in pixels or voxels; 0 for whole images. A model that was trained
            on patches sees more of its surroundings in a whole volume than it ever did in training, and may do better
            on tiles like its patches.
        metric: What is best at its highest.
        patience: Evaluations without a better metric after which the run stops; 0 for never.
        sanity: Predictions before the first epoch, to find errors early; their metrics are not used.
    """

    every: int = 1
    tile: Annotated[int, _short("--evaluation-tile")] = 0
    metric: Metric = "mean_dice"
    patience: Annotated[int, _short("--patience")] = 0
    sanity: int = 2

    def __post_init__(self) -> None:
        integers("EvaluationConfig", 1, every=self.every)
        integers("EvaluationConfig", 0, tile=self.tile, patience=self.patience, sanity=self.sanity)
        choice("EvaluationConfig", "metric", self.metric, get_args(Metric))


@dataclass(frozen=True)
class CheckpointConfig:
    """When a run is saved, and what is kept.

    Args:
        every_steps: Steps from one checkpoint to the next, besides those after each epoch; 0 for none.
        keep: Newest checkpoints to keep.
        keep_best: Checkpoints of the best metric to keep besides.
    """

    every_steps: Annotated[int, _short("--save-every")] = 0
    keep: Annotated[int, _short("--keep")] = 3
    keep_best: Annotated[int, _short("--keep-best")] = 1

    def __post_init__(self) -> None:
        integers("CheckpointConfig", 0, every_steps=self.every_steps, keep_best=self.keep_best)
        integers("CheckpointConfig", 1, keep=self.keep)


@dataclass(frozen=True)
class LogConfig:
    """What is written besides ``log.jsonl``.

    Args:
        tensorboard: Whether scalars and pictures go to the run's directory for TensorBoard; needs tensorboardX.
        pictures: Held-out images whose prediction is drawn after each evaluation.
    """

    tensorboard: bool = False
    pictures: int = 2

    def __post_init__(self) -> None:
        flags("LogConfig", tensorboard=self.tensorboard)
        integers("LogConfig", 0, pictures=self.pictures)

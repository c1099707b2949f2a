"""Steps that went wrong: the errors, and the batch it happened with."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DilaxError


class NonFiniteLoss(DilaxError):
    """The loss of a batch is NaN or infinite, or the parameters after it are.

    Args:
        loss: Of the batch.
        step: Number of the step, from 1.
        record: File with the batch.
    """

    def __init__(self, loss: float, step: int, record: Path) -> None:
        self.step, self.record = step, record
        what = "parameters after" if math.isfinite(loss) else f"loss={loss} at"
        verb = "are" if math.isfinite(loss) else "is"
        super().__init__(
            f"train: {what} step {step} {verb} not finite; resume from the last checkpoint with a lower learning "
            f"rate, and see the batch in {str(record)!r}."
        )


class LostProcess(DilaxError):
    """Another process of the run ended, or cannot be reached.

    Args:
        error: What JAX says.
    """

    def __init__(self, error: Exception) -> None:
        reason = str(error).partition("\n")[0].rstrip(".")
        super().__init__(
            f"train: another process of the run ended or cannot be reached ({reason}); see what it says, and resume "
            "the run."
        )

    @staticmethod
    def is_meant_by(error: Exception) -> bool:
        """Whether an error of JAX says that another process is gone, and not, say, that memory is."""
        return any(word in str(error) for word in ("Gloo", "NCCL", "UNAVAILABLE", "heartbeat", "Barrier"))


def record_batch(directory: Path, batch: Any, **about: Any) -> Path:
    """Write a batch, and where it comes from, to a file of NumPy.

    Args:
        directory: Where to write.
        batch: Name to array.
        about: Numbers that say which batch it is, among them ``step``.

    Returns:
        The file, ``not-finite-at-<step>.npz``.
    """
    path = directory / f"not-finite-at-{about['step']}.npz"
    np.savez(path, **batch, **about)
    return path

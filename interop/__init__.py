"""The PyTorch side of dilax: fill Flax models from state_dicts, give them back, verify both sides agree."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alignment import Alignment, align
    from .building import from_torch
    from .files import Checkpoint, LazyTensor, Limits, read, write
    from .inference import infer_options
    from .linen import from_linen, to_linen
    from .loading import LoadReport, load
    from .optimizer import (
        ResumedTraining,
        ResumeReport,
        TorchOptimizer,
        optax_from_torch,
        resume_torch,
        save_torch_checkpoint,
    )
    from .saving import save, state_dict
    from .verification import VerifyReport, verify

# Names load on first use, so that PyTorch is imported only for verification. No module bears a
# function's name: importing the module would put it in the function's place.
_HOMES = {
    "Alignment": "alignment",
    "Checkpoint": "files",
    "LazyTensor": "files",
    "Limits": "files",
    "LoadReport": "loading",
    "ResumeReport": "optimizer",
    "ResumedTraining": "optimizer",
    "TorchOptimizer": "optimizer",
    "VerifyReport": "verification",
    "align": "alignment",
    "from_linen": "linen",
    "from_torch": "building",
    "infer_options": "inference",
    "load": "loading",
    "optax_from_torch": "optimizer",
    "read": "files",
    "resume_torch": "optimizer",
    "save": "saving",
    "save_torch_checkpoint": "optimizer",
    "state_dict": "saving",
    "to_linen": "linen",
    "verify": "verification",
    "write": "files",
}

__all__ = [
    "Alignment",
    "Checkpoint",
    "LazyTensor",
    "Limits",
    "LoadReport",
    "ResumeReport",
    "ResumedTraining",
    "TorchOptimizer",
    "VerifyReport",
    "align",
    "from_linen",
    "from_torch",
    "infer_options",
    "load",
    "optax_from_torch",
    "read",
    "resume_torch",
    "save",
    "save_torch_checkpoint",
    "state_dict",
    "to_linen",
    "verify",
    "write",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Run a model on both sides and compare them, layer by layer."""

from dilax.errors import MissingDependency

try:
    import torch as torch
except ImportError as error:
    raise MissingDependency("verify", "torch", "torch") from error

from .report import Diagnosis as Diagnosis
from .report import LayerComparison as LayerComparison
from .report import VerifyReport as VerifyReport
from .verify import verify as verify

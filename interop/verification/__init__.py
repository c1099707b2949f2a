"""Run a model on both sides and compare them, layer by layer."""

from .report import LayerComparison as LayerComparison
from .report import VerifyReport as VerifyReport
from .verify import verify as verify

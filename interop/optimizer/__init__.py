"""PyTorch's optimizers and schedulers <-> optax: a training run goes on in the other framework."""

from .building import optax_from_torch as optax_from_torch
from .resuming import ResumedTraining as ResumedTraining
from .resuming import ResumeReport as ResumeReport
from .resuming import resume_torch as resume_torch
from .torch_optimizer import TorchOptimizer as TorchOptimizer
from .writing import save_torch_checkpoint as save_torch_checkpoint

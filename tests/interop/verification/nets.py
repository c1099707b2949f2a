"""Small models in PyTorch and their twins in Flax: a residual branch, a layer used twice, a dict of outputs."""

import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

import interop


class Twice(torch.nn.Module):
    """A block with a shortcut, an activation used twice, and two outputs."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.act = torch.nn.GELU()
        self.shortcut = torch.nn.Conv2d(3, 4, 1)
        self.head = torch.nn.Linear(4, 5)

    def forward(self, x):
        y = self.act(self.norm(self.conv(x)) + self.shortcut(x))
        return {"map": self.act(y), "scores": self.head(y.mean((2, 3)))}


class FlaxTwice(nnx.Module):
    """The twin of :class:`Twice`, with the same numbers; ``activation`` is a function in the place of its layer."""

    def __init__(self, module, activation=None):
        for name, child in module.named_children():
            if activation is None or name != "act":
                setattr(self, name, interop.from_torch(child))
        self.activation = activation

    def __call__(self, x):
        act = self.activation or self.act
        y = act(self.norm(self.conv(x)) + self.shortcut(x))
        return {"map": act(y), "scores": self.head(y.mean((1, 2)))}


def twice():
    """A module with statistics and scales of its own, and an input with channels last."""
    torch.manual_seed(0)
    module = Twice()
    randomize(module)
    return module, np.random.default_rng(0).normal(size=(2, 6, 5, 3))


def randomize(module):
    """Give normalisations statistics and scales that differ from those of new ones."""
    for layer in module.modules():
        if getattr(layer, "running_mean", None) is not None:
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.5, 2)
            layer.bias.data.normal_()


class Branches(torch.nn.Module):
    """A layer and two branches that are joined along the channels."""

    def __init__(self, first, body, other):
        super().__init__()
        self.first, self.body, self.other = first, body, other

    def forward(self, x):
        y = self.first(x)
        return torch.cat([self.body(y), self.other(y)], 1)


class FlaxBranches(nnx.Module):
    """The twin of :class:`Branches`; ``swapped`` joins the branches in the other order."""

    def __init__(self, module, swapped=False):
        self.first, self.body, self.other = (interop.from_torch(child) for child in module.children())
        self.swapped = swapped

    def __call__(self, x):
        y = self.first(x)
        parts = [self.body(y), self.other(y)]
        return jnp.concatenate(parts[::-1] if self.swapped else parts, -1)

"""One tiny training run in both frameworks, in float64; layouts matter in it, and no gradient is zero."""

import functools

import jax
import numpy as np
import optax
import torch
from flax import nnx

import interop
from dilax.train import fill_model, model_arrays
from dilax.train.arrays import Skeleton

STEPS = 60
_RNG = np.random.default_rng(7)
INPUTS = _RNG.normal(size=(STEPS, 5, 4, 6, 5))  # (step, batch, channels, height, width)
TARGETS = _RNG.normal(size=(STEPS, 5, 3))


class TorchNet(torch.nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.stem = torch.nn.Conv2d(4, 6, (3, 2), groups=2, dtype=torch.float64)
        self.norm = torch.nn.BatchNorm2d(6, dtype=torch.float64)
        self.head = torch.nn.Linear(6, 3, dtype=torch.float64)
        with torch.no_grad():  # as they are after some training, so that decay acts on all
            for parameter in self.parameters():
                parameter.add_(torch.rand_like(parameter) * 0.1)

    def forward(self, x):
        return self.head(self.norm(torch.nn.functional.softplus(self.stem(x))).square().mean((2, 3)))


class FlaxNet(nnx.Module):
    def __init__(self, module):
        self.stem = interop.from_torch(module.stem)
        self.norm = interop.from_torch(module.norm)
        self.head = interop.from_torch(module.head)

    def __call__(self, x):
        y = self.norm(jax.nn.softplus(self.stem(x)))
        return self.head((y * y).mean((1, 2)))


@functools.cache
def flax_net():
    """A Flax model with other numbers than those to be loaded; the same one each time, for making one takes long."""
    return _training(FlaxNet(TorchNet(1)))


class TorchRun:
    """A PyTorch program; ``every`` steps of the optimizer for one of the scheduler."""

    def __init__(self, make_optimizer, make_scheduler=None, every=1):
        self.module = TorchNet()
        self.optimizer = make_optimizer(self.module)
        self.scheduler = make_scheduler(self.optimizer) if make_scheduler else None
        self.every, self.step = every, 0

    def go_on(self, steps):
        for _ in range(steps):
            self.optimizer.zero_grad()
            output = self.module(torch.from_numpy(INPUTS[self.step]))
            (output - torch.from_numpy(TARGETS[self.step])).square().mean().backward()
            self.optimizer.step()
            self.step += 1
            if self.scheduler is not None and self.step % self.every == 0:
                self.scheduler.step()
        return self

    def checkpoint(self):
        held = {"model": self.module.state_dict(), "optimizer": self.optimizer.state_dict(), "epoch": 3}
        return held if self.scheduler is None else {**held, "scheduler": self.scheduler.state_dict()}

    def load(self, path, step):
        """Go on from a file; for the module, the optimizer and the scheduler it is as if PyTorch had written it."""
        held = torch.load(path, weights_only=True)
        self.module.load_state_dict(held["model"])
        self.optimizer.load_state_dict(held["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(held["scheduler"])
        self.step = step
        return self

    def arrays(self):
        return {name: tensor.detach().numpy().copy() for name, tensor in self.module.state_dict().items()}


@functools.cache
def _gradient():
    skeleton = Skeleton(flax_net())

    def loss(parameters, variables, x, y):
        net = skeleton.build({**parameters, **variables})
        return ((net(x) - y) ** 2).mean(), model_arrays(net, nnx.Not(nnx.Param))

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def _training(model):
    model.train()
    return model


class FlaxRun:
    """The same program in JAX, on dictionaries of arrays."""

    def __init__(self, model, optimizer, state, step):
        self.model, self.state, self.step = model, state, step
        self.parameters = model_arrays(model, nnx.Param)
        self.variables = model_arrays(model, nnx.Not(nnx.Param))

        def apply(gradients, state, parameters):
            updates, state = optimizer.update(gradients, state, parameters)
            return optax.apply_updates(parameters, updates), state

        self._apply = jax.jit(apply)

    def go_on(self, steps):
        for _ in range(steps):
            x = INPUTS[self.step].transpose(0, 2, 3, 1)
            (_, self.variables), gradients = _gradient()(self.parameters, self.variables, x, TARGETS[self.step])
            self.parameters, self.state = self._apply(gradients, self.state, self.parameters)
            self.step += 1
        fill_model(self.model, {**self.parameters, **self.variables})
        return self

    def arrays(self):
        return interop.state_dict(self.model)


def assert_followed(found, expected, tolerance=1e-9):
    """Every array agrees to a part of its greatest number."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        error, scale = np.abs(found[name] - array).max(), np.abs(array).max()
        assert error <= tolerance * scale, f"{name}: {error:.2e} of {scale:.2e}"

"""Go on in JAX with a training run that PyTorch began, then give it back to PyTorch.

Run with: python examples/02_resume_a_torch_run.py
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from flax import nnx

import interop

folder = Path(tempfile.mkdtemp())
images = np.random.default_rng(0).normal(size=(30, 8, 3, 16, 16)).astype(np.float32)  # (step, batch, channels, …)
targets = images.mean((2, 3, 4))[..., None] * 10


def torch_program():
    """A training program in PyTorch: AdamW without decay of the biases, and one cycle of the learning rate."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, dilation=2, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 1),
    )  # fmt: skip
    named = dict(net.named_parameters())
    groups = [
        {"params": [value for value in named.values() if value.ndim > 1], "weight_decay": 0.05},
        {"params": [value for value in named.values() if value.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    return net, optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=30)


def torch_steps(net, optimizer, scheduler, steps):
    for at in steps:
        optimizer.zero_grad()
        loss = (net(torch.from_numpy(images[at])) - torch.from_numpy(targets[at])).square().mean()
        loss.backward()
        optimizer.step()
        scheduler.step()


# Ten steps in PyTorch, and what its scripts save.
net, optimizer, scheduler = torch_program()
torch_steps(net, optimizer, scheduler, range(10))
torch.save(
    {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()},
    folder / "torch.pth",
)

# Ten more in JAX. The model has other numbers until the checkpoint fills it.
model = interop.from_torch(torch_program()[0])
resumed = interop.resume_torch(folder / "torch.pth", model, steps_per_epoch=1)
print(resumed.report)
optimizer_in_jax = nnx.Optimizer(model, resumed.optimizer, wrt=nnx.Param)
nnx.update(optimizer_in_jax.opt_state, nnx.state(resumed.state))


@nnx.jit
def step(model, optimizer, x, y):
    optimizer.update(model, nnx.grad(lambda model: ((model(x) - y) ** 2).mean())(model))


for at in range(10, 20):
    step(model, optimizer_in_jax, images[at].transpose(0, 2, 3, 1), targets[at])
state = optimizer_in_jax.opt_state
interop.save_torch_checkpoint(folder / "back.pth", model, state, optimizer=resumed.torch_optimizer)

# The last ten in PyTorch again, beside the run that never left it.
saved = torch.load(folder / "back.pth", weights_only=True)
returned = torch_program()
for part, key in zip(returned, ("model", "optimizer", "scheduler"), strict=True):
    part.load_state_dict(saved[key])
torch_steps(*returned, range(20, 30))
torch_steps(net, optimizer, scheduler, range(10, 30))
pairs = zip(returned[0].parameters(), net.parameters(), strict=True)
print("greatest difference of a parameter:", max(float((one - other).detach().abs().max()) for one, other in pairs))

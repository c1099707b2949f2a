"""The compiled step of dilax.train takes a resumed optimizer as it is."""

import numpy as np
import torch

import interop
from dilax.train import initial_state, make_train_step


def _torch_net():
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv3d(1, 4, 2, bias=False), torch.nn.BatchNorm3d(4), torch.nn.ReLU(), torch.nn.Conv3d(4, 3, 1)
    )


def test_the_step_of_dilax_train_goes_on():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(5, 2, 5, 6, 4, 1)).astype(np.float32)
    labels = rng.integers(3, size=(5, 2, 4, 5, 3)).astype(np.int32)
    net = _torch_net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.2)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, gamma=0.3)

    def go_on(steps):
        for at in steps:
            optimizer.zero_grad()
            logits = net(torch.from_numpy(np.moveaxis(images[at], -1, 1).copy()))
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels[at]).long()).backward()
            optimizer.step()
            scheduler.step()
        return {"model": net.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}

    model = interop.from_torch(_torch_net())
    resumed = interop.resume_torch(go_on(range(2)), model, steps_per_epoch=1)
    step = make_train_step(model, resumed.optimizer)
    state = initial_state(model, resumed.optimizer)._replace(optimizer=resumed.state)
    for at in range(2, 5):
        state, _ = step(state, images[at], labels[at])
    interop.load(model, go_on(range(2, 5))["model"])
    for name, array in {"0.kernel": model[0].kernel, "3.bias": model[3].bias, "1.scale": model[1].scale}.items():
        np.testing.assert_allclose(state.parameters[name], array[...], rtol=1e-4, atol=1e-5)

"""Moments lie as the parameters do, whatever the layer."""

import numpy as np
import pytest
import torch
from flax import nnx

import interop
from dilax.train import model_arrays

LAYERS = {
    "grouped transposed convolution": lambda: torch.nn.ConvTranspose2d(4, 6, (3, 2), groups=2),
    "weight norm": lambda: torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(3, 5, 2)),
    "recurrent": lambda: torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True),
    "attention": lambda: torch.nn.MultiheadAttention(6, 2, kdim=3),
    "bilinear and table": lambda: torch.nn.ModuleList([torch.nn.Bilinear(2, 3, 4), torch.nn.Embedding(5, 3)]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_moments_are_laid_out_as_parameters(tmp_path, name):
    module = LAYERS[name]()
    optimizer = torch.optim.Adam(module.parameters())
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    before, state = dict(module.state_dict()), optimizer.state_dict()
    model = interop.from_torch(module)
    resumed = interop.resume_torch({"model": before, "optimizer": state}, model)
    found = resumed.state.parts["0"][0]
    for moment, own in (("exp_avg", found.mu), ("exp_avg_sq", found.nu)):
        kept = {key: state["state"][at][moment] for at, (key, _) in enumerate(module.named_parameters())}
        # The oracle: load the moments as if they were the parameters.
        other = interop.from_torch(LAYERS[name]())
        interop.load(other, {**before, **kept})
        expected = model_arrays(other, nnx.Param)
        assert own.keys() == expected.keys()
        for path, array in expected.items():
            np.testing.assert_array_equal(own[path], array)
    interop.save_torch_checkpoint(tmp_path / "a.pth", model, resumed.state, optimizer=resumed.torch_optimizer)
    returned = torch.load(tmp_path / "a.pth", weights_only=True)["optimizer"]["state"]
    for at, kept in state["state"].items():
        assert all(torch.equal(returned[at][moment], kept[moment]) for moment in ("step", "exp_avg", "exp_avg_sq"))

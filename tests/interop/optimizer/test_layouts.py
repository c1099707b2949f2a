"""Moments lie as the parameters do, whatever the layer."""

import numpy as np
import pytest
import torch
from flax import nnx

import interop
from dilax.errors import DilaxError
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


def adam_of(module):
    """The state_dicts of a module and of its optimizer after a step."""
    optimizer = torch.optim.Adam(module.named_parameters())
    for parameter in module.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return module.state_dict(), optimizer.state_dict()


def test_one_array_in_pytorch_is_several_in_flax():
    arrays, state = adam_of(torch.nn.MultiheadAttention(6, 2))
    model = nnx.MultiHeadAttention(2, 6, decode=False, rngs=nnx.Rngs(0))
    moments = interop.resume_torch({"model": arrays, "optimizer": state}, model).state.parts["0"][0].mu
    at = state["param_groups"][0]["param_names"].index("in_proj_weight")
    for part, expected in zip(("query", "key", "value"), state["state"][at]["exp_avg"].chunk(3), strict=True):
        np.testing.assert_array_equal(moments[f"{part}.kernel"], expected.T.reshape(6, 2, 3))


def test_two_arrays_in_pytorch_that_flax_adds_have_no_moments():
    arrays, state = adam_of(torch.nn.LSTMCell(3, 4))
    with pytest.raises(DilaxError) as raised:
        interop.resume_torch({"model": arrays, "optimizer": state}, nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0)))
    assert str(raised.value) == (
        "interop.optimizer: bias_ih and bias_hh are one array in Flax, so an optimizer's state of them has no equal; "
        "use the layer of dilax.nn, which keeps both."
    )


@pytest.mark.parametrize(
    ("rename", "prefix"), [(None, ""), ({"module.0": "0", "module.1": "1"}, ""), ({"module": "layers"}, "layers.")]
)
def test_names_with_a_prefix_and_names_that_change(rename, prefix):
    module = torch.nn.DataParallel(torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)))
    arrays, state = adam_of(module)
    model = interop.from_torch(module.module)
    model = nnx.Dict(layers=model) if prefix else model
    moments = interop.resume_torch({"model": arrays, "optimizer": state}, model, rename=rename).state.parts["0"][0].mu
    kept = state["state"]
    np.testing.assert_array_equal(moments[f"{prefix}0.kernel"], kept[0]["exp_avg"].T)
    np.testing.assert_array_equal(moments[f"{prefix}1.bias"], kept[3]["exp_avg"])

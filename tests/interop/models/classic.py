"""The PyTorch twin of a model with random numbers, and the Flax model filled with them."""

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

import interop
from dilax import models
from interop import reference
from interop.rules import entries
from interop.testing import randomise


def keys(name, **options):
    """Keys and shapes, of the Flax model and of its twin; neither holds a number."""
    with torch.device("meta"):
        twin = reference.create(name, **options)
    model = abstract(name, **options)
    ours = {key: shape for entry in entries(model) for key, shape in zip(entry.keys, entry.torch_shapes, strict=True)}
    return ours, {key: tuple(tensor.shape) for key, tensor in twin.state_dict().items()}


def abstract(name, **options):
    return nnx.eval_shape(lambda: models.create(name, **options))


def twin_of(name, **options):
    """The twin with random numbers everywhere, of such sizes that signals live through twenty layers."""
    torch.manual_seed(0)
    twin = randomise(reference.create(name, **options))
    for layer in twin.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
            if layer.dilation[0] >= 4 and layer.padding[0]:
                layer.weight.data *= 3  # of the nine taps, little more than the centre meets a small map
    return twin


def pair(name, **options):
    """The twin, and a model filled from it; both in training mode."""
    twin = twin_of(name, **options)
    model = abstract(name, **options)
    interop.load(model, twin.state_dict())
    return twin, model


def image(height, width, channels=3):
    """Noise that grows downwards, and from the first image to the second: its mean over wide windows differs too."""
    noise = np.random.default_rng(0).gumbel(size=(2, height, width, channels))
    return noise * np.linspace(0.5, 2, height)[:, None, None] * np.array([1, 3])[:, None, None, None]


def assert_varied(output):
    """An output that is the same everywhere, or of one image in the other's place, would prove nothing."""
    output = np.asarray(output)
    assert output[0].std() > 1e-3 * abs(output).max()
    assert abs(output[0] - output[1]).max() > 1e-3 * abs(output).max()


def float64_error(twin, model, x):
    """Largest difference of the outputs in float64, in evaluation, over their largest magnitude."""
    twin.eval().double()
    model.eval()
    with jax.enable_x64(True), torch.no_grad():
        graph, state = nnx.split(model)
        state = jax.tree.map(lambda a: a.astype(jnp.float64) if a.dtype == jnp.float32 else a, state)
        ours = jax.tree.leaves(jax.jit(lambda state, x: nnx.merge(graph, state)(x))(state, jnp.asarray(x)))
        theirs = twin(torch.tensor(np.moveaxis(x, -1, 1)))
        errors = []
        theirs = theirs if isinstance(theirs, tuple) else (theirs,)
        for one, other in zip(ours, theirs, strict=True):
            other = np.moveaxis(other.numpy(), 1, -1)
            assert one.shape == other.shape
            assert one.dtype == jnp.float64
            assert_varied(other)
            errors.append(float(abs(np.asarray(one) - other).max() / abs(other).max()))
    return max(errors)


def assert_same_arrays(model, twin):
    """The state_dict of the model is the twin's, bit for bit."""
    back, state = interop.state_dict(model), twin.state_dict()
    assert back.keys() == state.keys()
    for key, tensor in state.items():
        assert back[key].dtype == tensor.numpy().dtype
        assert back[key].tobytes() == tensor.numpy().tobytes(), key

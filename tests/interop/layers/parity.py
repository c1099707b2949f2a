"""A layer of torch.nn and the Flax layer that interop.from_torch makes of it, on the same inputs.

Outputs, the gradients of inputs and parameters, and running statistics, in float64 against PyTorch and in float32
against PyTorch's float64.
"""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

import interop
from interop.reparametrizing import layer_type
from interop.rules import TORCH_RULES
from interop.verification.torch_side import copied

#: Largest relative error between two float64 runs of one computation that rounding explains.
FLOAT64 = 1e-12
#: How many times further from the float64 result than PyTorch's float32 ours may be.
FLOAT32 = 2.0
# Draws of the inputs whose errors in float32 are taken together: so many, and if the ratio is too large then so many.
DRAWS = (4, 16, 64)
# No float32 result is nearer to the truth than half a unit in the last place, on average about this share of it.
ROUNDING = 2.0**-25


def channel_axis(module, ndim):
    """Where PyTorch has a layer's channels, in an array of ``ndim`` axes."""
    name = layer_type(module).__name__
    if name in ("PixelShuffle", "PixelUnshuffle"):
        return ndim - 3
    if not name[-2].isdigit() or "BatchNorm" in name:
        return 1
    return ndim - 1 - int(name[-2])


def to_ours(module, array):
    """A PyTorch array of this layer's inputs or outputs with channels last where the layer has channels."""
    if not TORCH_RULES[layer_type(module).__name__].channels or array.ndim < 2:
        return array
    return np.moveaxis(array, channel_axis(module, array.ndim), -1)


def check(module, *inputs, training=False, steps=1, single=True):
    """Compare everything there is; ``module`` is a float64 layer in the mode given, the inputs are NumPy arrays.

    The errors in float32 are those of several draws of the inputs together, of more where these are not enough: the
    ratio of two roundings of a few numbers is luck. Without ``single``, in float64 alone: where one number scales all
    others, the ratio says something only over many draws of the parameters.

    Inputs of integers have no gradient; those of float are float64.
    """
    module = module.double().train(training)
    truth = _torch(copied(module), inputs, torch.float64, steps)
    with jax.enable_x64(True):
        double = _flax(module, np.float64, steps)(inputs, _cotangents(module, truth))
    _assert_equal(double, truth)
    if not single:
        return
    flax = _flax(copied(module).float(), np.float32, steps)
    ours, theirs = collections.Counter(), collections.Counter()
    for draw in range(DRAWS[-1]):
        moved = _moved(inputs, draw)
        truth = _torch(copied(module), moved, torch.float64, steps, draw)
        rounded = _torch(copied(module), moved, torch.float32, steps, draw)
        narrow = flax(moved, _cotangents(module, truth, draw))
        for name, expected in truth.items():
            ours[name] += _rms(narrow[name] - expected) ** 2
            theirs[name] += max(_rms(rounded[name] - expected), ROUNDING * _rms(expected)) ** 2
        ratios = {name: (error / theirs[name]) ** 0.5 if error else 0 for name, error in ours.items()}
        worst = max(ratios, key=ratios.get)
        if draw + 1 in DRAWS and ratios[worst] <= FLOAT32:
            return
    raise AssertionError(f"{worst}: R {ratios[worst]:.2f}")


def _assert_equal(double, truth):
    assert truth.keys() == double.keys()
    for name, expected in truth.items():
        assert double[name].shape == expected.shape, name
        assert double[name].dtype == expected.dtype, name
        scale = np.abs(expected).max(initial=0)
        error = np.abs(double[name] - expected).max(initial=0)
        assert error <= FLOAT64 * max(scale, 1e-3), f"{name}: {error / scale if scale else error:.1e}"


def _moved(inputs, seed):
    """Floating inputs of other sizes but the same signs, so that what was allowed still is; integers as they are."""
    rng = np.random.default_rng(seed)
    return tuple(x * rng.uniform(0.75, 1.25, x.shape) if x.dtype.kind == "f" else x for x in inputs)


def _rms(array):
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0


def _cotangent(shape, draw):
    return np.random.default_rng(7 + draw).normal(size=shape)


def _cotangents(module, results, draw=0):
    """One for each floating output, with the axes as Flax has them."""
    return {
        name: to_ours(module, _cotangent(_torch_shape(module, y.shape), draw))
        for name, y in results.items()
        if (not name or name.startswith("output")) and y.dtype.kind == "f"
    }


def _torch(module, inputs, dtype, steps, draw=0):
    module = module.to(dtype)
    for _ in range(steps):
        tensors = [torch.tensor(x, dtype=dtype if x.dtype.kind == "f" else None) for x in inputs]
        for tensor in tensors:
            tensor.requires_grad_(tensor.is_floating_point())
        module.zero_grad()
        outputs = module(*tensors)
        found = _named(outputs)
        total = sum(
            (y * torch.tensor(_cotangent(y.shape, draw), dtype=dtype)).sum()
            for y in found.values()
            if y.is_floating_point() and y.requires_grad
        )
        if torch.is_tensor(total):
            total.backward()
    result = {name: to_ours(module, y.detach().numpy()) for name, y in found.items()}
    for index, tensor in enumerate(tensors):
        if tensor.grad is not None:
            result[f"input {index}"] = to_ours(module, tensor.grad.numpy())
    for name, parameter in module.named_parameters():
        result[f"gradient {name}"] = _or_zeros(parameter)
    for name, buffer in module.state_dict().items():
        result.setdefault(f"gradient {name}", buffer.numpy())
    return result


def _or_zeros(parameter):
    return (
        np.zeros(parameter.shape, parameter.detach().numpy().dtype)
        if parameter.grad is None
        else parameter.grad.numpy()
    )


def _named(outputs):
    """Output arrays by place, of whatever nesting."""
    if isinstance(outputs, tuple | list):
        return {f"output {i}{rest}": y for i, one in enumerate(outputs) for rest, y in _named(one).items()}
    return {"": outputs}


def _flax(module, dtype, steps):
    """A function of a tuple of inputs, and of cotangents of the outputs, that gives what comes of them."""
    layer = interop.from_torch(module)
    graph, params, fresh = nnx.split(layer, nnx.Param, ...)

    @jax.jit
    def run(params, rest, arrays, cotangents):
        def weighted(params, moved, rest):
            layer = nnx.merge(graph, params, rest, copy=True)
            found = _named(layer(*(moved.get(index, x) for index, x in enumerate(arrays))))
            total = sum(((found[name] * y).sum().astype(dtype) for name, y in cotangents.items()), jnp.zeros((), dtype))
            return total, (found, nnx.state(layer, nnx.Not(nnx.Param)))

        movable = {index: x for index, x in enumerate(arrays) if jnp.issubdtype(x.dtype, jnp.floating)}
        return jax.grad(weighted, (0, 1), has_aux=True, allow_int=True)(params, movable, rest)

    def stepped(inputs, cotangents):
        cotangents = {name: jnp.asarray(y, dtype) for name, y in cotangents.items()}
        arrays = [jnp.asarray(to_ours(module, x), dtype if x.dtype.kind == "f" else None) for x in inputs]
        rest = fresh
        for _ in range(steps):
            (slopes, moved), (found, rest) = run(params, rest, arrays, cotangents)
        result = {name: np.asarray(y) for name, y in found.items()}
        for index, gradient in moved.items():
            result[f"input {index}"] = np.asarray(gradient)
        # The gradients have the layout of the parameters, so the rules that lay those out apply.
        for name, array in interop.state_dict(nnx.merge(graph, slopes, rest)).items():
            result[f"gradient {name}"] = array
        return result

    return stepped


def _torch_shape(module, shape):
    if not TORCH_RULES[layer_type(module).__name__].channels or len(shape) < 2:
        return shape
    *others, channels = shape
    axis = channel_axis(module, len(shape))
    return (*others[:axis], channels, *others[axis:])

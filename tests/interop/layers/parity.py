"""A layer of torch.nn and the Flax layer that interop.from_torch makes of it, on the same inputs.

Outputs, the gradients of inputs and parameters, and running statistics, in float64 against PyTorch and in float32
against PyTorch's float64.
"""

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

    Without ``single``, in float64 alone: where one number scales all others, the ratio of errors in float32 is that of
    two roundings, and says something only over many draws.

    Inputs of integers have no gradient; those of float are float64.
    """
    module = module.double().train(training)
    truth = _torch(copied(module), inputs, torch.float64, steps)
    rounded = _torch(copied(module), inputs, torch.float32, steps)
    with jax.enable_x64(True):
        double = _flax(module, inputs, np.float64, steps)
    if single:
        narrow = _flax(copied(module).float(), inputs, np.float32, steps)
    assert truth.keys() == double.keys()
    for name, expected in truth.items():
        assert double[name].shape == expected.shape, name
        assert double[name].dtype == expected.dtype, name
        scale = np.abs(expected).max(initial=0)
        error = np.abs(double[name] - expected).max(initial=0)
        assert error <= FLOAT64 * max(scale, 1e-3), f"{name}: {error / scale if scale else error:.1e}"
        if not single:
            continue
        floor = ROUNDING * _rms(expected)
        own = max(_rms(rounded[name] - expected), floor)
        ratio = _rms(narrow[name] - expected) / own if own else _rms(narrow[name])
        assert ratio <= FLOAT32, f"{name}: R {ratio:.2f}"


def check_draws(make, shape, draws=4):
    """The float32 half of :func:`check`, its errors taken together over several draws of parameters and inputs.

    For layers whose gradients sum over many steps: in one draw the ratio of two roundings is luck.
    """
    ours, theirs = {}, {}
    for seed in range(draws):
        torch.manual_seed(seed)
        module, x = make().double().eval(), np.random.default_rng(seed).normal(size=shape)
        truth = _torch(copied(module), (x,), torch.float64, 1)
        rounded = _torch(copied(module), (x,), torch.float32, 1)
        narrow = _flax(copied(module).float(), (x,), np.float32, 1)
        for name, expected in truth.items():
            ours[name] = ours.get(name, 0) + _rms(narrow[name] - expected) ** 2
            theirs[name] = theirs.get(name, 0) + max(_rms(rounded[name] - expected), ROUNDING * _rms(expected)) ** 2
    for name, error in ours.items():
        ratio = (error / theirs[name]) ** 0.5
        assert ratio <= FLOAT32, f"{name}: R {ratio:.2f}"


def _rms(array):
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0


def _cotangent(shape):
    return np.random.default_rng(7).normal(size=shape)


def _torch(module, inputs, dtype, steps):
    module = module.to(dtype)
    for _ in range(steps):
        tensors = [torch.tensor(x, dtype=dtype if x.dtype.kind == "f" else None) for x in inputs]
        for tensor in tensors:
            tensor.requires_grad_(tensor.is_floating_point())
        module.zero_grad()
        outputs = module(*tensors)
        found = _named(outputs)
        total = sum(
            (y * torch.tensor(_cotangent(y.shape), dtype=dtype)).sum()
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


def _flax(module, inputs, dtype, steps):
    layer = interop.from_torch(module)
    graph, params, rest = nnx.split(layer, nnx.Param, ...)
    arrays = [jnp.asarray(to_ours(module, x), dtype if x.dtype.kind == "f" else None) for x in inputs]
    movable = [index for index, x in enumerate(inputs) if x.dtype.kind == "f"]

    @jax.jit
    def run(params, rest, moved):
        def weighted(params, moved, rest):
            layer = nnx.merge(graph, params, rest, copy=True)
            given = list(arrays)
            for index, x in zip(movable, moved, strict=True):
                given[index] = x
            found = _named(layer(*given))
            total = jnp.zeros((), dtype)
            for y in found.values():
                if jnp.issubdtype(y.dtype, jnp.floating):
                    total += (y * to_ours(module, _cotangent(_torch_shape(module, y.shape)))).sum().astype(dtype)
            return total, (found, nnx.state(layer, nnx.Not(nnx.Param)))

        return jax.grad(weighted, (0, 1), has_aux=True, allow_int=True)(params, moved, rest)

    for _ in range(steps):
        (slopes, moved), (found, rest) = run(params, rest, [arrays[index] for index in movable])
    result = {name: np.asarray(y) for name, y in found.items()}
    for index, gradient in zip(movable, moved, strict=True):
        result[f"input {index}"] = np.asarray(gradient)
    # The gradients have the layout of the parameters, so the rules that lay those out apply.
    for name, array in interop.state_dict(nnx.merge(graph, slopes, rest)).items():
        result[f"gradient {name}"] = array
    return result


def _torch_shape(module, shape):
    if not TORCH_RULES[layer_type(module).__name__].channels or len(shape) < 2:
        return shape
    *others, channels = shape
    axis = channel_axis(module, len(shape))
    return (*others[:axis], channels, *others[axis:])

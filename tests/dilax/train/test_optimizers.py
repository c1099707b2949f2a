"""Optimizers take the steps of PyTorch's, or of their papers, in float64."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
import pytest

from dilax.errors import ArgumentError
from dilax.train import OptimizerConfig, make_optimizer

RATES = [0.1, 0.1, 0.02, 0.3]


def _start() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"kernel": rng.normal(size=(3, 4, 5)), "bias": rng.normal(size=(5,))}


def _gradients(scale: float = 1.0) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    return [{name: scale * rng.normal(size=array.shape) for name, array in _start().items()} for _ in RATES]


def _run(config: OptimizerConfig, scale: float = 1.0) -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        parameters: Any = _start()
        optimizer = make_optimizer(config)
        state = optimizer.init(parameters)
        for rate, gradients in zip(RATES, _gradients(scale), strict=True):
            moves, state = optimizer.update(gradients, state, parameters, learning_rate=rate)
            parameters = optax.apply_updates(parameters, moves)
        return {name: np.asarray(array) for name, array in parameters.items()}


def _run_torch(make: Callable[..., Any], scale: float = 1.0, clip: float = 0.0) -> dict[str, np.ndarray]:
    torch = pytest.importorskip("torch")
    parameters = {name: torch.nn.Parameter(torch.from_numpy(array)) for name, array in _start().items()}
    optimizer = make(torch.optim, parameters)
    for rate, gradients in zip(RATES, _gradients(scale), strict=True):
        for name, parameter in parameters.items():
            parameter.grad = torch.from_numpy(gradients[name])
        if clip:
            torch.nn.utils.clip_grad_norm_(parameters.values(), clip)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    return {name: parameter.detach().numpy() for name, parameter in parameters.items()}


def _same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], rtol: float = 1e-12) -> None:
    for name, array in expected.items():
        assert not np.allclose(array, _start()[name])
        np.testing.assert_allclose(found[name], array, rtol=rtol, atol=1e-13)


@pytest.mark.parametrize(
    ("config", "make"),
    [
        (OptimizerConfig("adamw", weight_decay=0.05), lambda o, p: o.AdamW(p.values(), weight_decay=0.05)),
        (OptimizerConfig("adam", weight_decay=0.05), lambda o, p: o.Adam(p.values(), weight_decay=0.05)),
        (
            OptimizerConfig("adamw", weight_decay=0, betas=(0.8, 0.95)),
            lambda o, p: o.AdamW(p.values(), weight_decay=0, betas=(0.8, 0.95)),
        ),
        (
            OptimizerConfig("sgd", weight_decay=0.05, momentum=0.7),
            lambda o, p: o.SGD(p.values(), weight_decay=0.05, momentum=0.7),
        ),
        (
            OptimizerConfig("sgd", weight_decay=0.05, nesterov=True),
            lambda o, p: o.SGD(p.values(), weight_decay=0.05, momentum=0.9, nesterov=True),
        ),
        (OptimizerConfig("sgd", weight_decay=0, momentum=0), lambda o, p: o.SGD(p.values())),
        (
            OptimizerConfig("rmsprop", weight_decay=0.05, momentum=0.6),
            lambda o, p: o.RMSprop(p.values(), weight_decay=0.05, momentum=0.6),
        ),
        (
            OptimizerConfig("adamw", weight_decay=0.5, decay_vectors=False),
            lambda o, p: o.AdamW(
                [{"params": [p["kernel"]], "weight_decay": 0.5}, {"params": [p["bias"]], "weight_decay": 0}]
            ),
        ),
    ],
)
def test_steps_of_pytorch(config: OptimizerConfig, make: Any) -> None:
    _same(_run(config), _run_torch(make))


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_gradients_are_clipped_by_their_common_norm(scale: float) -> None:
    config = OptimizerConfig("sgd", weight_decay=0.1, clip_norm=0.5)
    expected = _run_torch(lambda o, p: o.SGD(p.values(), weight_decay=0.1, momentum=0.9), scale, clip=0.5)
    _same(_run(config, scale), expected, rtol=1e-5)  # PyTorch adds 1e-6 to the norm


def test_lion() -> None:
    parameters, means = _start(), {name: 0 * array for name, array in _start().items()}
    for rate, gradients in zip(RATES, _gradients(), strict=True):
        for name, g in gradients.items():
            sign = np.sign(0.9 * means[name] + 0.1 * g)
            parameters[name] = parameters[name] - rate * (sign + 0.05 * parameters[name])
            means[name] = 0.99 * means[name] + 0.01 * g
    _same(_run(OptimizerConfig("lion", weight_decay=0.05, betas=(0.9, 0.99))), parameters)


def test_lamb() -> None:
    parameters = _start()
    first, second = ({name: 0 * array for name, array in parameters.items()} for _ in range(2))
    for done, (rate, gradients) in enumerate(zip(RATES, _gradients(), strict=True), start=1):
        for name, g in gradients.items():
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.999 * second[name] + 0.001 * g**2
            move = first[name] / (1 - 0.9**done) / (np.sqrt(second[name] / (1 - 0.999**done)) + 1e-6)
            move = move + 0.05 * parameters[name]
            ratio = np.linalg.norm(parameters[name].ravel()) / np.linalg.norm(move.ravel())
            parameters[name] = parameters[name] - rate * ratio * move
    _same(_run(OptimizerConfig("lamb", weight_decay=0.05)), parameters)


def test_a_rate_is_needed() -> None:
    optimizer = make_optimizer()
    state = optimizer.init(_start())
    with pytest.raises(ArgumentError) as raised:
        optimizer.update(_gradients()[0], state, _start(), learning_rate=None)
    assert str(raised.value) == "step: learning_rate=None is needed by this optimizer; pass a number."

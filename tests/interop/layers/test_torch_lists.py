"""PyTorch's own lists of layers with samples, none of them ours; every sample of a layer that has a rule must agree.

``pytest -s`` prints what was eligible, what passed, and what was left out, by name and with the reason.
"""

import warnings
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import interop
from interop.rules import TORCH_RULES

from .parity import FLOAT64, randomized, to_ours

common_modules = pytest.importorskip("torch.testing._internal.common_modules")
common_nn = pytest.importorskip("torch.testing._internal.common_nn")

#: What we leave out, and why: a test of the sample's layer and inputs, and the reason.
LEFT_OUT: list[tuple] = [
    (
        lambda module, inputs: (
            "InstanceNorm" in type(module).__name__ and inputs[0].ndim == int(type(module).__name__[-2]) + 1
        ),
        "the number of axes, which would tell a sample from a batch, is not known",
    ),
]


def left_out(module, inputs):
    """The reason why a sample is left out, or None."""
    return next((reason for applies, reason in LEFT_OUT if applies(module, inputs)), None)


def compare(module, args, kwargs):
    """One forward pass in float64 in the module's mode."""
    layer = None
    with jax.enable_x64(True):
        layer = interop.from_torch(module)
        if "input" in kwargs:  # ours is called x
            args, kwargs = (kwargs["input"], *args), {name: x for name, x in kwargs.items() if name != "input"}
        ours = layer(*(_convert(module, x) for x in args), **{name: _convert(module, x) for name, x in kwargs.items()})
        theirs = module(*args, **kwargs)
        _assert_equal(module, ours, theirs)


def _convert(module, value):
    if isinstance(value, torch.Tensor):
        return jnp.asarray(to_ours(module, value.detach().numpy()))
    if isinstance(value, tuple | list):
        return tuple(_convert(module, one) for one in value)
    return value


def _assert_equal(module, ours, theirs):
    if isinstance(theirs, tuple | list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            _assert_equal(module, one, other)
    elif theirs is None:
        assert ours is None
    else:
        expected = to_ours(module, theirs.detach().numpy())
        assert ours.shape == expected.shape
        scale = np.abs(expected).max(initial=0)
        assert np.abs(np.asarray(ours) - expected).max(initial=0) <= FLOAT64 * max(scale, 1e-3)


def from_module_db():
    """``(name, module, args, kwargs)`` for every sample of every eligible entry of ``module_db``."""
    for info in common_modules.module_db:
        name = info.module_cls.__name__
        if name not in TORCH_RULES:
            continue
        for training in (False, True):
            torch.manual_seed(1)
            samples = info.module_inputs_func(
                info, device="cpu", dtype=torch.float64, requires_grad=False, training=training
            )
            for index, sample in enumerate(samples):
                if sample.forward_input is None:
                    continue
                made = sample.constructor_input
                module = info.module_cls(*made.args, **made.kwargs).double().train(training)
                given = sample.forward_input
                yield f"module_db {name} {index} training={training}", module, given.args, given.kwargs


def from_new_module_tests():
    """The same of ``get_new_module_tests``."""
    for test in common_nn.get_new_module_tests():
        name = test.get("module_name")
        if name not in TORCH_RULES:
            continue
        torch.manual_seed(1)
        module = getattr(torch.nn, name)(*test.get("constructor_args", ())).double()
        if "input_fn" in test:
            args = test["input_fn"]()
        else:
            args = test["input"] if "input" in test else torch.randn(test["input_size"], dtype=torch.float64)
        args = args if isinstance(args, tuple) else (args,)
        args = tuple(x.double() if x.is_floating_point() else x for x in args)
        yield f"new_module_tests {name} {test.get('desc', '')}".strip(), module, args, {}


@pytest.mark.parametrize("source", [from_module_db, from_new_module_tests])
def test_every_eligible_sample_agrees(source):
    passed, skipped, failed = Counter(), [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, module, args, kwargs in source():
            reason = left_out(module, args)
            if reason:
                skipped.append(f"{name}: {reason}")
                continue
            try:
                compare(randomized(module), args, kwargs)
                passed[type(module).__name__] += 1
            except Exception as error:
                failed.append(f"{name}: {type(error).__name__}: {str(error)[:150]}")
    print(f"\n{source.__name__}: {len(passed)} layers, {passed.total()} samples passed, {len(skipped)} left out")
    print("\n".join(skipped))
    assert not failed, f"{len(failed)} failed\n" + "\n".join(failed)
    assert passed

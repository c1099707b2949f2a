"""PyTorch's own lists of layers with samples, none of them ours; every sample of a layer that has a rule must agree.

``pytest -s`` prints what was eligible, what passed, and what was left out, by name and with the reason.
"""

import inspect
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import interop
from dilax.ops import interpolate
from interop.rules import TORCH_RULES
from interop.testing import randomise

from .parity import FLOAT64, to_ours

common_modules = pytest.importorskip("torch.testing._internal.common_modules")
common_nn = pytest.importorskip("torch.testing._internal.common_nn")

#: What we leave out, and why: a test of the sample's layer and inputs, and the reason.
LEFT_OUT: list[tuple] = [
    (
        lambda module, inputs: isinstance(module, torch.nn.Embedding) and module.sparse,
        "JAX has no sparse gradients: refused by name",
    ),
    (
        lambda module, inputs: (
            "InstanceNorm" in type(module).__name__ and inputs[0].ndim == int(type(module).__name__[-2]) + 1
        ),
        "the number of axes, which would tell a sample from a batch, is not known",
    ),
    (
        lambda module, inputs: isinstance(module, torch.nn.Fold) and inputs[0].ndim == 2,
        "without a batch its output has as many axes as a batch of inputs; test_shuffling.py has it",
    ),
]


def left_out(module, inputs):
    """The reason why a sample is left out, or None."""
    return next((reason for applies, reason in LEFT_OUT if applies(module, inputs)), None)


def compare(module, args, kwargs):
    """One forward pass in float64 in the module's mode."""
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
        nan = np.isnan(expected)
        np.testing.assert_array_equal(np.isnan(ours), nan)
        scale = np.abs(expected).max(initial=0, where=~nan)
        assert np.abs(np.asarray(ours) - expected).max(initial=0, where=~nan) <= FLOAT64 * max(scale, 1e-3)


def from_module_db(layer):
    """``(name, module, args, kwargs)`` for every sample of a layer in ``module_db``."""
    for info in common_modules.module_db:
        name = info.module_cls.__name__
        if name != layer:
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


def from_new_module_tests(layer):
    """The same of ``get_new_module_tests``."""
    for test in common_nn.get_new_module_tests():
        torch.manual_seed(1)
        name = test.get("module_name")
        if name is None:  # entries with a constructor are named after what it makes
            module = test["constructor"]()
            name = type(module).__name__
        elif name == layer:
            module = getattr(torch.nn, name)(*test.get("constructor_args", ()))
        if name != layer:
            continue
        module = module.double()
        if "input_fn" in test:
            args = test["input_fn"]()
        else:
            args = test["input"] if "input" in test else torch.randn(test["input_size"], dtype=torch.float64)
        args = args if isinstance(args, tuple) else (args,)
        args = tuple(x.double() if x.is_floating_point() else x for x in args)
        label = test.get("fullname") or f"{name} {test.get('desc', '')}".strip()
        yield f"new_module_tests {label}", module, args, {}


def functions_from_new_module_tests():
    """``(name, options, x)`` for every entry that wraps ``torch.nn.functional.interpolate``."""
    for test in common_nn.get_new_module_tests():
        if not test.get("fullname", "").startswith("interpolate_"):
            continue
        torch.manual_seed(1)
        options = inspect.getclosurevars(test["constructor"]().forward).nonlocals["kwargs"]
        x = test["input"] if "input" in test else torch.randn(test["input_size"], dtype=torch.float64)
        yield test["fullname"], options, x.double()


def test_every_interpolation_agrees():
    names = []
    with warnings.catch_warnings(), jax.enable_x64(True):
        warnings.simplefilter("ignore")
        for name, options, x in functions_from_new_module_tests():
            names.append(name)
            theirs = torch.nn.functional.interpolate(x, **options).movedim(1, -1).numpy()
            ours = np.asarray(interpolate(jnp.asarray(x.movedim(1, -1).numpy()), **options))
            assert ours.shape == theirs.shape, name
            assert np.abs(ours - theirs).max(initial=0) <= FLOAT64 * np.abs(theirs).max(initial=1e-3), name
    print(f"\nget_new_module_tests: {len(names)} samples of interpolate passed")
    assert names


LISTED = {info.module_cls.__name__ for info in common_modules.module_db} | {
    test["module_name"] for test in common_nn.get_new_module_tests() if "module_name" in test
}


@pytest.mark.slow
@pytest.mark.parametrize("layer", sorted(LISTED & TORCH_RULES.keys()))
def test_every_eligible_sample_agrees(layer):
    passed, skipped, failed = 0, [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, module, args, kwargs in (*from_module_db(layer), *from_new_module_tests(layer)):
            reason = left_out(module, args)
            if reason:
                skipped.append(f"{name}: left out: {reason}")
                continue
            try:
                compare(randomise(module), args, kwargs)
                passed += 1
            except Exception as error:
                failed.append(f"{name}: {type(error).__name__}: {str(error)[:150]}")
    print(f"\n{layer}: {passed} samples passed", *skipped, sep="\n")
    assert not failed, f"{len(failed)} failed\n" + "\n".join(failed)
    assert passed


@pytest.mark.slow
def test_layers_without_a_rule_are_named():
    print("\neligible:", len(LISTED & TORCH_RULES.keys()), "layers; no rule for", *sorted(LISTED - TORCH_RULES.keys()))
    # Losses are no layers of a model; a lazy layer is one of the others once it has seen an input.
    others = {name for name in LISTED - TORCH_RULES.keys() if not name.endswith("Loss") and "Lazy" not in name}
    assert others == {"EmbeddingBag", "FractionalMaxPool2d", "FractionalMaxPool3d"}

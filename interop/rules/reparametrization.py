"""Keys of weight and spectral normalisation, whose arrays stand for one parameter, in both of PyTorch's forms."""

from collections.abc import Iterator
from typing import Any

from flax import nnx

from dilax.nn import SpectralNorm, WeightNorm

from .layout import Layout, Same, Unrolled
from .rule import ArrayRule

#: Keys of the arrays by layer and form; ``{}`` is the parameter's name.
_KEYS: dict[tuple[type[Any], str], dict[str, str]] = {
    (WeightNorm, "hook"): {"g": "{}_g", "v": "{}_v"},
    (WeightNorm, "parametrization"): {"g": "parametrizations.{}.original0", "v": "parametrizations.{}.original1"},
    (SpectralNorm, "hook"): {"original": "{}_orig", "u": "{}_u", "v": "{}_v"},
    (SpectralNorm, "parametrization"): {
        "original": "parametrizations.{}.original",
        "u": "parametrizations.{}.0._u",
        "v": "parametrizations.{}.0._v",
    },
}

#: Modules that stand where a parameter stood.
REPARAMETRIZED = (WeightNorm, SpectralNorm)


def parts(rule: ArrayRule, held: WeightNorm | SpectralNorm) -> Iterator[ArrayRule]:
    """Rules of the arrays that a parameter is computed from, from the parameter's own rule."""
    for attribute, key in _KEYS[type(held), held.form].items():
        layout = _layout(rule.layout, held, getattr(held, attribute))
        yield ArrayRule(key.format(rule.torch_name), f"{rule.flax_name}.{attribute}", layout)


def weight_norm_keys(name: str) -> Iterator[tuple[str, str]]:
    """Keys of the length and of the direction of a parameter, each in the present form and in the older one."""
    present, older = (_KEYS[WeightNorm, form] for form in ("parametrization", "hook"))
    return ((present[part].format(name), older[part].format(name)) for part in ("g", "v"))


def _layout(layout: Layout, held: WeightNorm | SpectralNorm, variable: nnx.Variable[Any]) -> Layout:
    if isinstance(held, SpectralNorm) and variable is not held.original:
        return Unrolled(layout, layout.torch_shape(variable.shape))
    return layout if variable.ndim else Same()

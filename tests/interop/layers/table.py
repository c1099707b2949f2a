"""docs/layers.md from the rules and the tests: ``python tests/interop/layers/table.py`` writes it anew."""

import re
from collections.abc import Iterator
from pathlib import Path

from interop.rules import FLAX_RULES, RULES

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "layers.md"

HEAD = """# Layers

Which layer of `dilax.nn` is which layer of `torch.nn`, and how it is compared with PyTorch itself.

- *parity*: outputs, gradients of inputs and parameters, and running statistics or singular vectors after three training
  steps where there are any, within a relative error of 1e-12 in float64, and in float32 no further from the float64
  result than twice PyTorch's own float32 result (`tests/interop/layers`).
- *lists*: outputs on every sample of PyTorch's own lists of layers, `common_modules.module_db` and
  `common_nn.get_new_module_tests` (`tests/interop/layers/test_torch_lists.py`).
- *masks*: random layers in training have no equal numbers; shares, values and moments are compared (`tests/dilax/nn`).

Feature maps have channels last, `(N, *spatial, C)`. `weight_norm` and `spectral_norm` make a parameter of any of these
layers a normalised one, in both forms that PyTorch has (parity). `torch.nn.Sequential`, `ModuleList` and `ModuleDict`
are `dilax.nn.Sequential`, `nnx.List` and `nnx.Dict`.

`python tests/interop/layers/table.py` writes this page.

| PyTorch | dilax | compared |
| --- | --- | --- |
"""


FLAX_HEAD = """
## Layers of Flax itself

`interop.load` and `interop.state_dict` know these layers of `flax.nnx`, `interop.to_linen` and `interop.from_linen`
those of `flax.linen`. Their outputs are compared with PyTorch's in float64, within a relative error of 1e-12
(`tests/interop/flax_layers`). A wrapper (`RNN`, `Bidirectional`, `WeightNorm`, `Sequential`) and the layer inside are
one layer in PyTorch. Options with which a layer computes something else than PyTorch's default are listed in the report
of loading. `nnx.GRUCell` has no `b_hn`; of the two biases of PyTorch's cells Flax has the sum, which loading reports;
`SpectralNorm` has no equal.

| PyTorch | flax.nnx | flax.linen |
| --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    parity = _tested()
    listed = _listed()
    masks = set(re.findall(r"nn\.(\w+)", (HERE.parents[1] / "dilax" / "nn" / "test_dropout.py").read_text()))
    rows = []
    for rule in RULES.values():
        names = set(rule.torch_types)
        how = {"parity": names & parity, "lists": names & listed, "masks": {rule.flax_type.__name__} & masks}
        compared = ", ".join(name for name, found in how.items() if found)
        rows.append(f"| {', '.join(rule.torch_types)} | {rule.flax_type.__name__} | {compared} |\n")
    return HEAD + "".join(sorted(rows)) + FLAX_HEAD + "".join(sorted(_flax_rows()))


def _flax_rows() -> Iterator[str]:
    """A row for each PyTorch layer that layers of Flax itself are."""
    for torch_types in dict.fromkeys(rule.torch_types for rule in FLAX_RULES.values() if rule.torch_types):
        kinds = [kind for kind, rule in FLAX_RULES.items() if rule.torch_types == torch_types]
        names = [
            ", ".join(kind.__name__ for kind in kinds if kind.__module__.startswith(f"flax.{package}."))
            for package in ("nnx", "linen")
        ]
        yield f"| {', '.join(torch_types)} | {' | '.join(names)} |\n"


def _tested() -> set[str]:
    """Names of torch layers in the tests that compare everything."""
    sources = [path.read_text() for path in HERE.glob("test_*.py")]
    return {
        name
        for source in sources
        if re.search(r"^from \.parity import .*\bcheck\b", source, re.MULTILINE)
        for name in re.findall(r"(?:nn\.|class )(\w+)\(", source)
    }


def _listed() -> set[str]:
    """Names of torch layers in PyTorch's own lists."""
    from torch.testing._internal.common_modules import module_db
    from torch.testing._internal.common_nn import get_new_module_tests

    names = {info.module_cls.__name__ for info in module_db}
    return names | {test["module_name"] for test in get_new_module_tests() if "module_name" in test}


if __name__ == "__main__":
    PAGE.write_text(page())

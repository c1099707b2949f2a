"""docs/layers.md from the rules and the tests: ``python tests/interop/layers/table.py`` writes it anew."""

import re
from pathlib import Path

from interop.rules import RULES

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
    return HEAD + "".join(sorted(rows))


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

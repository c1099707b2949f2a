"""``dilax convert``: a PyTorch checkpoint becomes a Flax one."""

import sys
from pathlib import Path
from typing import Annotated, Any

import tyro

from .console import console


def convert(
    file: tyro.conf.Positional[Path],
    *,
    model: str,
    options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...")] = (),
    output: Path | None = None,
    verify: bool = True,
) -> int:
    """Convert a PyTorch checkpoint to Flax and save it as an Orbax checkpoint.

    The file is read without PyTorch. What the model looks like is read off the shapes; what those cannot show, such as
    the activation, is taken as usual and said so, or given with --options.

    For example:

        dilax convert model.pth --model meshnet --output converted
        dilax convert model.pth --model meshnet --options activation=elu

    Args:
        file: A checkpoint of torch.save or safetensors, or the index of a sharded one.
        model: Name of the architecture, e.g. meshnet.
        options: Options of the model that the file cannot show, e.g. activation=elu.
        output: Directory to write; the file's name without its ending if not given.
        verify: Where PyTorch is installed, compare both frameworks layer by layer before saving.
    """
    import interop
    from dilax import models
    from dilax.errors import FileError
    from dilax.train import save_model
    from interop.loading_wrappers import find

    from .options import parse_options

    out = console()
    given = parse_options(models.config_type(model), options)
    target = Path(file.name.split(".")[0] or "converted") if output is None else output
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileError("convert", target, "exists and is not empty", "pass another --output")
    checkpoint = interop.read(file)
    arrays = find("load", checkpoint).arrays
    inferred = interop.infer_options(model, arrays)
    chosen = {**inferred.assumed, **inferred.options, **given}
    flax_model: Any = models.create(model, **chosen)
    report = interop.load(flax_model, checkpoint)
    out.print(f"read {file} ({checkpoint.format}): {report}")
    for note in checkpoint.notes:
        out.print(f"note: {note}")
    assumed = [f"{name}={value}" for name, value in inferred.assumed.items() if name not in given]
    if assumed:
        out.print(f"assumed: {' '.join(assumed)} (the file cannot show it; --options sets it)")
    out.print(f"model: {model} {' '.join(f'{name}={value}' for name, value in chosen.items())}")
    if "torch" not in sys.modules:
        out.print("PyTorch was not imported")
    if verify:
        _verify(flax_model, model, chosen, arrays)
    save_model(target, flax_model, name=model, source=str(file))
    out.print(f"saved {target}; go on with dilax predict {target} SCAN, or dilax train --initial {target}")
    return 0


def _verify(flax_model: Any, name: str, options: dict[str, Any], arrays: Any) -> None:
    """Compare with the PyTorch twin on a small random input; raise if a layer differs."""
    import importlib.util

    out = console()
    if importlib.util.find_spec("torch") is None:
        out.print("not verified: PyTorch is not installed (pip install 'dilax-nn[torch]')", markup=False)
        return
    import numpy as np
    import torch

    import interop
    from interop import reference

    module = reference.create(name, **options)
    module.load_state_dict({key: torch.tensor(np.array(value)) for key, value in arrays.items()})
    x = np.random.default_rng(0).random((1, 20, 21, 22, options["in_channels"]))
    report = interop.verify(flax_model, module, x)
    report.raise_if_different()
    worst = max(layer.float64 for layer in report.layers)
    out.print(f"verified: {len(report.layers)} outputs equal PyTorch's, float64 error at most {worst:.1e}")

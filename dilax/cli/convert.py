"""``dilax convert``: a PyTorch checkpoint becomes a Flax one."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from .console import console, error_console, working
from .twins import VOLUMES


def convert(
    file: tyro.conf.Positional[Path],
    *,
    model: str,
    options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE ...")] = (),
    state_dict: str | None = None,
    ignore: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATTERN ...")] = (),
    rename: Annotated[tuple[str, ...], tyro.conf.arg(metavar="OLD=NEW ...")] = (),
    output: Path | None = None,
    verify: bool = True,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Convert a PyTorch checkpoint to Flax and save it as an Orbax checkpoint.

    The file is read without PyTorch. What the model looks like is read off the shapes; what those cannot show, such as
    the activation, is taken as usual and said so, or given with --options.

    For example:

        dilax convert model.pth --model meshnet --output converted
        dilax convert model.pth --model meshnet --options activation=elu
        dilax convert last.ckpt --model smp_pan --ignore mean std 'loss.*'
        dilax convert run.pth --model resnet50 --state-dict model_ema --ignore n_averaged

    Args:
        file: A checkpoint of torch.save or safetensors, or the index of a sharded one.
        model: Name of the architecture, e.g. meshnet.
        options: Options of the model that the file cannot show, e.g. activation=elu.
        state_dict: Where the state_dict is, if the file holds several, dots between nested names, e.g. model_ema.
        ignore: Patterns, as of a shell, of keys of the state_dict to leave out.
        rename: New names for keys of the state_dict, or for prefixes of keys that end before a dot.
        output: Directory to write; the file's name without its ending if not given.
        verify: Where PyTorch is installed, compare both frameworks layer by layer before saving.
        as_json: Print one JSON object on standard output, and all else on standard error.
    """
    import interop
    from dilax import models
    from dilax.errors import FileError
    from dilax.train import save_model
    from interop.loading_names import agree
    from interop.loading_wrappers import at, find

    from .options import parse_options, parse_pairs, show_options

    out = error_console() if as_json else console()
    given = parse_options(models.config_type(model), options)
    target = Path(file.name.split(".")[0] or "converted") if output is None else output
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise FileError("convert", target, "exists and is not empty", "pass another --output")
    checkpoint = interop.read(file)
    holder = checkpoint if state_dict is None else at("convert", checkpoint, state_dict)
    arrays, renamed = find("convert", holder).arrays, parse_pairs("rename", rename)
    names = agree("convert", arrays, set(), rename=renamed, ignore=ignore).source
    named = {name: arrays[key] for name, key in names.items()}
    inferred = interop.infer_options(model, named)
    chosen = {**inferred.assumed, **inferred.options, **given}
    flax_model: Any = models.create(model, **chosen)
    report = interop.load(flax_model, holder, rename=renamed, ignore=ignore)
    out.print(f"read {file} ({checkpoint.format}): {report}")
    for note in checkpoint.notes:
        out.print(f"note: {note}")
    assumed = {name: value for name, value in inferred.assumed.items() if name not in given}
    if assumed:
        out.print(f"assumed: {show_options(assumed)} (the file cannot show it; --options sets it)")
    out.print(f"model: {model} {show_options(chosen)}")
    if "torch" not in sys.modules:
        out.print("PyTorch was not imported")
    named = {name.removeprefix(report.prefix): array for name, array in named.items()}
    verified = _verify(flax_model, model, chosen, named, out=out) if verify else None
    save_model(target, flax_model, name=model, source=str(file))
    out.print(f"saved {target}{_onwards(model, flax_model.config.in_channels, target)}")
    if as_json:
        done = {"file": str(file), "format": checkpoint.format, "output": str(target), "model": model}
        loaded = {"arrays": report.arrays, "numbers": report.parameters, "casts": list(report.casts)}
        rest = {"options": chosen, "assumed": list(assumed)}
        unused = {"unused": list(report.unused), "notes": list(checkpoint.notes)}
        print(json.dumps(done | rest | loaded | unused | {"verified": verified}, indent=2, allow_nan=False))
    return 0


def _onwards(model: str, in_channels: int, target: Path) -> str:
    """What the converted model is good for, if a command takes it."""
    from dilax.data import reference_preprocessing

    if model in VOLUMES:
        return f"; go on with dilax predict {target} SCAN, or dilax train --initial {target}"
    return f"; go on with dilax predict {target} PHOTO" if in_channels == 3 and reference_preprocessing(model) else ""


def _verify(flax_model: Any, name: str, options: dict[str, Any], arrays: Any, *, out: Console) -> dict[str, Any] | None:
    """Compare with the PyTorch twin on a small random input, and give the report as JSON values.

    Raises:
        MismatchError: A layer differs in float64.
    """
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        out.print("not verified: PyTorch is not installed (pip install 'dilax-nn[torch]')")
        return None

    import interop
    from dilax.errors import MissingDependency

    from .twins import small_input, torch_twin

    try:
        twin = torch_twin(name, options, arrays)
    except MissingDependency as error:
        out.print(f"not verified: {error.package} is not installed (pip install 'dilax-nn[{error.extra}]')")
        return None
    with working("verifying", out=out) as show:
        report = interop.verify(twin, flax_model, small_input(flax_model), progress=show)
    if not report.proven:
        report.raise_if_different()
    out.print(f"verified: {report.summary} equal PyTorch's, float64 error at most {report.worst:.1e}")
    worse = [row for row in report.rows if not row.rounds_well]
    if worse:  # a matter of rounding: the file is converted rightly
        worst = max(worse, key=lambda row: row.float32 or 0)
        out.print(
            f"note: in float32 PyTorch's result is nearer to the float64 one in {len(worse)} of {len(report.rows)}, "
            f"most so in {worst.label} (R {worst.float32:.1f})",
        )
    return report.to_dict()

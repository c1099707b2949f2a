"""``dilax export``: a Flax checkpoint goes back to PyTorch."""

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro

from .console import console


def export(
    checkpoint: tyro.conf.Positional[Path],
    *,
    output: Path,
    format: Literal["torch", "safetensors"] | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Write a checkpoint's model as a state_dict that PyTorch loads.

    For example:

        dilax export runs/brain --output brain.pth
        dilax export runs/brain/120 --output brain.safetensors

    Args:
        checkpoint: Directory of a run (its newest step) or of one step.
        output: The file to write.
        format: What to write; safetensors where the output ends so, else torch, if not given.
        as_json: Print one JSON object instead.
    """
    import interop
    from dilax.train import load_model

    model, about = load_model(checkpoint)
    interop.save(model, output, format=format)
    arrays = interop.state_dict(model).values()
    numbers = sum(array.size for array in arrays)
    written = format or ("safetensors" if output.suffix == ".safetensors" else "torch")
    if as_json:
        about_file = {"output": str(output), "format": written, "arrays": len(arrays), "numbers": numbers}
        about_model = {"model": about.model, "options": about.model_options, "step": about.step}
        print(json.dumps({"checkpoint": str(checkpoint)} | about_file | about_model, indent=2, allow_nan=False))
        return 0
    hint = "; torch.load(weights_only=True) reads it" if written == "torch" else ""
    console().print(f"saved {output}: {about.model} of step {about.step}, {numbers:,} numbers{hint}")
    return 0

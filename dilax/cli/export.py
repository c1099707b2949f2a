"""``dilax export``: a Flax checkpoint goes back to PyTorch."""

from pathlib import Path
from typing import Literal

import tyro

from .console import console


def export(
    checkpoint: tyro.conf.Positional[Path],
    *,
    output: Path,
    format: Literal["torch", "safetensors"] | None = None,
) -> int:
    """Write a checkpoint's model as a state_dict that PyTorch loads.

    For example:

        dilax export runs/brain --output brain.pth
        dilax export runs/brain/120 --output brain.safetensors

    Args:
        checkpoint: Directory of a run (its newest step) or of one step.
        output: The file to write.
        format: What to write; safetensors where the output ends so, else torch, if not given.
    """
    import interop
    from dilax.train import load_model

    model, about = load_model(checkpoint)
    interop.save(model, output, format=format)
    numbers = sum(array.size for array in interop.state_dict(model).values())
    console().print(
        f"saved {output}: {about.model} of step {about.step}, {numbers:,} numbers; "
        "torch.load(weights_only=True) reads it"
        if output.suffix != ".safetensors" and format != "safetensors"
        else f"saved {output}: {about.model} of step {about.step}, {numbers:,} numbers"
    )
    return 0

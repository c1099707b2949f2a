"""``dilax inspect``: what is in a checkpoint, without JAX and without PyTorch."""

from pathlib import Path
from typing import Annotated

import tyro


def inspect(
    file: tyro.conf.Positional[Path],
    *,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    sha256: bool = False,
) -> int:
    """Show what a checkpoint holds: arrays with shapes and dtypes, and the plain values beside them.

    For example:

        dilax inspect model.pth
        dilax inspect runs/brain
        dilax inspect model.safetensors --json --sha256

    Args:
        file: A PyTorch or safetensors file, the index of a sharded one, or a directory of dilax or of Orbax.
        as_json: Print JSON instead.
        sha256: Print a checksum of each array's numbers besides, which reads them all. Files alone, not directories.
    """
    from .contents import show_path

    return show_path(file, as_json=as_json, sha256=sha256)

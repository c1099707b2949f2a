"""What ``dilax inspect`` finds in files and directories, and how it shows it."""

from pathlib import Path

from .files import of_file as of_file
from .findings import Findings as Findings


def show_path(path: Path, *, as_json: bool = False, sha256: bool = False) -> int:
    """Print what a file or a directory holds; gives the exit status."""
    if path.is_dir():
        from .directories import of_directory

        found = of_directory(path)
    else:
        found = of_file(path, sha256=sha256)
    if as_json:
        import json

        print(json.dumps(found.to_json(), indent=2, allow_nan=False))
    else:
        from .tree import show

        show(found)
    return 0

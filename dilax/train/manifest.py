"""The manifest of a step: what was written, so that a step counts only if it is still exactly that.

This module needs neither JAX nor Orbax.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "manifest.json"
FORMAT = "dilax checkpoint"
VERSION = 1

_TEMPORARY = ".manifest.json.partial"


def write_manifest(directory: Path, *, step: int) -> None:
    """Flush every file of a step to disk and list them; the list appears at once and last.

    Args:
        directory: The step's directory, complete but for its manifest.
        step: The step's number.

    Raises:
        OSError: A file cannot be read or written.
    """
    files = {}
    for name in sorted(_files(directory)):
        with open(directory / name, "rb+") as file:
            os.fsync(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            files[name] = {"size": file.tell(), "sha256": digest}
    for folder in {directory, *(directory / name for name in files)}:
        sync_directory(folder if folder.is_dir() else folder.parent)
    content = {"format": FORMAT, "version": VERSION, "step": step, "files": files}
    write_json(directory / NAME, content, through=directory / _TEMPORARY)


def problem(directory: Path, *, step: int | None = None, only: str | None = None) -> str | None:
    """Say why a step does not count.

    Args:
        directory: The step's directory.
        step: The number that the manifest must have; any, if None.
        only: A single file to check; all files and no others, if None.

    Returns:
        The reason, as the rest of a sentence about the directory, or None if the step counts.
    """
    try:
        return _problem(directory, step, only)
    except (OSError, RecursionError) as error:
        return f"cannot be read ({error})"


def write_json(path: Path, content: Any, *, through: Path | None = None) -> None:
    """Write JSON and flush it to disk, by way of another name if one is given.

    Raises:
        OSError: The file cannot be written.
        ValueError: The content holds NaN or infinity, which JSON lacks.
    """
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    with open(through or path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if through is not None:
        os.replace(through, path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Flush a directory's list of names to disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _problem(directory: Path, step: int | None, only: str | None) -> str | None:
    if directory.is_symlink():
        return "is a symbolic link"
    if not directory.is_dir():
        return "is not a directory"
    if not os.path.lexists(directory / NAME):
        return f"has no {NAME}, so it was never completely saved"
    listed = _read(directory / NAME, step)
    if isinstance(listed, str):
        return listed
    names = list(listed) if only is None else [only]
    if only is None:
        found = set(_files(directory)) - {NAME}
        if extra := sorted(found - set(listed)):
            return f"holds {extra[0]!r}, which its {NAME} does not list"
    for name in names:
        if reason := _file_problem(directory, name, listed.get(name)):
            return reason
    return None


def _read(path: Path, step: int | None) -> dict[str, Any] | str:
    """The files that a manifest lists, or why it cannot be used."""
    if path.is_symlink():
        return f"holds the symbolic link {NAME!r}"
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return f"has a damaged {NAME}"
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return f"has a damaged {NAME}"
    if content.get("version") != VERSION:
        return f"has version {content.get('version')!r} of the format; this dilax reads {VERSION}"
    if step is not None and content.get("step") != step:
        return f"was saved as step {content.get('step')!r}"
    files = content.get("files")
    return files if isinstance(files, dict) else f"has a damaged {NAME}"


def _file_problem(directory: Path, name: str, entry: Any) -> str | None:
    path = directory / name
    if not isinstance(entry, dict) or set(entry) != {"size", "sha256"}:
        return f"has a {NAME} that does not describe {name!r}"
    linked = [part for part in (path, *path.parents) if part != directory and part.is_symlink()]
    if linked and linked[-1].is_relative_to(directory):
        return f"holds the symbolic link {str(linked[-1].relative_to(directory))!r}"
    if not path.is_file():
        return f"lacks {name!r}"
    if path.stat().st_size != entry["size"]:
        return f"has {path.stat().st_size} bytes in {name!r} where {entry['size']} were written"
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
            return f"has other bytes in {name!r} than were written"
    return None


def _files(directory: Path) -> Iterator[str]:
    """Relative paths of everything that is no real directory."""
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            for inner in _files(Path(entry.path)):
                yield f"{entry.name}/{inner}"
        elif entry.name != _TEMPORARY:
            yield entry.name

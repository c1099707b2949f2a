"""The manifest of a step: what was written, so that a step counts only if it is still exactly that.

This module needs neither JAX nor Orbax.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "manifest.json"
FORMAT = "dilax checkpoint"
VERSION = 2
READABLE = (1, 2)

_TEMPORARY = ".manifest.json.partial"
_REPLACEMENT = ".replacement.partial"

# Of a file: name, size, inode, and when it or its description last changed, in nanoseconds.
_Fingerprint = tuple[tuple[str, int, int, int], ...]
_counting: dict[tuple[str, int | None], _Fingerprint] = {}
# Two changes within one tick of the file system's clock look like one, so what is younger is not remembered.
_SETTLED = 2_000_000_000


def write_manifest(directory: Path, *, step: int) -> None:
    """Flush every file of a step to disk and list them; the list appears at once and last.

    Args:
        directory: The step's directory, complete but for its manifest.
        step: The step's number.

    Raises:
        OSError: A file cannot be read or written.
    """
    files = {name: _entry(directory / name) for name in sorted(_files(directory))}
    for folder in {directory, *(directory / name for name in files)}:
        sync_directory(folder if folder.is_dir() else folder.parent)
    content = {"format": FORMAT, "version": VERSION, "step": step, "files": files}
    write_json(directory / NAME, content, through=directory / _TEMPORARY)


def replace_json(directory: Path, name: str, content: Any) -> None:
    """Replace a file of a step that counts; at every moment it counts, with the old file or with the new one.

    In between the manifest lists both.

    Args:
        directory: The step's directory.
        name: The file, which its manifest lists.
        content: The new JSON.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: The content holds NaN or infinity, which JSON lacks.
    """
    write_json(directory / _REPLACEMENT, content)
    listed = json.loads((directory / NAME).read_bytes())
    old, new = listed["files"][name], _entry(directory / _REPLACEMENT)
    listed["files"][name] = [*_alternatives(old), new]
    write_json(directory / NAME, listed, through=directory / _TEMPORARY)
    os.replace(directory / _REPLACEMENT, directory / name)
    sync_directory(directory)
    listed["files"][name] = new
    write_json(directory / NAME, listed, through=directory / _TEMPORARY)


def problem(directory: Path, *, step: int | None = None, hashes: bool = True) -> str | None:
    """Say why a step does not count.

    Args:
        directory: The step's directory.
        step: The number that the manifest must have; any, if None.
        hashes: Whether to read every file and compare its SHA-256; if not, its size alone.

    Returns:
        The reason, as the rest of a sentence about the directory, or None if the step counts.
    """
    try:
        return _problem(directory, step, hashes)
    except (OSError, RecursionError) as error:
        return f"cannot be read ({error})"


def problem_once(directory: Path, *, step: int | None = None) -> str | None:
    """The same as :func:`problem`, but a step that this process found to count is hashed again only if changed.

    Whether it changed is read off the sizes, times and inodes of its files.
    """
    key = (str(directory.absolute()), step)
    begin = time.time_ns()
    before = _fingerprint(directory)
    if before is not None and _counting.get(key) == before:
        return None
    reason = problem(directory, step=step)
    if reason is None and before is not None and all(begin - entry[3] > _SETTLED for entry in before):
        _counting[key] = before
    return reason


def size(directory: Path) -> int:
    """Bytes of all files of a step, links not followed."""
    try:
        return sum((directory / name).lstat().st_size for name in _files(directory))
    except OSError:
        return 0


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


def _problem(directory: Path, step: int | None, hashes: bool) -> str | None:
    if directory.is_symlink():
        return "is a symbolic link"
    if not directory.is_dir():
        return "is not a directory"
    if not os.path.lexists(directory / NAME):
        return f"has no {NAME}, so it was never completely saved"
    listed = _read(directory / NAME, step)
    if isinstance(listed, str):
        return listed
    found = set(_files(directory)) - {NAME}
    if extra := sorted(found - set(listed)):
        return f"holds {extra[0]!r}, which its {NAME} does not list"
    for name, entry in listed.items():
        if reason := _file_problem(directory, name, entry, hashes):
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
    if content.get("version") not in READABLE:
        return f"has version {content.get('version')!r} of the format; this dilax reads {READABLE[0]} to {READABLE[-1]}"
    if step is not None and content.get("step") != step:
        return f"was saved as step {content.get('step')!r}"
    files = content.get("files")
    return files if isinstance(files, dict) else f"has a damaged {NAME}"


def _file_problem(directory: Path, name: str, entry: Any, hashes: bool) -> str | None:
    path = directory / name
    entries = _alternatives(entry)
    if not entries or any(not isinstance(one, dict) or set(one) != {"size", "sha256"} for one in entries):
        return f"has a {NAME} that does not describe {name!r}"
    linked = [part for part in (path, *path.parents) if part != directory and part.is_symlink()]
    if linked and linked[-1].is_relative_to(directory):
        return f"holds the symbolic link {str(linked[-1].relative_to(directory))!r}"
    if not path.is_file():
        return f"lacks {name!r}"
    sizes = [one["size"] for one in entries]
    if path.stat().st_size not in sizes:
        return f"has {path.stat().st_size} bytes in {name!r} where {' or '.join(map(str, sizes))} were written"
    if not hashes:
        return None
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() not in [one["sha256"] for one in entries]:
            return f"has other bytes in {name!r} than were written"
    return None


def _entry(path: Path) -> dict[str, Any]:
    """Flush a file to disk and describe it."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"size": file.tell(), "sha256": digest}


def _alternatives(entry: Any) -> list[Any]:
    """What a file may be: one thing, but for one that is being replaced."""
    return entry if isinstance(entry, list) else [entry]


def _files(directory: Path) -> Iterator[str]:
    """Relative paths of everything that is no real directory."""
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            for inner in _files(Path(entry.path)):
                yield f"{entry.name}/{inner}"
        elif entry.name not in (_TEMPORARY, _REPLACEMENT):
            yield entry.name


def _fingerprint(directory: Path) -> _Fingerprint | None:
    try:
        found = [(name, (directory / name).lstat()) for name in sorted(_files(directory))]
    except OSError:
        return None
    return tuple((name, s.st_size, s.st_ino, max(s.st_mtime_ns, s.st_ctime_ns)) for name, s in found)

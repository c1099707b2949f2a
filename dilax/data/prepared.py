"""Volumes kept on the disk as they are learned from, so that a crop costs no more than its own voxels."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from jaxtyping import Int32

from ..errors import BadSample, FileError
from .examples import Example, Examples
from .pairs import Pair


@dataclass(frozen=True)
class PreparedVolumes:
    """Volumes that are read whole once, and mapped into memory from then on.

    Each has two files in a folder, named by what its own files were when they were read, so that a changed file is read
    anew. Several processes may share the folder.

    Args:
        examples: Reads the volumes.
        pairs: The files of each.
        folder: Where to keep them; it is made if need be.
    """

    examples: Examples
    pairs: tuple[Pair, ...]
    folder: Path

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        """What a volume is called."""
        return self.pairs[index].name

    def read(self, index: int) -> Example:
        """Map a volume and its labels into memory.

        Raises:
            BadSample: They cannot be used.
            FileError: The folder cannot be written to.
        """
        stem = self.folder / self._key(self.pairs[index])
        files = [stem.with_suffix(f".{kind}.npy") for kind in ("image", "labels")]
        if not all(file.exists() for file in files):
            example = self.examples.read(index)
            for file, array in zip(files, (example.image, example.labels), strict=True):
                _save(file, array)
        image, labels = (np.load(file, mmap_mode="r") for file in files)
        return Example(image, labels, self.name(index))

    def read_labels(self, index: int) -> Int32[np.ndarray, "d h w"]:
        """Read a label volume.

        Raises:
            BadSample: It cannot be used.
        """
        return self.examples.read_labels(index)

    def _key(self, pair: Pair) -> str:
        digest = hashlib.sha256()
        for path in (pair.image, pair.labels):
            try:
                about = path.stat()
            except OSError as error:
                raise BadSample(path, "does not exist") from error
            digest.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
        return digest.hexdigest()[:32]


def _save(path: Path, array: np.ndarray) -> None:
    """Write an array so that its file is whole or not there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            try:
                np.save(file, array)
                file.flush()
                os.fsync(file.fileno())
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        reason = f"cannot be written ({error.strerror or error})"
        raise FileError("nifti", path, reason, "pass another folder as prepared") from error

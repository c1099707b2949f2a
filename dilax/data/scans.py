"""Scans in, label volumes out: NIfTI files, and whatever else nibabel reads."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel
import numpy as np
from jaxtyping import Float64, Int, Shaped

from ..errors import FileError

_SUFFIXES = (".nii.gz", ".nii")


@dataclass(frozen=True, eq=False)
class Scan:
    """A volume as a scanner gave it.

    Attributes:
        image: Intensities, in the file's units.
        affine: Voxel indices to millimetres.
    """

    image: Shaped[np.ndarray, "d h w"]
    affine: Float64[np.ndarray, "4 4"]


def read_scan(path: str | os.PathLike[str]) -> Scan:
    """Read a volume.

    Args:
        path: A file that nibabel reads, such as ``.nii``, ``.nii.gz`` or ``.mgz``; trailing axes of length 1 are
            dropped.

    Raises:
        FileError: The file is missing, of another kind, or damaged, or holds no volume of finite numbers.
    """
    target = Path(path)
    if not target.exists():
        raise FileError("read_scan", target, "does not exist", "check the path")
    if target.is_dir():
        raise FileError("read_scan", target, "is a directory", "pass a file, e.g. scan.nii.gz")
    try:
        loaded: Any = nibabel.load(target)
        image = np.asarray(loaded.dataobj)
        affine = np.asarray(loaded.affine, np.float64)
    except Exception as error:  # whatever the damaged part provokes: EOFError, zlib.error, ValueError, …
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileError(
            "read_scan", target, f"cannot be read as a scan ({reason})", "pass a whole NIfTI file"
        ) from error
    image = image.reshape(image.shape[:3]) if image.ndim > 3 and set(image.shape[3:]) == {1} else image
    if image.ndim != 3 or not image.size:
        raise FileError("read_scan", target, f"holds an array of shape {image.shape}", "pass a single volume")
    if image.dtype.kind not in "biuf" or not np.isfinite(image).all():
        raise FileError("read_scan", target, "holds values that are no finite numbers", "replace NaN and infinity")
    return Scan(image, affine)


def check_label_path(path: str | os.PathLike[str]) -> None:
    """See whether labels could be written, before the work that makes them.

    Raises:
        FileError: The name does not end in ``.nii`` or ``.nii.gz``, or the directory does not take a file.
    """
    target = Path(path)
    _suffix(target)
    if target.is_dir():
        raise FileError("write_labels", target, "is a directory", "pass the name of a file, e.g. labels.nii.gz")
    if not target.parent.is_dir():
        raise FileError("write_labels", target, "lies in a directory that does not exist", "make the directory first")
    if not os.access(target.parent, os.W_OK):
        raise FileError("write_labels", target, "lies in a directory that takes no files", "pass another place")


def write_labels(path: str | os.PathLike[str], labels: Int[np.ndarray, "d h w"], affine: Any) -> None:
    """Write the class of each voxel as a NIfTI file, in uint8 where that holds them.

    Args:
        path: A file ``.nii`` or ``.nii.gz``; it appears complete or not at all.
        labels: One class a voxel, not negative.
        affine: Voxel indices to millimetres, of the scan that the labels belong to.

    Raises:
        FileError: The name has another ending, or the file cannot be written.
    """
    target = Path(path)
    check_label_path(target)
    image = nibabel.Nifti1Image(labels.astype(np.uint8 if labels.max() < 256 else np.int32), affine)
    image.header.set_xyzt_units("mm")
    try:
        with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
            temporary = Path(folder) / f"labels{_suffix(target)}"
            nibabel.save(image, temporary)
            os.replace(temporary, target)
    except OSError as error:
        reason = f"cannot be written ({error.strerror or error})"
        raise FileError("write_labels", target, reason, "pass a place that can be written to") from error


def _suffix(path: Path) -> str:
    for suffix in _SUFFIXES:
        if path.name.endswith(suffix):
            return suffix
    raise FileError("write_labels", path, "does not end in .nii or .nii.gz", "pass such a name")

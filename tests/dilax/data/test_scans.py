import gzip

import nibabel
import numpy as np
import pytest

from dilax.data import read_scan, write_labels
from dilax.errors import FileError

AFFINE = np.array([[0, 0, -3.0, 7], [-2.0, 0, 0, 5], [0, 1.0, 0, 3], [0, 0, 0, 1]])


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.mgz"])
def test_scans_of_any_kind(tmp_path, name):
    image = np.random.default_rng(0).integers(0, 200, (4, 5, 6)).astype(np.int16)
    kind = nibabel.MGHImage if name.endswith("mgz") else nibabel.Nifti1Image
    nibabel.save(kind(image if kind is nibabel.MGHImage else image[..., None], AFFINE), tmp_path / name)
    scan = read_scan(tmp_path / name)
    np.testing.assert_array_equal(scan.image, image)
    np.testing.assert_allclose(scan.affine, AFFINE, atol=1e-6)


@pytest.mark.parametrize(("top", "dtype"), [(200, np.uint8), (300, np.int32)])
def test_labels_come_back_where_the_scan_lies(tmp_path, top, dtype):
    labels = np.random.default_rng(0).integers(0, top, (4, 5, 6))
    labels[0, 0, 0] = top - 1
    write_labels(tmp_path / "labels.nii.gz", labels, AFFINE)
    loaded = nibabel.load(tmp_path / "labels.nii.gz")
    assert loaded.get_data_dtype() == dtype
    np.testing.assert_array_equal(np.asarray(loaded.dataobj), labels)
    np.testing.assert_allclose(loaded.affine, AFFINE)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.nii.gz"]


def test_errors_of_reading(tmp_path):
    def message(name, content=None):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(FileError) as caught:
            read_scan(path)
        return str(caught.value).replace(str(tmp_path), "")

    image = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.float32), AFFINE)
    whole = image.to_bytes()
    assert message("absent.nii") == "read_scan: '/absent.nii' does not exist; check the path."
    assert message("") == "read_scan: '' is a directory; pass a file, e.g. scan.nii.gz."
    for name, content in (
        ("empty.nii", b""),
        ("text.nii", b"hello"),
        ("cut.nii", whole[:400]),
        ("cut.nii.gz", gzip.compress(whole)[:90]),
        ("other.png", b"\x89PNG"),
    ):
        assert message(name, content).startswith(f"read_scan: '/{name}' cannot be read as a scan (")
    flat = nibabel.Nifti1Image(np.zeros((4, 5, 6, 2), np.float32), AFFINE).to_bytes()
    assert message("4d.nii", flat) == (
        "read_scan: '/4d.nii' holds an array of shape (4, 5, 6, 2); pass a single volume."
    )
    bad = nibabel.Nifti1Image(np.full((4, 5, 6), np.nan, np.float32), AFFINE).to_bytes()
    assert message("nan.nii", bad) == (
        "read_scan: '/nan.nii' holds values that are no finite numbers; replace NaN and infinity."
    )


def test_errors_of_writing(tmp_path):
    labels = np.zeros((2, 3, 4), int)
    for name, rule in (
        ("a.png", "does not end in .nii or .nii.gz; pass such a name."),
        ("no/a.nii", "lies in a directory that does not exist; make the directory first."),
    ):
        with pytest.raises(FileError) as caught:
            write_labels(tmp_path / name, labels, AFFINE)
        assert str(caught.value) == f"write_labels: {str(tmp_path / name)!r} {rule}"

import numpy as np
import pytest

from dilax.predict import tiles


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 30])
@pytest.mark.parametrize("where", [(slice(None), slice(5, 12), slice(None)), None])
def test_tiles_keep_every_voxel_once_and_away_from_their_ends(size, where):
    shape = (11, 17, 7)
    margin = max(size - 1, 0) // 2 if size < 3 else size // 4
    kept = np.zeros(shape, int)
    for tile in tiles(shape, size=(size,) * 3, margin=margin, where=where):
        kept[tile.inner] += 1
        for o, i, length in zip(tile.outer, tile.inner, shape, strict=True):
            i = slice(*i.indices(length)[:2])
            assert 0 <= o.start <= i.start < i.stop <= o.stop <= length
            assert o.stop - o.start == (size if 0 < size < length else length)
            assert i.start - o.start >= margin or o.start == 0 or o.stop == length
            assert o.stop - i.stop >= margin or o.stop == length
    expected = np.zeros(shape, int)
    expected[(slice(None),) * 3 if where is None else where] = 1
    np.testing.assert_array_equal(kept, expected)


def test_kept_is_the_inner_part_as_an_index_of_the_result():
    volume = np.arange(11 * 17 * 7).reshape(11, 17, 7)
    for tile in tiles(volume.shape, size=(6, 0, 5), margin=1):
        np.testing.assert_array_equal(volume[tile.outer][tile.kept], volume[tile.inner])

from __future__ import annotations

import numpy as np
import pytest

from core.datasets.datasets import open_dataset
from core.errors import SettingsError
from core.patches import counting, grid
from core.patches.counting import cut_row, patch_table
from core.patches.settings import check_grid
from tests.helpers.datasets import stripes


@pytest.mark.parametrize(
    ("length", "size", "stride", "expected"),
    [(8, 8, 8, [0]), (5, 8, 8, [0]), (16, 8, 8, [0, 8]), (17, 8, 8, [0, 8, 9]), (20, 8, 4, [0, 4, 8, 12]), (21, 8, 4, [0, 4, 8, 12, 13])],
)
def test_the_last_patch_moves_inwards(length, size, stride, expected):
    assert grid.positions(length, size, stride) == expected


@pytest.mark.parametrize(("length", "size", "stride"), [(797, 256, 256), (644, 128, 96), (1000, 64, 7), (64, 64, 64)])
def test_every_pixel_is_in_a_patch(length, size, stride):
    covered = np.zeros(length, bool)
    for start in grid.positions(length, size, stride):
        assert 0 <= start <= length - size
        covered[start : start + size] = True
    assert covered.all()


@pytest.mark.parametrize("width", [8, 16, 19, 30])
@pytest.mark.parametrize("stride", [3, 8])
@pytest.mark.parametrize("with_patchify", [True, False])
def test_a_row_of_patches_is_what_slicing_gives(width, stride, with_patchify, monkeypatch):
    if not with_patchify:
        monkeypatch.setattr(counting, "patchify", None)
    band = np.random.default_rng(0).integers(0, 255, (8, width, 2)).astype(np.uint8)
    expected = np.stack([band[:, col : col + 8] for col in grid.positions(width, 8, stride)])
    np.testing.assert_array_equal(cut_row(band, 8, stride), expected)
    np.testing.assert_array_equal(cut_row(band[..., 0], 8, stride), expected[..., 0])


def test_slabs_hold_each_row_of_patches_once_and_stay_small(monkeypatch):
    monkeypatch.setattr(grid, "SLAB_BYTES", 30 * 100 * 3)
    rows = []
    for slab in grid.slabs((137, 100), 16, 8, bytes_per_pixel=3):
        assert slab.stop - slab.start <= 30
        assert slab.start == slab.patch_rows[0]
        assert slab.stop == min(137, slab.patch_rows[-1] + 16)
        rows += slab.patch_rows
    assert rows == grid.positions(137, 16, 8)


def test_padding_reflects_the_image_and_labels_nothing():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    np.testing.assert_array_equal(grid.pad_image(image, 4)[..., 0], [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [0, 1, 2, 2]])
    assert grid.pad_image(image, 9).shape == (9, 9, 1)
    np.testing.assert_array_equal(grid.pad_labels(image[..., 0], 4)[:, 3], [255] * 4)


def test_the_table_counts_each_patch(make_tiles):
    # 8 x 20: 0 in columns 0-9, 255 in columns 10-19; patches of 8 begin at columns 0, 8 and 12
    dataset = open_dataset(make_tiles({"Tile 1": [stripes(8, 20, 0, 255)], "Tile 2": [stripes(5, 8, 4)]}))
    table = patch_table(dataset, patch_size=8, stride=8)
    np.testing.assert_array_equal(table.col, [0, 8, 12, 0])
    # columns 8 and 9 of the second patch: 2 * 8 = 16 pixels of class 0
    np.testing.assert_array_equal(table.counts[:, 0], [64, 16, 0, 0])
    np.testing.assert_array_equal(table.counts[3], [0, 0, 0, 0, 40, 24])  # 5 * 8 labelled, 3 rows made up
    np.testing.assert_allclose(table.labelled_fraction, [1, 0.25, 0, 0.625])
    np.testing.assert_array_equal(table.kept(0.25), [True, True, False, True])
    np.testing.assert_array_equal(table.kept(0.0), [True, True, False, True])


def test_the_table_of_slabs_is_that_of_the_whole(make_tiles, monkeypatch):
    rng = np.random.default_rng(3)
    root = make_tiles({"Tile 1": [rng.integers(0, 5, (61, 47)).astype(np.uint8)]})
    dataset = open_dataset(root)
    for scale in (1.0, 0.6):
        monkeypatch.setattr(grid, "SLAB_BYTES", 2**26)
        expected = patch_table(dataset, patch_size=16, stride=5, scale=scale)
        monkeypatch.setattr(grid, "SLAB_BYTES", 1)
        table = patch_table(dataset, patch_size=16, stride=5, scale=scale)
        np.testing.assert_array_equal(table.counts, expected.counts)
        np.testing.assert_array_equal(table.row, expected.row)


@pytest.mark.parametrize("setting", [dict(patch_size=0), dict(stride=0), dict(stride=65), dict(min_labelled=1.5), dict(scale=0)])
def test_grids_that_make_no_sense_are_refused(setting):
    with pytest.raises(SettingsError):
        check_grid(**{**dict(patch_size=64, stride=64, min_labelled=0.05, scale=1.0), **setting})

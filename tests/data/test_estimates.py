from __future__ import annotations

import numpy as np
import pytest

from core.data import estimates
from core.data.counting import patch_table
from core.data.datasets import open_dataset
from core.data.estimates import patch_counts
from core.errors import SettingsError
from tests.data.conftest import stripes


@pytest.fixture
def dataset(make_tiles):
    # 64 x 96: Building in columns 0-31, nothing in 32-63, Water in 64-95; the second tile is not labelled at all
    return open_dataset(make_tiles({"Tile 1": [stripes(64, 96, 0, 255, 4)], "Tile 2": [stripes(64, 64, 255)]}))


def test_counts_by_hand(dataset):
    counts = patch_counts(dataset, patch_size=32, stride=32, min_labelled=0.05)
    # 2 x 3 patches and 2 x 2; the middle column of the first and all of the second are dropped
    assert (counts.kept, counts.dropped) == (4, 6)
    assert counts.classes == {"Building": 2, "Land": 0, "Road": 0, "Vegetation": 0, "Water": 2}
    assert counts.groups == {"Tile 1": 4, "Tile 2": 0}
    assert (counts.looked_at, counts.pairs) == (2, 2)
    # stride 16: columns 0, 16, 32, 48, 64 of which 32 is empty and 16 and 48 are half labelled; rows 0, 16, 32
    assert patch_counts(dataset, patch_size=32, stride=16, min_labelled=0.5).kept == 12
    assert patch_counts(dataset, patch_size=32, stride=16, min_labelled=0.51).kept == 6


@pytest.mark.parametrize(("size", "stride", "scale"), [(16, 8, 1.0), (24, 24, 1.0), (21, 13, 1.0), (16, 16, 0.5), (32, 16, 1.5)])
def test_estimates_are_near_the_exact_table(make_tiles, size, stride, scale):
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(4):
        ids = np.full((100, 131), 255, np.uint8)
        for _ in range(6):
            row, col, height, width = *rng.integers(0, 90, 2), *rng.integers(8, 40, 2)
            ids[row : row + height, col : col + width] = rng.integers(0, 5)
        masks.append(ids)
    dataset = open_dataset(make_tiles({"Tile 1": masks[:2], "Tile 2": masks[2:]}))
    table = patch_table(dataset, patch_size=size, stride=stride, scale=scale)
    counts = patch_counts(dataset, patch_size=size, stride=stride, min_labelled=0.3, scale=scale)
    assert counts.kept + counts.dropped == len(table)
    assert counts.kept == pytest.approx(table.kept(0.3).sum(), rel=0.06)


def test_masks_are_read_once_and_again_when_they_change(dataset, make_tiles, monkeypatch):
    patch_counts(dataset, patch_size=32, stride=32)
    monkeypatch.setattr(estimates, "_table", None)
    assert patch_counts(dataset, patch_size=16, stride=8, min_labelled=0.5).kept > 0
    monkeypatch.undo()
    make_tiles({"Tile 2": [stripes(64, 64, 1)]}, root=dataset.root)
    assert patch_counts(open_dataset(dataset.root), patch_size=32, stride=32).groups["Tile 2"] == 4


def test_of_many_scenes_some_are_counted_and_scaled_up(dataset, monkeypatch):
    monkeypatch.setattr(estimates, "_MOST_PAIRS", 1)
    monkeypatch.setattr(estimates, "_cache", type(estimates._cache)())
    counts = patch_counts(dataset, patch_size=32, stride=32)
    assert (counts.looked_at, counts.pairs, counts.kept) == (1, 2, 8)


def test_a_grid_that_makes_no_sense_is_refused(dataset):
    with pytest.raises(SettingsError):
        patch_counts(dataset, patch_size=32, stride=64)

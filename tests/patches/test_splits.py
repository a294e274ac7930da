from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.datasets.datasets import open_dataset
from core.errors import DatasetError, SettingsError
from core.patches.counting import PatchTable
from core.patches.splits import count_shared, split
from tests.helpers.datasets import stripes


def table_of(places: list[tuple[int, int, int]], *, size: int = 4, shapes=((8, 8), (8, 8))) -> PatchTable:
    pair, row, col = np.array(places).T
    return PatchTable(size, size, 1.0, pair, row, col, np.ones((len(places), 3), np.int64), tuple(shapes))


def covered(table: PatchTable, part: np.ndarray) -> int:
    """Shared pixels the plain way: one bit for each part, painted pixel by pixel."""
    total = 0
    for pair, shape in enumerate(table.shapes):
        bits = np.zeros(shape, int)
        for i in np.flatnonzero((table.pair == pair) & (part >= 0)):
            bits[table.row[i] : table.row[i] + table.patch_size, table.col[i] : table.col[i] + table.patch_size] |= 1 << part[i]
        total += int(np.count_nonzero(bits & (bits - 1)))
    return total


def test_shared_pixels_by_hand():
    table = table_of([(0, 0, 0), (0, 2, 2), (1, 0, 0)])
    # patches at (0, 0) and (2, 2) of size 4 share 2 x 2 pixels; the same place in another scene shares none
    assert count_shared(table, np.array([0, 1, 1])) == 4
    assert count_shared(table, np.array([0, 0, 1])) == 0
    assert count_shared(table, np.array([0, -1, 1])) == 0


def test_padding_is_not_shared():
    # one scene of 3 x 3 pixels: both patches of 4 cover its 9 pixels, and padding besides
    assert count_shared(table_of([(0, 0, 0), (0, 0, 0)], shapes=((3, 3),)), np.array([0, 2])) == 9


@pytest.mark.parametrize("seed", range(5))
def test_shared_pixels_as_painted(seed):
    rng = np.random.default_rng(seed)
    table = table_of(
        [(int(rng.integers(2)), int(rng.integers(17)), int(rng.integers(12))) for _ in range(40)], size=5, shapes=((21, 16), (19, 15))
    )
    part = rng.integers(-1, 3, 40)
    assert count_shared(table, part) == covered(table, part)


@pytest.fixture
def tiles(make_tiles):
    """Four tiles of two scenes; Water (4) is in tiles 1 and 2 alone, so validation needs one of them and training the other."""
    wet, dry = stripes(64, 64, 0, 1, 4), stripes(64, 64, 0, 1)
    return open_dataset(make_tiles({"Tile 1": [wet, wet], "Tile 2": [wet, dry], "Tile 3": [dry, dry], "Tile 4": [dry, dry]}))


@pytest.mark.parametrize("seed", range(4))
def test_groups_stay_whole_and_every_class_is_in_every_part(tiles, seed):
    result = split(tiles, patch_size=16, stride=16, validation=0.25, seed=seed)
    summary = result.summary()
    assert sorted(summary["groups"]["train"] + summary["groups"]["validation"]) == list(tiles.groups)
    assert len(summary["groups"]["validation"]) == 1
    assert summary["groups"]["validation"][0] in ("Tile 1", "Tile 2")
    assert summary["patches"] == {"train": 96, "validation": 32, "test": 0}  # 4 * 4 patches in each of 8 scenes
    assert summary["shared_pixels"] == 0
    assert summary["notes"] == []


def test_a_class_that_cannot_be_in_every_part_is_said(tiles):
    result = split(tiles, patch_size=16, stride=16, validation=0.25, test=0.25)
    assert any("shows Water" in note for note in result.notes)
    assert all(len(result.rows(part)) for part in ("train", "validation", "test"))


def test_held_out_groups_are_the_test(tiles):
    result = split(tiles, patch_size=16, stride=16, hold_out=["Tile 3"])
    assert result.summary()["groups"]["test"] == ["Tile 3"]
    assert len(result.rows("test")) == 32
    with pytest.raises(DatasetError, match="no group named 'Tile 9'.*Tile 1, Tile 2"):
        split(tiles, patch_size=16, stride=16, hold_out=["Tile 9"])
    with pytest.raises(DatasetError, match="every group is held out"):
        split(tiles, patch_size=16, stride=16, hold_out=tiles.groups)


@pytest.mark.parametrize("how", ["group", "block", "random"])
def test_equal_seeds_give_equal_splits(tiles, how):
    first, second = (split(tiles, patch_size=16, stride=16, how=how, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.part, second.part)


def test_two_groups_make_two_parts(make_tiles):
    ids = stripes(32, 32, 0, 1)
    dataset = open_dataset(make_tiles({"Tile 1": [ids], "Tile 2": [ids]}))
    result = split(dataset, patch_size=16, stride=16, validation=0.2, test=0.2)
    assert result.summary()["patches"] == {"train": 4, "validation": 4, "test": 0}
    assert "only 2 groups" in result.notes[0]


def test_a_single_scene_is_split_into_blocks_with_a_guard_band(make_tiles):
    dataset = open_dataset(make_tiles({"Tile 1": [stripes(160, 160, 0, 1, 2)]}))
    result = split(dataset, patch_size=16, stride=16, validation=0.2)
    assert result.how == "block"
    assert "only one group" in result.notes[0]
    # 10 x 10 patches: 2 rows (or columns) validate, 1 is the guard band, 7 train
    assert result.summary()["patches"] == {"train": 70, "validation": 20, "test": 0}
    assert result.summary()["dropped_guard"] == 10
    assert result.shared_pixels() == 0


@pytest.mark.parametrize("stride", [16, 7])
@pytest.mark.parametrize("test", [0.0, 0.2])
def test_between_blocks_lies_at_least_a_patch(make_tiles, stride, test):
    rng = np.random.default_rng(0)
    dataset = open_dataset(make_tiles({"Tile 1": [rng.integers(0, 3, (150, 200)).astype(np.uint8)]}))
    result = split(dataset, patch_size=16, stride=stride, how="block", validation=0.2, test=test)
    parts = [part for part in ("train", "validation", "test") if len(result.rows(part))]
    assert len(parts) == (3 if test else 2)
    for one in parts:
        for other in parts:
            if one != other:
                a, b = result.rows(one), result.rows(other)
                rows = np.abs(result.table.row[a][:, None] - result.table.row[b][None, :]) - 16
                cols = np.abs(result.table.col[a][:, None] - result.table.col[b][None, :]) - 16
                # validation and test lie at opposite ends, so all parts are a patch apart
                assert np.maximum(rows, cols).min() >= 16


def test_blocks_are_cut_where_every_class_is_on_both_sides(make_tiles):
    # stripes from left to right: only a cut along the rows leaves all classes in both parts
    dataset = open_dataset(make_tiles({"Tile 1": [stripes(128, 128, 0, 1, 2, 3)]}))
    result = split(dataset, patch_size=16, stride=16, how="block", validation=0.25)
    assert result.notes == ()
    assert np.any(result.table.counts[result.rows("validation"), :-1] > 0, axis=0).sum() == 4


def test_scenes_too_small_to_be_cut_go_whole_to_a_part(make_tiles):
    dataset = open_dataset(make_tiles({"Tile 1": [stripes(16, 16, 0, 1), stripes(160, 160, 0, 1)]}))
    result = split(dataset, patch_size=16, stride=16, how="block")
    assert "Too small to be cut, given whole to one part: 1 of 2 scenes" in result.notes[0]
    assert result.part[0] == 0


def test_a_single_group_of_small_scenes_is_dealt_out_by_scene(make_tiles):
    dataset = open_dataset(make_tiles({"Tile 1": [stripes(16, 16, 0, k % 3) for k in range(10)]}))
    dataset = replace(dataset, pairs=tuple(replace(pair, group="all") for pair in dataset.pairs))
    result = split(dataset, patch_size=16, stride=16, validation=0.2)
    assert result.summary()["patches"] == {"train": 8, "validation": 2, "test": 0}
    assert result.shared_pixels() == 0
    assert "shows" not in " ".join(result.notes)


def test_random_says_how_many_pixels_are_shared(tiles):
    clean = split(tiles, patch_size=16, stride=16, how="random")
    assert clean.shared_pixels() == 0
    assert "neighbouring patches" in clean.warnings[0]
    leaking = split(tiles, patch_size=16, stride=8, how="random")
    assert leaking.shared_pixels() == covered(leaking.table, leaking.part) > 0
    assert f"{leaking.shared_pixels():,} pixels" in leaking.warnings[0]
    assert leaking.summary()["patches"]["validation"] == round(0.2 * len(leaking.table))


def test_patches_with_too_little_labelled_are_dropped(make_tiles):
    # columns 0-7 of 16 are labelled in the first scene: half; none in the second
    dataset = open_dataset(
        make_tiles({"Tile 1": [stripes(16, 16, 0, 255)], "Tile 2": [stripes(16, 16, 0)], "Tile 3": [stripes(16, 16, 255)]})
    )
    assert split(dataset, patch_size=16, stride=16, min_labelled=0.5).summary()["dropped_unlabelled"] == 1
    with pytest.raises(DatasetError, match="none of the 2 patches"):
        split(dataset.only(["Tile 1/image_part_001", "Tile 3/image_part_001"]), patch_size=16, stride=16, min_labelled=0.6)


@pytest.mark.parametrize("setting", [dict(how="by hand"), dict(validation=1.0), dict(validation=0.6, test=0.4), dict(test=-0.1)])
def test_impossible_shares_are_refused(tiles, setting):
    with pytest.raises(SettingsError):
        split(tiles, patch_size=16, stride=16, **setting)


def test_the_dubai_tiles_split_by_tile(dubai):
    dataset = open_dataset(dubai)
    small = dataset.only([pair.name for pair in dataset.pairs if pair.name.endswith("1")])
    result = split(small, patch_size=256, stride=256, hold_out=["Tile 6"])
    assert result.shared_pixels() == 0
    assert result.summary()["groups"]["test"] == ["Tile 6"]
    assert result.summary()["groups"]["validation"]

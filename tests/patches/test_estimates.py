from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.audit.audit import audit
from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from core.errors import SettingsError
from core.patches import estimates
from core.patches.counting import patch_table
from core.patches.estimates import Grid


def city(folder, *masks):
    for number, ids in enumerate(masks):
        for part, picture in (("images", np.zeros((*ids.shape, 3), np.uint8)), ("masks", DUBAI.decode(ids))):
            (folder / part).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / part / f"scene{number}.png")
    return open_dataset(folder)


def test_counts_by_hand(tmp_path):
    ids = np.full((32, 48), 1, np.uint8)
    ids[:16, :16] = 4  # one block of water
    ids[20, 5:10] = 255  # five unlabelled pixels
    found = estimates.count_classes(city(tmp_path, ids))
    # land: 32 * 48 - 256 - 5 = 1275
    np.testing.assert_array_equal(found.counts, [0, 1275, 0, 0, 256, 5])
    grid = estimates.grid_counts(found.scenes[0].blocks, Grid(16, 16))
    assert grid.shape == (2, 3, 6)
    np.testing.assert_array_equal(grid[0, 0], [0, 0, 0, 0, 256, 0])
    np.testing.assert_array_equal(grid[1, 0], [0, 251, 0, 0, 0, 5])


@pytest.mark.parametrize(
    ("stride", "more"),
    [(16, {}), (48, {}), (64, {}), (32, {"scale": 0.5}), (48, {"rim": "crop"}), (64, {"rim": "crop"}), (64, {"without": (0, 2)})],
)
def test_the_preview_equals_the_count_that_prepare_makes(tmp_path, stride, more):
    rng = np.random.default_rng(1)
    masks = []
    for height, width in ((192, 256), (128, 320)):
        coarse = rng.choice([0, 1, 2, 255, 255], (height // 32, width // 32)).astype(np.uint8)
        masks.append(np.kron(coarse, np.ones((32, 32), np.uint8)))
    dataset = city(tmp_path, *masks)
    scenes = estimates.count_classes(dataset).scenes
    grid = Grid(64, stride, **more)
    table = patch_table(dataset, patch_size=64, stride=stride, scale=grid.scale, rim=grid.rim)
    for least in (0.0, 0.3, 0.5, 1.0):
        kept = table.kept(least, without=grid.without)
        shown = estimates.patch_counts(scenes, replace(grid, min_labelled=least))
        assert (shown.kept, shown.dropped) == (int(kept.sum()), int((~kept).sum()))
        np.testing.assert_array_equal(shown.with_class, (table.counts[kept][:, :-1] > 0).sum(axis=0))


def test_a_stride_of_one_pixel_is_counted_in_no_time(tmp_path):
    scene = estimates.count_classes(city(tmp_path, np.full((1024, 1024), 1, np.uint8))).scenes[0]
    shown = estimates.patch_counts([scene], Grid(64, 1, 0.5))
    assert shown.kept == 961**2 and shown.dropped == 0 and shown.with_class[1] == 961**2


def test_cells_are_the_patches_of_the_scene(tmp_path):
    ids = np.full((100, 160), 255, np.uint8)
    ids[:64, :64] = 2
    scene = estimates.count_classes(city(tmp_path, ids)).scenes[0]
    cells = estimates.grid_cells(scene, Grid(64, 64, 0.5))
    # The last patch of a side ends at the last pixel: 100 - 64 = 36 and 160 - 64 = 96.
    assert [cell[:3] for cell in cells] == [(0, 0, 64), (0, 64, 64), (0, 96, 64), (36, 0, 64), (36, 64, 64), (36, 96, 64)]
    assert cells[0][3] and not cells[1][3] and not cells[2][3]


def test_a_scene_smaller_than_a_patch_has_one(tmp_path):
    scene = estimates.count_classes(city(tmp_path, np.full((40, 30), 3, np.uint8))).scenes[0]
    shown = estimates.patch_counts([scene], Grid(64, 64, 0.2))
    # 40 * 30 / 64^2 = 0.29 of the patch is labelled
    assert shown.kept == 1 and shown.with_class[3] == 1
    assert estimates.patch_counts([scene], Grid(64, 64, 0.3)).kept == 0


def test_a_scene_that_cannot_be_read_is_named_and_the_others_count(tmp_path):
    dataset = city(tmp_path, np.full((32, 32), 1, np.uint8), np.full((32, 32), 2, np.uint8))
    (tmp_path / "masks" / "scene1.png").write_bytes(b"broken")
    found = estimates.count_classes(dataset)
    assert len(found.scenes) == 1 and len(found.failed) == 1 and "scene1" in found.failed[0]
    np.testing.assert_array_equal(found.counts, [0, 1024, 0, 0, 0, 0])


def test_large_data_sets_are_sampled_evenly(tmp_path, monkeypatch):
    monkeypatch.setattr(estimates, "MOST_PAIRS", 2)
    dataset = city(tmp_path, *(np.full((16, 16), k, np.uint8) for k in range(5)))
    found = estimates.count_classes(dataset)
    assert [scene.name for scene in found.scenes] == [dataset.pairs[0].name, dataset.pairs[-1].name] and found.pairs == 5


def test_the_audit_and_the_charts_count_alike(tmp_path, monkeypatch):
    rng = np.random.default_rng(3)
    dataset = city(tmp_path, *(rng.choice([0, 1, 4, 255], (70, 90)).astype(np.uint8) for _ in range(2)))
    monkeypatch.setattr(estimates, "_MOST_BLOCKS", 12)  # 3 x 3 blocks of 32 px instead of 5 x 6 of 16
    monkeypatch.setattr(estimates, "_BAND_PIXELS", 90 * 32)  # three bands of rows
    found = estimates.count_classes(dataset)
    assert found.scenes[0].blocks.block_px == 32 and found.counts.sum() == 2 * 70 * 90
    np.testing.assert_array_equal(found.counts, audit(dataset).counts)


def test_a_grid_that_makes_no_sense_is_refused():
    with pytest.raises(SettingsError):
        Grid(32, 64)

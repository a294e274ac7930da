"""Features: the same in whichever window they are read, for any kind of scene, and kept under a budget."""

import os

import numpy as np
import pytest
import rasterio

from core.errors import SceneError
from core.labelling import filters
from core.labelling.features import SceneFeatures
from core.labelling.tile_cache import DiskTiles, MemoryTiles
from core.scenes.opening import open_scene
from core.scenes.scene import Window


def written(path, pixels, **options):
    """A GeoTIFF of pixels (h, w, bands), as a scene."""
    height, width, bands = pixels.shape
    with rasterio.open(path, "w", driver="GTiff", height=height, width=width, count=bands, dtype=pixels.dtype, **options) as file:
        file.write(pixels.transpose(2, 0, 1))
    return open_scene(path)


@pytest.fixture
def scene(tmp_path):
    return written(tmp_path / "scene.tif", np.random.default_rng(0).integers(0, 255, (300, 330, 3), np.uint8))


def test_a_window_over_tiles_gets_the_whole_scenes_features(scene, tmp_path):
    features = SceneFeatures(scene, cache=tmp_path / "cache")
    whole = features.read(scene.window)
    assert whole.shape == (300, 330, features.count) and whole.dtype == np.float16
    window = Window(250, 240, 40, 60)
    assert np.array_equal(features.read(window), whole[window.slices])
    again = SceneFeatures(scene, cache=tmp_path / "cache")
    assert np.array_equal(again.read(window, every=3), whole[window.slices][::3, ::3])


def test_no_seam_lies_between_tiles():
    """A tile's features are those that a larger one has there."""
    margin = filters.MARGIN_PX
    wide = np.random.default_rng(1).random((128 + 2 * margin, 96 + 2 * margin, 2)).astype(np.float32)
    part = wide[32 : 96 + 2 * margin, 16 : 80 + 2 * margin]
    assert np.allclose(filters.described(wide)[32:96, 16:80], filters.described(part), atol=1e-6)


def test_a_flat_picture_has_neither_edges_nor_texture():
    margin = filters.MARGIN_PX
    found = filters.described(np.full((16 + 2 * margin, 16 + 2 * margin, 1), 0.5, np.float32))
    assert found.shape == (16, 16, filters.count_of(1))
    assert np.allclose(np.unique(found.round(6)), [0, 0.5])


@pytest.mark.parametrize(
    ("dtype", "bands"), [(np.uint8, 1), (np.uint16, 4), (np.float32, 12)], ids=["one band", "four of 16 bit", "twelve of floats"]
)
def test_scenes_of_any_kind_have_finite_features(dtype, bands, tmp_path):
    pixels = (np.random.default_rng(2).random((40, 50, bands)) * 200).astype(dtype)
    features = SceneFeatures(written(tmp_path / "scene.tif", pixels))
    values = features.read(features.scene.window)
    assert values.shape == (40, 50, filters.count_of(min(bands, 4))) and np.isfinite(values).all()


def test_nodata_has_none(tmp_path):
    pixels = np.full((40, 50, 3), 9, np.uint8)
    pixels[10:20, 5:9] = 0
    features = SceneFeatures(written(tmp_path / "scene.tif", pixels, nodata=0))
    missing = np.isnan(features.read(features.scene.window)).all(axis=-1)
    assert missing.sum() == 40 and missing[10:20, 5:9].all()


def test_a_window_outside_the_scene_is_refused(scene):
    with pytest.raises(SceneError, match="Expected a window inside"):
        SceneFeatures(scene).read(Window(290, 0, 20, 20))


def test_tiles_on_the_disk_stay_under_the_budget_and_the_ones_in_use_stay(tmp_path):
    tile = np.zeros((10, 10, 10), np.float16)  # 2,000 bytes, and 128 of a file's head
    tiles = DiskTiles(tmp_path, "key", 7_000)
    for number in range(3):
        tiles.put((0, number), tile + number)
    for path in tmp_path.rglob("*.npy"):
        os.utime(path, (1, 1))  # long ago
    assert tiles.get((0, 0))[0, 0, 0] == 0
    tiles.put((0, 3), tile)
    kept = [number for number in range(4) if tiles.get((0, number)) is not None]
    assert 0 in kept and 1 not in kept
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.npy")) <= 7_000


def test_tiles_in_memory_stay_under_the_budget():
    tiles = MemoryTiles(4_000)
    for number in range(3):
        tiles.put((0, number), np.full(1_000, number, np.float16))
    assert tiles.get((0, 0)) is None and tiles.get((0, 2))[0] == 2

from __future__ import annotations

import json

import numpy as np
import pytest

from core.classes import DUBAI
from core.datasets.datasets import open_dataset
from core.errors import Cancelled, DatasetError, MaskError, SettingsError
from core.patches import grid
from core.patches.prepare import prepare
from core.patches.statistics import BandStatistics
from core.patches.store import PatchStore
from tests.helpers.datasets import save, stripes


@pytest.fixture
def tiles(make_tiles):
    rng = np.random.default_rng(5)
    ids = [rng.choice([0, 1, 2, 3, 4, 255], (41, 53)).astype(np.uint8) for _ in range(4)]
    return open_dataset(make_tiles({"Tile 1": ids[:2], "Tile 2": ids[2:], "Tile 3": [stripes(41, 53, 0, 1, 2, 3, 4)]}))


def test_each_patch_is_the_pixels_at_its_place(tiles, tmp_path):
    store = prepare(tiles, tmp_path / "store", patch_size=16, stride=12)
    # rows 0, 12, 24, 25 and columns 0, 12, 24, 36, 37 in each of five scenes
    assert len(store) == store.images.shape[0] == 5 * 4 * 5
    assert store.images.dtype == np.uint8
    for i, place in enumerate(store.index):
        pair = tiles.pair(place["pair"])
        rows, cols = slice(place["row"], place["row"] + 16), slice(place["col"], place["col"] + 16)
        np.testing.assert_array_equal(store.images[i], pair.image.read()[rows, cols])
        ids = pair.labels(tiles.scheme)[rows, cols]
        np.testing.assert_array_equal(store.masks[i], ids)
        assert place["labelled"] == pytest.approx(np.mean(ids != 255))
        assert place["part"] == store.parts[i]
        assert place["group"] == pair.group


def test_what_is_counted_is_what_is_stored(tiles, tmp_path):
    store = prepare(tiles, tmp_path / "store", patch_size=16, stride=16, seed=3)
    train = store.images[store.rows("train")].reshape(-1, 3).astype(float)
    np.testing.assert_allclose(store.statistics["mean"], train.mean(axis=0))
    np.testing.assert_allclose(store.statistics["std"], train.std(axis=0))
    assert store.statistics["min"] == train.min(axis=0).tolist()
    assert store.statistics["pixels"] == len(train)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(store.counts[part], np.bincount(store.masks[store.rows(part)].ravel(), minlength=256)[:5])
    summary = store.summary()
    assert summary["patches"] == {part: len(store.rows(part)) for part in ("train", "validation", "test")}
    assert summary["shared_pixels"] == 0
    assert summary["dropped"] == 0
    json.dumps(summary)


def test_the_store_reopens_equal_and_holds_nothing_else(tiles, tmp_path):
    made = prepare(tiles, tmp_path / "store", patch_size=16, stride=16)
    opened = PatchStore.open(tmp_path / "store")
    assert opened.record == made.record
    assert isinstance(opened.images, np.memmap)
    assert opened.scheme == DUBAI
    assert (opened.patch_size, opened.bands, opened.dtype, opened.scale) == (16, (1, 2, 3), "uint8", 1.0)
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["images.npy", "index.npz", "masks.npy", "store.json"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_small_scenes_are_filled_up_by_reflection(make_tiles, tmp_path):
    dataset = open_dataset(make_tiles({"Tile 1": [stripes(10, 12, 0)], "Tile 2": [stripes(16, 16, 1)]}))
    store = prepare(dataset, tmp_path / "store", patch_size=16, stride=16)
    image = dataset.pairs[0].image.read()
    np.testing.assert_array_equal(store.images[0][:10, :12], image)
    np.testing.assert_array_equal(store.images[0][10, :12], image[9])
    np.testing.assert_array_equal(store.images[0][:10, 12], image[:, 11])
    assert set(store.masks[0][10:].ravel()) == set(store.masks[0][:, 12:].ravel()) == {255}


def test_scenes_are_resized_before_they_are_cut(make_tiles, tmp_path):
    dataset = open_dataset(make_tiles({"Tile 1": [stripes(32, 64, 0, 1)], "Tile 2": [stripes(32, 32, 2)]}))
    store = prepare(dataset, tmp_path / "store", patch_size=16, stride=16, scale=0.5)
    assert len(store) == 3
    image = dataset.pairs[0].image.read().astype(float)
    # each pixel is the mean of 2 x 2
    expected = image.reshape(16, 2, 32, 2, 3).mean(axis=(1, 3))[:, :16]
    np.testing.assert_allclose(store.images[0], expected, atol=0.5)
    assert set(store.masks[0].ravel()) == {0}
    assert set(store.masks[1].ravel()) == {1}


def test_pixels_without_data_get_the_training_mean_and_no_label(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(2):
        image = rng.normal(5, 2, (16, 16, 2)).astype(np.float32)
        image[:4] = np.nan
        image[4:6] = -9999
        save(tmp_path / f"set/images/{k}.tif", image, nodata=-9999)
        save(tmp_path / f"set/masks/{k}.tif", np.full((16, 16), k, np.uint8))
    store = prepare(open_dataset(tmp_path / "set"), tmp_path / "store", patch_size=16, stride=16)
    assert set(store.masks[:, :6].ravel()) == {255}
    assert set(store.masks[:, 6:].ravel()) == {0, 1}
    train = store.images[store.rows("train")][:, 6:].reshape(-1, 2)
    np.testing.assert_allclose(store.statistics["mean"], train.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(store.images[:, :6], np.broadcast_to(np.float32(store.statistics["mean"]), (2, 6, 16, 2)), rtol=1e-6)


def test_bands_by_number_and_by_name(tmp_path):
    import rasterio

    image = np.stack([np.full((16, 16), k, np.uint16) for k in (100, 200, 300, 400)], axis=2)
    for k in range(2):
        path = save(tmp_path / f"set/images/{k}.tif", image)
        with rasterio.open(path, "r+") as file:
            file.descriptions = ("B02", "B03", "B04", "B08")
        save(tmp_path / f"set/masks/{k}.tif", np.full((16, 16), k, np.uint8))
    dataset = open_dataset(tmp_path / "set")
    store = prepare(dataset, tmp_path / "store", patch_size=16, stride=16, bands=[3, "b08"])
    assert store.bands == (3, 4)
    assert store.band_names == ("B04", "B08")
    assert store.dtype == "uint16"
    assert store.images[0, 0, 0].tolist() == [300, 400]
    for wrong in ([0], [5], ["B99"]):
        with pytest.raises(SettingsError, match="a number from 1 to 4 or one of B02"):
            prepare(dataset, tmp_path / "store2", patch_size=16, stride=16, bands=wrong)


def test_a_stopped_run_is_taken_up_and_gives_the_same(tiles, tmp_path, monkeypatch):
    whole = prepare(tiles, tmp_path / "whole", patch_size=16, stride=16)
    done = []

    def stop() -> bool:
        return any("Cutting Tile 2" in message for message in done)

    with pytest.raises(Cancelled):
        prepare(tiles, tmp_path / "store", patch_size=16, stride=16, on_progress=lambda *a: done.append(a[2]), should_stop=stop)
    assert not (tmp_path / "store").exists()
    cut = []
    store = prepare(tiles, tmp_path / "store", patch_size=16, stride=16, on_progress=lambda *a: cut.append(a[2]))
    assert not any("Cutting Tile 1" in message for message in cut)
    assert any("Cutting Tile 3" in message for message in cut)
    np.testing.assert_array_equal(store.images, whole.images)
    np.testing.assert_array_equal(store.masks, whole.masks)
    assert store.record == whole.record
    assert store.index == whole.index


def test_older_patches_stay_until_the_new_ones_are_whole(tiles, tmp_path, monkeypatch):
    older = prepare(tiles, tmp_path / "store", patch_size=16, stride=16)

    def no_room(*_):
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr("core.patches.prepare.write_json", no_room)
        with pytest.raises(OSError):
            prepare(tiles, tmp_path / "store", patch_size=20, stride=20)
    assert PatchStore.open(tmp_path / "store").record == older.record

    assert prepare(tiles, tmp_path / "store", patch_size=20, stride=20).patch_size == 20
    assert [place.name for place in tmp_path.glob("*store*")] == ["store"]


def test_another_setting_does_not_take_up_what_was_stopped(tiles, tmp_path):
    with pytest.raises(Cancelled):
        prepare(
            tiles, tmp_path / "store", patch_size=16, stride=16, on_progress=lambda *a: seen.append(a), should_stop=lambda: len(seen) > 8
        )
    seen.clear()
    store = prepare(tiles, tmp_path / "store", patch_size=16, stride=16, bands=[2])
    np.testing.assert_array_equal(store.images[0, ..., 0], tiles.pairs[0].image.read()[:16, :16, 1])


seen: list = []


def test_memory_bound_by_slabs_changes_nothing(tiles, tmp_path, monkeypatch):
    whole = prepare(tiles, tmp_path / "whole", patch_size=16, stride=12, scale=0.8)
    monkeypatch.setattr(grid, "SLAB_BYTES", 1)
    slabbed = prepare(tiles, tmp_path / "slabbed", patch_size=16, stride=12, scale=0.8)
    np.testing.assert_array_equal(slabbed.images, whole.images)
    np.testing.assert_array_equal(slabbed.masks, whole.masks)
    assert slabbed.statistics["mean"] == pytest.approx(whole.statistics["mean"])


def test_what_cannot_be_prepared_is_refused_in_one_line(tiles, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not delete")
    with pytest.raises(SettingsError, match="holds other files"):
        prepare(tiles, tmp_path / "mine", patch_size=16, stride=16)
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(DatasetError, match="holds no prepared patches"):
        PatchStore.open(tmp_path / "mine")
    save(tiles.root / "Tile 3/images/image_part_001.png", np.zeros((41, 53), np.uint8))
    with pytest.raises(DatasetError, match="Tile 3/image_part_001 has 1 bands of uint8. Expected 3 bands of uint8"):
        prepare(open_dataset(tiles.root), tmp_path / "store", patch_size=16, stride=16)
    save(tiles.root / "Tile 3/images/image_part_001.png", np.zeros((40, 53, 3), np.uint8))
    with pytest.raises(MaskError, match="mask of Tile 3/image_part_001 has 41 x 53"):
        prepare(open_dataset(tiles.root), tmp_path / "store", patch_size=16, stride=16)


def test_statistics_of_pieces_are_those_of_the_whole():
    values = np.random.default_rng(0).normal(1e6, 1, (10000, 2)).astype(np.float64)
    pieces = BandStatistics.empty(2)
    for piece in np.array_split(values, 7):
        pieces = BandStatistics.from_dict(pieces.add(piece).to_dict())
    summary = pieces.summary()
    np.testing.assert_allclose(summary["std"], values.std(axis=0), rtol=1e-9)
    np.testing.assert_allclose(summary["mean"], values.mean(axis=0), rtol=1e-12)
    assert summary["max"] == values.max(axis=0).tolist()
    assert BandStatistics.empty(1).summary() == {"mean": [0.0], "std": [0.0], "min": [0.0], "max": [0.0], "pixels": 0}

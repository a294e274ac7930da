from __future__ import annotations

import zipfile

import numpy as np
import pytest
import rasterio

from core.datasets.datasets import open_dataset
from core.errors import SettingsError
from core.patches.pair_files import export_patches
from core.patches.prepare import prepare
from tests.helpers.datasets import save, stripes


@pytest.fixture
def store(make_tiles, tmp_path):
    ids = stripes(32, 32, 0, 4, 255)
    dataset = open_dataset(make_tiles({"Tile 1": [ids, ids], "Tile 2": [ids]}))
    return prepare(dataset, tmp_path / "store", patch_size=16, stride=16)


@pytest.mark.parametrize("colours", [True, False])
def test_exported_patches_open_as_a_data_set_again(store, tmp_path, colours):
    folder = export_patches(store, tmp_path / "out", colour_masks=colours)
    dataset = open_dataset(folder)
    assert dataset.scheme.names == store.scheme.names
    assert len(dataset.pairs) == len(store) == 8 + 4
    for i, place in enumerate(store.index):
        name = f"{place['part']}/{place['pair'].replace('/', '_')}_{place['row']:05d}_{place['col']:05d}"
        pair = dataset.pair(name)
        np.testing.assert_array_equal(pair.image.read(), store.images[i])
        np.testing.assert_array_equal(pair.labels(dataset.scheme), store.masks[i])


def test_a_zip_of_one_part(store, tmp_path):
    path = export_patches(store, tmp_path / "train.zip", parts=["train"])
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert sum(name.startswith("train/images/") for name in names) == len(store.rows("train"))
    assert {name.split("/")[0] for name in names} == {"train", "classes.json"}


def test_many_bands_become_tiff(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(2):
        save(tmp_path / f"set/images/{k}.tif", rng.integers(0, 9999, (16, 16, 5)).astype(np.uint16))
        save(tmp_path / f"set/masks/{k}.tif", np.full((16, 16), k, np.uint8))
    store = prepare(open_dataset(tmp_path / "set"), tmp_path / "store", patch_size=16, stride=16)
    folder = export_patches(store, tmp_path / "out", parts=["train"])
    with rasterio.open(next(folder.glob("train/images/*.tif"))) as file:
        np.testing.assert_array_equal(file.read().transpose(1, 2, 0), store.images[store.rows("train")[0]])


def test_a_folder_with_other_things_is_left_alone(store, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("do not delete")
    with pytest.raises(SettingsError, match="holds other files"):
        export_patches(store, tmp_path / "mine")
    with pytest.raises(SettingsError, match="part 'all'"):
        export_patches(store, tmp_path / "out", parts=["all"])

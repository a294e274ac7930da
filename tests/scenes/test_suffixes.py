"""Whoever looks through a folder for images knows the same endings: chips, scenes of a data set and of a batch are no different files."""

import numpy as np
import pytest

from core.datasets.datasets import open_dataset
from core.datasets.pairing import match_folder
from core.prediction.batch import find_scenes
from core.scenes.image_names import ARRAY_SUFFIXES, HDF5_SUFFIXES, IMAGE_FOLDERS, RASTER_SUFFIXES, place_name
from core.scenes.mosaic import chip_paths
from core.scenes.opening import open_scene
from tests.helpers.datasets import save
from ui.uploads import IMAGE_TYPES


@pytest.mark.parametrize("suffix", [*RASTER_SUFFIXES, *HDF5_SUFFIXES, *ARRAY_SUFFIXES, ".TIF"])
def test_every_reader_of_folders_knows_every_ending(tmp_path, suffix):
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
        for name in ("a", "b"):
            (tmp_path / place / f"{name}{suffix}").touch()
    images = [tmp_path / "images" / f"{name}{suffix}" for name in ("a", "b")]
    assert [match.image for match in match_folder(tmp_path).matches] == images
    assert find_scenes(tmp_path / "images") == images
    assert suffix.lower().lstrip(".") in IMAGE_TYPES
    # A VRT describes other files, often the very chips beside it, and an HDF5 file is a data set of its own: neither is a chip.
    chips = [] if suffix in (".vrt", *HDF5_SUFFIXES, *ARRAY_SUFFIXES) else images
    assert chip_paths(tmp_path / "images") == chips


def test_a_folder_of_bmp_opens_as_mosaic_data_set_and_batch(tmp_path):
    ramp = np.arange(64 * 96 * 3).reshape(64, 96, 3) // 73
    whole = (ramp + np.random.default_rng(0).integers(0, 9, ramp.shape)).astype(np.uint8)
    for name, cols in (("left", slice(0, 48)), ("right", slice(48, 96))):
        save(tmp_path / "images" / f"{name}.bmp", whole[:, cols])
        save(tmp_path / "masks" / f"{name}.bmp", whole[:, cols] // 128 * 255)
    np.testing.assert_array_equal(open_scene(tmp_path / "images").read(), whole)
    assert [pair.image_path.name for pair in open_dataset(tmp_path).pairs] == ["left.bmp", "right.bmp"]
    assert [path.name for path in find_scenes(tmp_path / "images")] == ["left.bmp", "right.bmp"]


@pytest.mark.parametrize("folder", IMAGE_FOLDERS)
def test_a_folder_of_images_is_called_after_its_place(tmp_path, folder):
    assert place_name(tmp_path / "Tile 2" / folder) == "Tile 2"


def test_a_scene_is_called_after_its_file_or_folder(tmp_path):
    (tmp_path / "town v1.2").mkdir()
    assert place_name(tmp_path / "town v1.2") == "town v1.2"
    assert place_name(tmp_path / "town v1.2" / "north.tif") == "north"

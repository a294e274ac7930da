"""The sample sets, one of each kind: read by window, and compared with a plain read of the files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio

from core.datasets.datasets import open_dataset
from core.datasets.mosaics import find_mosaics
from core.scenes.scene import Window

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data"
WINDOW = Window(5, 7, 40, 31)


def plain(path: Path) -> np.ndarray:
    """The whole file as GDAL or h5py gives it: (h, w, bands)."""
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            pixels = next(iter(file.values()))[...]
        return pixels.reshape(*pixels.shape[:2], -1)
    with rasterio.open(path) as file:
        return file.read().transpose(1, 2, 0)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("name", "bands", "dtype", "classes"),
    [
        ("town", 3, "uint8", 5),
        ("chips12", 12, "uint16", 3),
        ("landslides", 14, "float32", 2),
        ("landcover", 3, "uint8", 5),
        ("tiles1024", 3, "uint8", 6),
    ],
)
def test_windows_equal_a_plain_read(name, bands, dtype, classes):
    dataset = open_dataset(SAMPLES / name)
    pair = dataset.pairs[-1]
    assert (pair.image.bands, pair.image.dtype, len(dataset.scheme)) == (bands, dtype, classes)
    np.testing.assert_array_equal(pair.image.read(WINDOW), plain(pair.image_path)[WINDOW.slices])
    mask = plain(pair.mask_path)[WINDOW.slices]
    if mask.shape[2] == 1:
        values = dataset.scheme.values or range(classes)
        expected = np.select([mask[..., 0] == value for value in values], list(range(classes)), 255)
    else:
        expected = np.select([(mask == colour).all(axis=2) for colour in dataset.scheme.colours], list(range(classes)), 255)
    np.testing.assert_array_equal(pair.labels(dataset.scheme, WINDOW), expected)


def test_the_twelve_band_chips_are_one_landscape():
    dataset = open_dataset(SAMPLES / "chips12")
    assert dataset.groups == ("chip",)
    (mosaic,) = find_mosaics(dataset)
    assert (mosaic.rows, mosaic.columns, len(mosaic.names)) == (6, 10, 60)
    # Row 1 and column 2 of the mosaic begin at pixel 64 and 128.
    np.testing.assert_array_equal(mosaic.image().read(Window(64, 128, 64, 64)), dataset.pair("chip_1_2").image.read())

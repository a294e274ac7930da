"""Small data sets that tests write into their own folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from core.classes import DUBAI


def save(path: Path, array: np.ndarray, **profile) -> Path:
    """Write an array (h, w) or (h, w, bands) as PNG, JPEG or TIFF, by the ending of the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".tif", ".tiff"):
        pixels = array[..., None] if array.ndim == 2 else array
        options = dict(driver="GTiff", height=pixels.shape[0], width=pixels.shape[1], count=pixels.shape[2], dtype=pixels.dtype)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, "w", **{**options, **profile}) as file:
                file.write(pixels.transpose(2, 0, 1))
    else:
        Image.fromarray(array).save(path)
    return path


def stripes(height: int, width: int, *class_ids: int) -> np.ndarray:
    """Class ids (h, w): vertical stripes of equal width."""
    return np.array(class_ids, np.uint8)[np.arange(width) * len(class_ids) // width][None, :].repeat(height, 0)


@pytest.fixture
def write() -> Callable:
    """`save`, for tests."""
    return save


@pytest.fixture
def make_tiles(tmp_path: Path) -> Callable:
    """A function that writes a data set in the Dubai layout: {tile: [ids of each image]}; images are seeded noise."""

    def make(tiles: dict[str, list[np.ndarray]], *, root: Path | None = None, seed: int = 0) -> Path:
        root = root or tmp_path / "set"
        rng = np.random.default_rng(seed)
        for tile, masks in tiles.items():
            for k, ids in enumerate(masks, 1):
                image = rng.integers(0, 256, (*ids.shape, 3)).astype(np.uint8)
                save(root / tile / "images" / f"image_part_{k:03d}.png", image)
                save(root / tile / "masks" / f"image_part_{k:03d}.png", DUBAI.decode(ids))
        return root

    return make

"""Web Mercator tiles of georeferenced scenes, for the map page."""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from rasterio.enums import ColorInterp
from rio_tiler.errors import NoOverviewWarning, TileOutsideBounds
from rio_tiler.io import Reader
from rio_tiler.models import ImageData

from core.classes import IGNORED_ID, ClassScheme
from core.scenes.display import stretch, three_bands
from core.scenes.image_names import ARRAY_SUFFIXES, HDF5_SUFFIXES
from core.scenes.raster_files import open_file
from core.scenes.rasters import marked_transparent
from core.scenes.remote.links import is_link, read_link
from core.scenes.remote.parts import reading
from core.scenes.scene import Scene

_OPEN_FILES_PER_THREAD = 8


class _Readers(threading.local):
    """Open readers of one thread, the least used closed first: GDAL handles must not cross threads."""

    def __init__(self):
        self.open: OrderedDict[tuple, Reader] = OrderedDict()

    def get(self, scene: Scene) -> Reader:
        key = (scene.path, scene.digest)
        if key not in self.open:
            self.open[key] = (
                Reader(_without_transparency(scene)) if marked_transparent(scene) else Reader(None, dataset=open_file(scene.path))
            )
            if len(self.open) > _OPEN_FILES_PER_THREAD:
                self.open.popitem(last=False)[1].close()
        self.open.move_to_end(key)
        return self.open[key]


_readers = _Readers()


def _without_transparency(scene: Scene) -> str:
    """A virtual raster in memory over a file whose band of transparency is data, so that GDAL does not hide pixels by it."""
    name = f"/vsimem/groundline-{scene.digest}.vrt"
    with open_file(scene.path.resolve()) as source, reading(scene.path):
        rasterio.shutil.copy(source, name, driver="VRT")
        kinds = [ColorInterp.undefined if kind == ColorInterp.alpha else kind for kind in source.colorinterp]
    with rasterio.open(name, "r+") as placed:
        placed.colorinterp = kinds
    return name


def _file_of(path: Path) -> Path:
    """The file that a path leads to on this machine; a link to another machine is one itself."""
    return (read_link(path).whole or path) if is_link(path) else path


def can_warp(scene: Scene) -> bool:
    """Whether GDAL can draw the scene on a map: it has a CRS and is one file."""
    return scene.geo.georeferenced and scene.path.is_file() and _file_of(scene.path).suffix.lower() not in (*HDF5_SUFFIXES, *ARRAY_SUFFIXES)


def image_tile(
    scene: Scene, bands: tuple[int, ...], limits: tuple[np.ndarray, np.ndarray] | None, z: int, x: int, y: int, *, size_px: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Colours uint8 (size_px, size_px, 3) and alpha uint8 (size_px, size_px) of a map tile, None outside the scene.

    `limits` are the values shown as black and as white, per band; None for uint8 data, which is shown as it is.
    """
    tile = _read(scene, z, x, y, size_px, indexes=bands, resampling_method="bilinear", reproject_method="bilinear")
    if tile is None:
        return None
    pixels = tile.data.transpose(1, 2, 0)
    if limits is not None:
        pixels = stretch(pixels, limits)
    return np.ascontiguousarray(three_bands(pixels).astype(np.uint8)), _alpha(tile)


def class_tile(scene: Scene, scheme: ClassScheme, z: int, x: int, y: int, *, size_px: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Class colours uint8 (size_px, size_px, 3) and alpha uint8 (size_px, size_px) of a map tile of a label raster, None outside."""
    tile = _read(scene, z, x, y, size_px, indexes=(1,), resampling_method="nearest", reproject_method="nearest")
    if tile is None:
        return None
    ids = tile.data[0].astype(np.uint8)
    alpha = np.where(ids == IGNORED_ID, 0, _alpha(tile)).astype(np.uint8)
    return scheme.decode(ids), alpha


def _read(scene: Scene, z: int, x: int, y: int, size_px: int, **how) -> ImageData | None:
    try:
        with warnings.catch_warnings(), reading(scene.path):
            warnings.simplefilter("ignore", NoOverviewWarning)
            return _readers.get(scene).tile(x, y, z, tilesize=size_px, **how)
    except TileOutsideBounds:
        return None


def _alpha(tile: ImageData) -> np.ndarray:
    mask = np.asarray(tile.mask)
    return (mask if mask.dtype == np.uint8 else mask * np.uint8(255)).astype(np.uint8)

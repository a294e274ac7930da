"""A data set of one scene and its mask, made by us: images/, masks/ and classes.json."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning

from core.classes import ClassScheme
from core.datasets.datasets import CLASS_FILE
from core.errors import GroundlineError
from core.files import replacing_folder, write_json
from core.scenes.image_names import RASTER_SUFFIXES
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window

MADE_FILE = "made-labels.json"
"""Tells that a folder is ours, so that it may be replaced: other data sets have a classes.json too."""
_WORLD_FILES = (".tfw", ".tifw", ".pgw", ".pngw", ".jgw", ".jpgw", ".wld", ".prj")
_BAND_BYTES = 64 << 20


def write_scene_set(
    folder: str | os.PathLike, scene: Scene, scheme: ClassScheme, write_mask: Callable[[Path], object], *, made: Mapping[str, Any]
) -> Path:
    """Write a data set of one scene, whole or absent; what lies at `folder` is replaced. Give the folder.

    The image is the scene's own file where that can stand alone, by a hard link or a copy, and a GeoTIFF of its pixels otherwise.
    `write_mask` writes class ids to the path that it is given, and `made` says how they came about.
    """
    with replacing_folder(folder) as place:
        (place / "images").mkdir()
        (place / "masks").mkdir()
        name = _give_image(scene, place / "images")
        write_mask(place / "masks" / f"{name}.tif")
        write_json(place / CLASS_FILE, scheme.to_dict())
        write_json(place / MADE_FILE, dict(made))
    return Path(folder)


def _give_image(scene: Scene, images: Path) -> str:
    """Put the scene's picture into the folder, and give its name without the ending."""
    source = scene.path
    if source.is_file() and source.suffix.lower() in set(RASTER_SUFFIXES) - {".vrt"}:
        sides = [source.with_suffix(ending) for ending in _WORLD_FILES] + [source.with_name(f"{source.name}.aux.xml")]
        for file in (source, *(side for side in sides if side.is_file())):
            _link(file, images / file.name)
        if _same(scene, images / source.name):
            return source.stem
        for file in images.iterdir():
            file.unlink()
    _copy_pixels(scene, images / f"{source.stem}.tif")
    return source.stem


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another disk, or a file system without links
        shutil.copy2(source, target)


def _same(scene: Scene, path: Path) -> bool:
    """Whether a file alone is the scene: with its size, its bands and its place."""
    try:
        alone = open_scene(path)
    except GroundlineError:
        return False
    return (alone.shape, alone.bands, alone.dtype, alone.geo) == (scene.shape, scene.bands, scene.dtype, scene.geo)


def _copy_pixels(scene: Scene, path: Path) -> None:
    profile: dict[str, Any] = {"height": scene.height, "width": scene.width, "count": scene.bands, "dtype": scene.dtype}
    if scene.geo.situated:
        profile |= {"transform": scene.geo.transform, "crs": None if scene.geo.crs is None else scene.geo.crs.to_wkt()}
    rows = max(1, _BAND_BYTES // (scene.width * scene.bands * 8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", nodata=scene.nodata, compress="deflate", bigtiff="IF_SAFER", **profile) as file:
            for row in range(0, scene.height, rows):
                window = Window(row, 0, min(rows, scene.height - row), scene.width)
                place = ((row, window.row_stop), (0, scene.width))
                file.write(scene.read(window).transpose(2, 0, 1), window=place)

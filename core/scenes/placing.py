"""A raster without coordinates, given some: a small VRT beside it, so that GDAL draws it on a map."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import rasterio
import rasterio.shutil
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from core.errors import SceneError
from core.files import replacing
from core.geo import GeoRef
from core.scenes.raster_files import open_file
from core.scenes.remote.links import is_link, read_link


def write_placed(source: str | os.PathLike, path: str | os.PathLike, geo: GeoRef) -> Path:
    """Write a VRT at `path` that shows the raster `source` with the transform and CRS of `geo`; the pixels stay where they are.

    Raises SceneError when GDAL cannot open the source.
    """
    path, source = Path(path), Path(source)
    if is_link(source):
        whole = read_link(source).whole
        if whole is None:
            raise SceneError(
                f"{source.stem} lies on another machine and has no place on the earth",
                expected="a picture with coordinates, or a file of this machine",
                do="Download it, and open the file",
            )
        source = whole
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with open_file(source.resolve()) as opened, replacing(path, suffix=".vrt") as temporary:
                rasterio.shutil.copy(opened, temporary, driver="VRT")
                with rasterio.open(temporary, "r+") as placed:
                    placed.transform, placed.crs = geo.transform, geo.crs.to_wkt() if geo.crs else None
    except RasterioError as error:
        raise SceneError(f"{source.name} cannot be placed ({error})", expected="one raster file", do="Save it as GeoTIFF") from error
    return path

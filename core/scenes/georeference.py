"""Where a raster says that it lies: in itself, or in files beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.transform import from_gcps

from core.errors import SceneError, SettingsError
from core.geo import GeoRef


def georeference(dataset: rasterio.DatasetReader) -> GeoRef:
    """Where a raster says that it lies: by its transform or control points, with a CRS or without, else by a world file beside it."""
    path = Path(dataset.name)
    points, points_crs = dataset.gcps
    crs = None if dataset.crs is None else CRS.from_user_input(dataset.crs)
    transform = None if dataset.transform.is_identity else dataset.transform
    if transform is None and points:
        transform, crs = from_gcps(points), None if points_crs is None else CRS.from_user_input(points_crs)
        return GeoRef(_sized(transform, path), crs)
    transform = transform and _sized(transform, path)
    transform = transform or _world_file(path)
    if transform is None:
        return GeoRef.pixels()
    return GeoRef(transform, crs) if crs is not None else _named_beside(path, GeoRef(transform))


def _sized(transform: Affine, path: Path) -> Affine:
    """The transform. Raises SceneError for one that gives pixels no size, or that holds what is no number."""
    if not (np.isfinite(transform[:6]).all() and 0 < abs(transform.determinant) < np.inf):
        raise SceneError(f"{path.name} gives pixels no size", expected="a transform", do="Write its place into it again")
    return transform


def _world_file(path: Path) -> Affine | None:
    """The transform in a world file beside an image that GDAL has not taken: scene.pgw, scene.pngw or scene.wld, in any case.

    Raises SceneError for one that holds no six numbers.
    """
    found = _beside(path, *(f"{path.suffix[:2]}{path.suffix[-1:]}w", f"{path.suffix}w", ".wld"))
    if found is None:
        return None
    try:
        a, d, b, e, x, y = (float(number.replace(",", ".")) for number in found.read_text(encoding="ascii").split())
    except ValueError as error:
        raise SceneError(
            f"{found.name} is no world file", expected="six numbers, one a line", do="Mend it, or move it away from the image"
        ) from error
    if a * e == b * d:
        raise SceneError(f"{found.name} gives pixels no size", expected="a transform", do="Mend it, or move it away from the image")
    # A world file places the middle of the first pixel.
    return Affine(a, b, x - (a + b) / 2, d, e, y - (d + e) / 2)


def _named_beside(path: Path, geo: GeoRef) -> GeoRef:
    """The reference with the CRS of a .prj file beside the image, where there is one that holds there and is no Shapefile's."""
    found = None if _beside(path, ".shp") else _beside(path, ".prj", ".qpj")
    try:
        return geo if found is None else geo.named(CRS.from_user_input(found.read_text(encoding="utf-8", errors="replace").strip()))
    except (CRSError, SettingsError):
        return geo


def _beside(path: Path, *suffixes: str) -> Path | None:
    """The file called like an image with one of the suffixes, in small or capital letters; None where there is none."""
    if not path.suffix or not path.is_file():
        return None
    cases = dict.fromkeys(case for suffix in suffixes for case in (suffix.lower(), suffix.upper(), suffix))
    return next((found for suffix in cases if (found := path.with_suffix(suffix)).is_file()), None)

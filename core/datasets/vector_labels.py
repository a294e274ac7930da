"""Labels drawn as polygons or lines in a vector file, burnt onto a scene's grid window by window."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS, Transformer
from rasterio.features import rasterize

from core.classes import IGNORED_ID
from core.datasets.label_scenes import id_scene
from core.errors import MaskError
from core.geo import GeoRef
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window
from core.scenes.sources import file_digest

_COLUMNS = (
    "class_name",
    "class",
    "classname",
    "label",
    "category",
    "landcover",
    "land_cover",
    "landuse",
    "type",
    "class_id",
    "code",
    "value",
    "name",
)
_MOST_CLASSES = 64


@dataclass(frozen=True, eq=False)
class VectorLayer:
    """The features of a vector file: shapely geometries (n,), the name of each one's class, and the CRS (None: pixels)."""

    path: Path
    geometries: np.ndarray
    classes: np.ndarray
    crs: CRS | None


@dataclass(frozen=True)
class VectorSource:
    """Ids of the features under each pixel's centre; lines and points take the pixels they touch. Later features win."""

    path: Path
    geo: GeoRef
    names: tuple[str, ...]
    rest: int

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Ids uint8 (h, w, 1); see Scene.read."""
        shape = out_shape or (window.height, window.width)
        geo = self.geo.window(window.row, window.col).scaled(shape[0] / window.height, shape[1] / window.width)
        geometries, class_ids, tree = _on_grid(self.path, _changed(self.path), self.geo.crs, self.names)
        corners = [geo.transform * corner for corner in ((0, 0), (shape[1], 0), (0, shape[0]), (shape[1], shape[0]))]
        box = shapely.MultiPoint(corners).envelope
        near = np.sort(tree.query(box))
        ids = np.full(shape, self.rest, np.uint8)
        for lines in (False, True):
            chosen = [(geometries[i], int(class_ids[i])) for i in near if (shapely.get_dimensions(geometries[i]) < 2) == lines]
            if chosen:
                ids = _burn(chosen, ids, geo, touched=lines)
        return np.repeat(ids[..., None], len(bands), axis=2)

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w), all True."""
        return np.ones(out_shape or (window.height, window.width), bool)

    def fingerprint(self) -> str:
        """Digest of the file, the grid and the classes."""
        return hashlib.sha256(f"{file_digest(self.path)}{self.geo}{self.names}".encode()).hexdigest()[:16]


def open_vector_mask(path: Path, image_path: Path, names: tuple[str, ...], rest: int) -> Scene:
    """A one-band scene of ids on the grid of an image.

    Raises MaskError when the file says where it lies and the image does not.
    """
    image = open_scene(image_path)
    layer = read_layer(path)
    if layer.crs is not None and image.geo.crs is None:
        raise MaskError(
            f"{path.name} has coordinates in {layer.crs.name}, {image_path.name} has none",
            expected="an image with a georeference",
            do="Give the image its georeference, or the labels as a mask",
        )
    return id_scene(path, image.shape, image.geo, VectorSource(path, image.geo, names, rest))


def read_layer(path: Path) -> VectorLayer:
    """The features of the file's first layer and the class of each. Raises MaskError when it holds none."""
    return _read_layer(path, _changed(path))


@lru_cache(maxsize=8)
def _read_layer(path: Path, changed: int) -> VectorLayer:
    from pyogrio import raw
    from pyogrio.errors import DataSourceError

    try:
        meta, _, geometry, columns = raw.read(path)
    except (DataSourceError, ValueError) as error:
        raise MaskError(
            f"{path.name} cannot be read ({error})", expected="GeoPackage, GeoJSON or Shapefile", do="Check the file"
        ) from error
    if geometry is None or len(geometry) == 0:
        raise MaskError(f"no features in {path.name}", expected="labels drawn as polygons or lines", do="Check the file")
    shapes = shapely.from_wkb(geometry)
    kept = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    fields = dict(zip((str(name) for name in meta["fields"]), columns, strict=True))
    classes = _class_names(fields, path.stem, len(shapes))
    crs = CRS.from_user_input(meta["crs"]) if meta["crs"] else None
    return VectorLayer(path, shapes[kept], classes[kept], crs)


def _class_names(fields: dict[str, np.ndarray], fallback: str, count: int) -> np.ndarray:
    """The class of each feature: the column that names classes, else the file's name for all of them."""
    lowered = {name.lower(): name for name in fields}
    for wanted in _COLUMNS:
        if wanted in lowered:
            values = np.array([str(value) for value in fields[lowered[wanted]]])
            if len(set(values)) <= _MOST_CLASSES:
                return values
    return np.array([fallback] * count)


@lru_cache(maxsize=8)
def _on_grid(path: Path, changed: int, crs: CRS | None, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, shapely.STRtree]:
    """Geometries in the grid's CRS, their class ids, and a tree to find those near a window."""
    layer = _read_layer(path, changed)
    geometries = layer.geometries
    if layer.crs is not None and crs is not None and layer.crs != crs:
        transformer = Transformer.from_crs(layer.crs, crs, always_xy=True)
        geometries = shapely.transform(geometries, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
    ids = {name: k for k, name in enumerate(names)}
    class_ids = np.array([ids.get(name, IGNORED_ID) for name in layer.classes], np.uint8)
    return geometries, class_ids, shapely.STRtree(geometries)


def _burn(chosen: list, ids: np.ndarray, geo: GeoRef, *, touched: bool) -> np.ndarray:
    fresh = rasterize(chosen, out_shape=ids.shape, fill=254, transform=geo.transform, all_touched=touched, dtype="uint8")
    return np.where(fresh == 254, ids, fresh)


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns

"""Vector files of others, parcels say, as they are drawn over a map: the part that lies on the scene, in the map's coordinates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS

from core.datasets.layer_contents import refuse_other_content
from core.datasets.vector_labels import names_no_crs, stem_of
from core.errors import InputError
from core.geo import GeoRef
from core.projecting import moved
from core.vector.editing.displayed import on_map

SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".zip", ".fgb", ".kml")
_MOST_READ = 200_000
_MOST_DRAWN = 20_000
_MOST_POINTS = 600_000
"""Features that are read, those that a browser draws smoothly, and the points that they may have together."""
_EXPECTED = "GeoPackage, GeoJSON, Shapefile (.zip or .shp), FlatGeobuf or KML"


@dataclass(frozen=True, eq=False)
class Overlay:
    """Geometries (n,) in a map's coordinates, and how many features lie on the scene; `found_more` where there are more than were read."""

    name: str
    shapes: np.ndarray
    found: int
    found_more: bool
    told: str = ""

    def geojson(self) -> dict[str, Any]:
        """The geometries as a feature collection."""
        texts = shapely.to_geojson(self.shapes).tolist()
        return {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": json.loads(t)} for t in texts]}


def read_overlay(path: Path, geo: GeoRef, height: int, width: int) -> Overlay:
    """The features of all layers of a vector file that lie on a scene; of many, the longest and largest are drawn.

    A file that names no CRS counts as lying in the scene's own coordinates. Raises InputError for a file that cannot be read, that lies on
    the earth while the scene does not, or has nothing on the scene.
    """
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        what = f"no file at {path}" if path.suffix.lower() in SUFFIXES else f"{path.name}, whose ending tells no vector file"
        raise InputError(what, expected=_EXPECTED, do="Correct the path")
    scene = shapely.polygons([geo.xy(*corner) for corner in ((0, 0), (0, width), (height, width), (height, 0))])
    refuse_other_content(path)
    parts, told, more = [], "", False
    for layer in _layers(path):
        crs = _crs(path, layer)
        if crs is None and geo.georeferenced:
            told = "It names no CRS, and was taken to lie in the scene's."
        if crs is not None and not geo.georeferenced:
            raise InputError(
                f"{path.name}, which lies on the earth ({crs.name}), and a scene that does not",
                expected="both in the same coordinates",
                do="Place the scene on the earth (More, above)",
            )
        shapes, cut = _read(path, layer, scene, crs, geo)
        parts.append(shapes)
        more |= cut
    found = np.concatenate(parts) if parts else np.empty(0, object)
    if not len(found):
        raise InputError(f"nothing of {path.name} on this scene", expected="features that lie on it", do="Check its place and CRS")
    size = shapely.length(found)
    found = found[np.argsort(-size, kind="stable")][:_MOST_DRAWN]
    drawn = found[np.cumsum(shapely.get_num_coordinates(found)) <= _MOST_POINTS]
    return Overlay(stem_of(path), on_map(drawn if len(drawn) else found[:1], geo), len(size), more, told)


def _layers(path: Path) -> list[str]:
    import pyogrio

    try:
        return [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except Exception as error:  # pyogrio and GDAL raise half a dozen kinds for damaged files
        raise _unreadable(path, error) from error


def _crs(path: Path, layer: str) -> CRS | None:
    import pyogrio

    try:
        said = pyogrio.read_info(path, layer=layer)["crs"]
        return CRS.from_user_input(said) if said and not names_no_crs(path) else None
    except Exception as error:  # PROJ has errors of its own besides
        raise _unreadable(path, error) from error


def _read(path: Path, layer: str, scene: shapely.Polygon, crs: CRS | None, geo: GeoRef) -> tuple[np.ndarray, bool]:
    """Geometries (n,) on the scene in its coordinates, and whether there were more than are read."""
    from pyogrio import raw

    try:
        there = scene if crs is None or geo.crs is None else moved(np.array([scene]), geo.crs, crs)[0]
        box = tuple(float(value) for value in there.bounds)
        _, _, texts, _ = raw.read(path, layer=layer, columns=[], bbox=box, max_features=_MOST_READ)
        shapes = shapely.force_2d(shapely.from_wkb(texts if texts is not None else np.empty(0, object)))
        shapes = shapes[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))]
        if crs is not None and geo.crs is not None:
            shapes = moved(shapes, crs, geo.crs)
        shapes = shapes[np.isfinite(shapely.bounds(shapes)).all(axis=1)]
        return shapes[shapely.intersects(shapes, scene)], len(texts) == _MOST_READ
    except Exception as error:  # pyogrio, GEOS and PROJ raise half a dozen kinds for damaged files
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    why = str(error).replace(str(path), path.name).partition(";")[0].rstrip(".")
    return InputError(f"{path.name} cannot be read ({why})", expected=_EXPECTED, do="Check the file")

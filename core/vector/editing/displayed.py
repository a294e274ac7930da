"""Outlines on a map that rounds, and the way back: what was not moved there keeps its exact coordinates.

Maps count degrees where a layer lies on the earth, and otherwise columns and rows of the scene, which run up.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

import numpy as np
import shapely
from affine import Affine

from core.errors import SettingsError
from core.geo import PIXEL_TRANSFORM, GeoRef
from core.projecting import LONLAT, moved

_DEGREES, _PIXELS = 1e-7, 0.01
"""To what coordinates are rounded on a map: 1 cm on the earth, a hundredth of a pixel."""

Ring = Sequence[Sequence[float]]


def on_map(shapes: np.ndarray, geo: GeoRef) -> np.ndarray:
    """Geometries (n,) of a layer in a map's coordinates, rounded; what lies off the earth is drawn nowhere."""
    if geo.crs is not None and geo.georeferenced:
        there = moved(shapes, geo.crs, LONLAT)
        there = np.where(np.isfinite(shapely.bounds(there)).all(axis=1), there, shapely.Polygon())
    else:
        there = _turned(shapes, PIXEL_TRANSFORM * ~geo.transform)
    return shapely.set_precision(there, _step(geo), mode="pointwise")


def from_map(shapes: np.ndarray, geo: GeoRef) -> np.ndarray:
    """Geometries (n,) that were drawn on a map, in the layer's coordinates; infinite where its CRS does not hold."""
    if geo.crs is not None and geo.georeferenced:
        return moved(shapes, LONLAT, geo.crs)
    return _turned(shapes, geo.transform * ~PIXEL_TRANSFORM)


def redrawn(rings: Sequence[Ring], shape: shapely.Polygon, geo: GeoRef) -> shapely.Polygon:
    """A layer's polygon as its rings came back from a map, its rim first and then its holes, each a list of (x, y).

    Corners that are where `on_map` had put them are exactly the polygon's own; only those that were moved or added there come from the
    map. Points that the map had added to long sides are left out again. Raises SettingsError where a ring has fewer than three corners.
    """
    step = _step(geo)
    shown = {_key(point, step) for point in shapely.get_coordinates(on_map(np.array([shape]), geo))}
    own = shapely.get_coordinates(shape)
    exact: dict[tuple[int, int], deque] = defaultdict(deque)
    for point, there in zip(own, shapely.get_coordinates(on_map(shapely.points(own), geo)), strict=True):
        exact[_key(there, step)].append(tuple(point))
    return _polygon([_back(ring, exact, shown, geo) for ring in rings])


def drawn_polygon(rings: Sequence[Ring], geo: GeoRef) -> shapely.Polygon:
    """A polygon that was drawn on a map, in the layer's coordinates. Raises SettingsError where a ring has fewer than three corners."""
    return from_map(np.array([_polygon(rings)]), geo)[0]


def drawn_line(points: Ring, geo: GeoRef) -> shapely.LineString:
    """A line that was drawn on a map, in the layer's coordinates. Raises SettingsError for a single point."""
    if len(points) < 2:
        raise SettingsError("a line of one point", expected="two or more", do="Draw it from side to side")
    return from_map(np.array([shapely.LineString(points)]), geo)[0]


def _step(geo: GeoRef) -> float:
    return _DEGREES if geo.crs is not None and geo.georeferenced else _PIXELS


def _key(point: Sequence[float], step: float) -> tuple[int, int]:
    """A corner of the map by the steps that it is rounded to; longitudes that run on beyond 180 are those of the same place."""
    x = point[0] % 360 if step == _DEGREES else point[0]
    return round(x / step), round(point[1] / step)


def _back(ring: Ring, exact: dict[tuple[int, int], deque], shown: set[tuple[int, int]], geo: GeoRef) -> list[tuple[float, float]]:
    step, found = _step(geo), []
    for point in ring:
        key = _key(point, step)
        if exact[key]:
            known = exact[key]
            found.append(known[0])
            known.rotate(-1)  # corners that the map could not tell apart come in their own order
        elif key not in shown:
            found.extend(map(tuple, shapely.get_coordinates(from_map(shapely.points([point]), geo))))
    return found


def _polygon(rings: Sequence[Ring]) -> shapely.Polygon:
    if not rings or min(len(ring) for ring in rings) < 3:
        raise SettingsError("an outline of fewer than three corners", expected="three or more", do="Draw it anew")
    return shapely.Polygon(rings[0], rings[1:])


def _turned(shapes: np.ndarray, by: Affine) -> np.ndarray:
    return shapely.transform(shapes, lambda xy: np.column_stack(by * (xy[:, 0], xy[:, 1])))

"""Geometries to another CRS, cut at the antimeridian."""

from __future__ import annotations

import numpy as np
import shapely
from pyproj import CRS, Transformer

LONLAT = CRS.from_epsg(4326)


def moved(geometry: np.ndarray, source: CRS, target: CRS) -> np.ndarray:
    """Geometries from one CRS to another, x before y; a layer over the antimeridian stays in one piece, with longitudes beyond 180."""
    if source.equals(target, ignore_axis_order=True):
        return geometry
    transformer = Transformer.from_crs(source, target, always_xy=True)

    def change(xy: np.ndarray) -> np.ndarray:
        x, y = transformer.transform(xy[:, 0], xy[:, 1])
        if target.is_geographic and x.size and np.ptp(x) > 180:
            x = np.where(x < 0, x + 360, x)
        return np.column_stack([x, y])

    return shapely.transform(geometry, change)


def within_180(geometry: np.ndarray) -> np.ndarray:
    """Cut polygons and lines that run beyond longitude 180 in two, as RFC 7946 asks (section 3.1.9), each part within -180 to 180."""
    bounds = shapely.bounds(geometry)
    beyond = np.flatnonzero((bounds[:, 2] > 180) | (bounds[:, 0] < -180)) if len(geometry) else []
    out = geometry.copy()
    for k in beyond:
        parts = []
        for shift in (-360.0, 0.0, 360.0):
            piece = shapely.intersection(geometry[k], shapely.box(-180 + shift, -90, 180 + shift, 90))
            piece = shapely.transform(piece, lambda xy, shift=shift: xy - [shift, 0])
            parts += [part for part in shapely.get_parts(piece) if part.geom_type == geometry[k].geom_type and part.length > 0]
        joined = shapely.multipolygons if geometry[k].geom_type == "Polygon" else shapely.multilinestrings
        out[k] = parts[0] if len(parts) == 1 else joined(parts)
    return out

"""What a polygon layer says of each polygon: its area, perimeter, length, width, shape and confidence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS, Transformer

from core.errors import SceneError, SettingsError
from core.geo import GeoRef
from core.vector.layer import PolygonLayer
from core.vector.settings import read_size
from core.vector.tracing.measures import measure_polygons
from core.vector.tracing.polygons import Rings, build_polygons, transformed

PLANAR_TOLERANCE = 1e-3
LENGTH_METHOD = (
    "sides of the smallest rectangle around the outer ring; for winding shapes (filling less than half of it) the sides of the strip "
    "that has the polygon's area and perimeter"
)


def size_in_pixels(value: float | int | str, geo: GeoRef, height: int, width: int, *, power: int, name: str) -> float:
    """Turn 4, "4px", "0.5m" (power 1) or "2m2" (power 2) into pixels or square pixels of the scene's middle.

    Raises SettingsError for anything else, for a negative size, and for metres without CRS or pixel size.
    """
    number, metric = read_size(value, power=power, name=name)
    if not metric or number == 0:
        return number
    area = geo.pixel_area_m2(height / 2, width / 2)
    if area is None:
        raise SettingsError(
            f"{name} {value!r} for a scene without coordinates", expected="pixels, or a pixel size in metres", do="Give the pixel size"
        )
    return number / (math.sqrt(area) if power == 1 else area)


def planar_factor(geo: GeoRef, height: int, width: int) -> float | None:
    """Metres per unit of the CRS where its plane is true to areas within 0.1 % over the scene, else None (degrees, Web Mercator, ...)."""
    if geo.crs is None or not geo.crs.is_projected:
        return None
    factor = geo.crs.axis_info[0].unit_conversion_factor
    plane = abs(geo.transform.determinant) * factor**2
    for row in (0, (height - 1) / 2, height - 1):
        for col in (0, (width - 1) / 2, width - 1):
            true = geo.pixel_area_m2(row, col)
            if not (math.isfinite(true) and abs(plane / true - 1) <= PLANAR_TOLERANCE):
                return None
    return factor


def _equal_area_points(points: np.ndarray, geo: GeoRef, height: int, width: int) -> tuple[np.ndarray, str]:
    """Points (N, 2) of the CRS in the Lambert azimuthal equal-area plane of the scene's middle, in metres, and the name of the method."""
    outside = SceneError(f"coordinates outside of {geo.crs.name}", expected="a place on Earth", do="Correct the scene's transform or CRS")
    lon, lat = geo.lonlat(height / 2, width / 2)
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise outside
    plane = CRS.from_proj4(f"+proj=laea +lat_0={lat:.9f} +lon_0={lon:.9f} +datum=WGS84 +units=m +no_defs")
    metric = np.column_stack(Transformer.from_crs(geo.crs, plane, always_xy=True).transform(points[:, 0], points[:, 1]))
    if not np.isfinite(metric).all():
        raise outside
    return metric, f"geodesic (WGS84, Lambert azimuthal equal-area at {lat:.4f}, {lon:.4f})"


def measure(rings: Rings, points: np.ndarray, geo: GeoRef, height: int, width: int) -> tuple[dict[str, np.ndarray], str]:
    """Columns of measures of the rings' polygons, each (P,) float64, and the name of the area method; `points` are the rings' in the CRS.

    area_m2, perimeter_m, length_m, width_m (area_px, ... where metres are not known); perimeter_m includes holes. compactness is
    4 pi area / perimeter squared, 1 for a disc. centroid_x and centroid_y are in the layer's CRS.

    Measured in pixels, or metres by the user's pixel size, without CRS; in the plane of a CRS that is true to areas; for any other CRS in
    the Lambert azimuthal equal-area plane of the scene's middle on the WGS84 ellipsoid, where areas are geodesic and lengths true to 1e-5
    within 50 km (Snyder 1987). Raises SceneError where the CRS has no such place.
    """
    unit = geo.units
    factor = planar_factor(geo, height, width)
    if geo.crs is None:
        size = geo.pixel_size_m or 1.0
        method = f"pixels of {size:g} m, as the user said" if geo.pixel_size_m else "pixels"
        table = measure_polygons(rings.xy * size, rings.offsets, rings.polygons)
        centroids = transformed(table[:, 2:4] / size, geo.transform)
    elif factor is not None:
        method = f"planar in EPSG:{geo.epsg}" if geo.epsg else f"planar in {geo.crs.name}"
        # Without the shift to the scene's place, whose large numbers would cost digits.
        origin = geo.transform * (0, 0)
        linear = Affine.translation(-origin[0], -origin[1]) * geo.transform
        table = measure_polygons(transformed(rings.xy, linear) * factor, rings.offsets, rings.polygons)
        centroids = table[:, 2:4] / factor + origin
    else:
        metric, method = _equal_area_points(points, geo, height, width)
        table = measure_polygons(metric, rings.offsets, rings.polygons)
        centroids = transformed(measure_polygons(rings.xy, rings.offsets, rings.polygons)[:, 2:4], geo.transform)
        if geo.crs.is_geographic:
            # Scenes over the antimeridian have longitudes beyond 180.
            centroids[:, 0] -= 360 * ((centroids[:, 0] > 180).astype(int) - (centroids[:, 0] < -180))
    area, perimeter, long_side, short_side = table[:, 0], table[:, 1], table[:, 4], table[:, 5]
    root = np.sqrt(np.maximum(perimeter**2 - 16 * area, 0))
    strip = (perimeter + root) / 4
    winding = (area < 0.5 * long_side * short_side) & (strip > long_side)
    length = np.where(winding, strip, long_side)
    columns = {
        "area_m2" if unit == "m" else "area_px": area,
        f"perimeter_{unit}": perimeter,
        f"length_{unit}": length,
        f"width_{unit}": np.where(winding, area / np.where(strip > 0, strip, 1), short_side),
        "compactness": 4 * math.pi * area / np.where(perimeter > 0, perimeter, 1) ** 2,
        "centroid_x": centroids[:, 0],
        "centroid_y": centroids[:, 1],
    }
    return columns, method


def distances(
    geometry: np.ndarray, targets: np.ndarray, rings: Rings, points: np.ndarray, geo: GeoRef, height: int, width: int
) -> np.ndarray:
    """Distance (P,) float64 of each polygon to the nearest of the polygons `targets` (P,) bool, in metres, or in pixels without them.

    0 where they touch; NaN for the targets themselves, and for all when there are none. Measured in the plane that `measure` uses.
    """
    out = np.full(len(geometry), np.nan)
    asking = np.flatnonzero(~targets)
    if not targets.any() or asking.size == 0:
        return out
    factor = planar_factor(geo, height, width)
    if geo.crs is None:
        unit = geo.pixel_size_m or 1.0
        geometry = build_polygons(rings, rings.xy)
    elif factor is not None:
        unit = factor
    else:
        unit, geometry = 1.0, build_polygons(rings, _equal_area_points(points, geo, height, width)[0])
    tree = shapely.STRtree(geometry[targets])
    (row, _), found = tree.query_nearest(geometry[asking], return_distance=True, all_matches=False)
    out[asking[row]] = found * unit
    return out


def measure_shapes(geometry: np.ndarray, geo: GeoRef, height: int, width: int) -> tuple[dict[str, np.ndarray], str]:
    """`measure` for Shapely polygons (P,) in the layer's coordinates."""
    if len(geometry) == 0:
        rings = Rings(np.empty((0, 2)), np.zeros(1, np.int64), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0))
        return measure(rings, rings.xy, geo, height, width)
    _, points, (offsets, polygons) = shapely.to_ragged_array(geometry)
    rings = Rings(transformed(points, ~geo.transform), offsets, polygons, np.arange(len(geometry)), np.empty(0))
    return measure(rings, np.ascontiguousarray(points), geo, height, width)


def remeasured(layer: PolygonLayer) -> PolygonLayer:
    """The layer with area, perimeter, length, width, compactness and centroid taken anew from its polygons."""
    measures, _ = measure_shapes(layer.frame.geometry.to_numpy(), layer.geo, layer.made["height"], layer.made["width"])
    return replace(layer, frame=layer.frame.assign(**measures))

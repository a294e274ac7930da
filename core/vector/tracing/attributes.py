"""What a polygon layer says of each polygon: its area, perimeter, length, width, shape and confidence."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import shapely
from affine import Affine
from pyproj import CRS, Geod, Transformer

from core.errors import SceneError, SettingsError
from core.geo import AUTHALIC_RADIUS_M2, GeoRef, authalic_sine, degrees_of, metres_per_unit, ring_areas
from core.vector.layer import PolygonLayer
from core.vector.settings import read_size
from core.vector.tracing.measures import measure_polygons
from core.vector.tracing.polygons import Rings, build_polygons, transformed

PLANAR_TOLERANCE = 1e-3
WIDE_M = 100_000.0
"""How far from a scene's middle its plane is used to measure in."""
STEP_M = 28_000.0
"""Steps in which sides are walked on the ellipsoid: a quarter of a degree."""
FARTHEST_M = 1_000_000.0
"""How far from a scene's middle distances in its plane are true to 1 %."""
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
    """Metres per unit of the CRS where its plane is true to areas within 0.1 % over the scene, else None (degrees, Web Mercator, ...).

    A local CRS is a plane by itself.
    """
    if geo.local:
        return metres_per_unit(geo.crs)
    if geo.crs is None or not geo.crs.is_projected:
        return None
    factor = metres_per_unit(geo.crs)
    if factor is None:
        return None
    plane = abs(geo.transform.determinant) * factor**2
    for row in (0, (height - 1) / 2, height - 1):
        for col in (0, (width - 1) / 2, width - 1):
            true = geo.pixel_area_m2(row, col)
            if not (math.isfinite(true) and abs(plane / true - 1) <= PLANAR_TOLERANCE):
                return None
    return factor


def _equal_area_points(points: np.ndarray, geo: GeoRef, height: int, width: int) -> tuple[np.ndarray, str]:
    """Points (N, 2) of the CRS in the Lambert azimuthal equal-area plane of the scene's middle, in metres, and the name of the method.

    Points on the other side of the earth are infinite.
    """
    crs = _earth(geo)
    lon, lat = (float(values[0]) for values in degrees_of(crs, *geo.points([height / 2], [width / 2])))
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise _outside(geo)
    plane = CRS.from_proj4(f"+proj=laea +lat_0={lat:.9f} +lon_0={lon:.9f} +datum=WGS84 +units=m +no_defs")
    metric = np.column_stack(Transformer.from_crs(crs, plane, always_xy=True).transform(points[:, 0], points[:, 1]))
    return metric, f"geodesic (WGS84, Lambert azimuthal equal-area at {lat:.4f}, {lon:.4f})"


def _earth(geo: GeoRef) -> CRS:
    """The CRS of a scene that lies on the earth."""
    if geo.crs is None:
        raise _outside(geo)
    return geo.crs


def _outside(geo: GeoRef) -> SceneError:
    return SceneError(f"coordinates outside of {geo.coordinates}", expected="a place on Earth", do="Correct the scene's transform or CRS")


def _is_wide(metric: np.ndarray) -> bool:
    """Whether points of the plane of a scene's middle lie so far from it that its lengths no longer hold."""
    return not np.isfinite(metric).all() or bool(metric.size and np.abs(metric).max() > WIDE_M)


def _measured_on_ellipsoid(rings: Rings, points: np.ndarray, geo: GeoRef) -> np.ndarray:
    """The columns of `measure_polygons` (P, 6) for rings of any size; without centroids, which are no points of the CRS.

    Sides are walked in the CRS by steps; perimeters are geodesic. Areas, long and short sides are those in the equal-area plane of each
    polygon's own middle; of polygons that reach round the earth the areas are what their rings enclose on the ellipsoid. NaN for polygons
    with a point off the earth, as pictures from far above it have them.
    """
    points, offsets = _walked(points, rings.offsets, _earth(geo))
    lon, lat = degrees_of(_earth(geo), points[:, 0], points[:, 1])
    off_earth = ~(np.isfinite(lon) & np.isfinite(lat))
    if off_earth.all():
        raise _outside(geo)
    lon[off_earth] = lat[off_earth] = 0
    first = rings.polygons[:-1]
    ring_of = np.searchsorted(offsets, np.arange(len(lon)), side="right") - 1
    inner = np.flatnonzero(ring_of[1:] == ring_of[:-1])
    signed = np.bincount(
        ring_of[inner], points[inner, 0] * points[inner + 1, 1] - points[inner + 1, 0] * points[inner, 1], offsets.size - 1
    )
    eastwards = np.bincount(ring_of[inner], (lon[inner + 1] - lon[inner] + 180) % 360 - 180, offsets.size - 1) > 0
    # A ring with its inside on the left runs eastwards round the north pole, and westwards round the south pole.
    areas = ring_areas(lon, lat, offsets, north=(signed > 0) == eastwards)
    sides = Geod(ellps="WGS84").inv(lon[inner], lat[inner], lon[inner + 1], lat[inner + 1])[2]
    lengths = np.bincount(ring_of[inner], sides, offsets.size - 1)
    polygon_of = np.repeat(np.arange(first.size), np.diff(rings.polygons))
    is_outer = np.zeros(offsets.size - 1, bool)
    is_outer[first] = True
    table = np.zeros((first.size, 6))
    table[:, 0] = np.bincount(polygon_of, np.where(is_outer, areas, -areas), first.size)
    table[:, 1] = np.bincount(polygon_of, lengths, first.size)
    around, far = _around_own_middle(lon, lat, polygon_of[ring_of], first.size)
    plane = measure_polygons(around, offsets, rings.polygons)
    compact = np.bincount(polygon_of[ring_of], far, first.size) == 0
    table[compact, 0] = plane[compact, 0]
    table[:, 4:] = plane[:, 4:]
    table[np.unique(polygon_of[ring_of[off_earth]])] = np.nan
    return table


def _walked(points: np.ndarray, offsets: np.ndarray, crs: CRS) -> tuple[np.ndarray, np.ndarray]:
    """Closed rings with more points on sides of more than a quarter of a degree, and their offsets."""
    unit = metres_per_unit(crs)
    if unit is None:  # an angle
        unit = math.degrees(crs.axis_info[0].unit_conversion_factor or math.radians(1)) * 4 * STEP_M
    counts = np.clip(np.ceil(np.hypot(*np.diff(points, axis=0).T) * unit / STEP_M), 1, 4096).astype(int)
    counts[offsets[1:-1] - 1] = 1  # from one ring to the next
    starts = np.repeat(np.arange(counts.size), counts)
    share = (np.arange(starts.size) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[starts]
    steps = np.diff(points, axis=0)
    walked = np.vstack([points[starts] + share[:, None] * steps[starts], points[-1:]])
    now = np.r_[0, np.cumsum(counts)]  # where each point lies now
    return walked, np.r_[now[offsets[:-1]], now[-1] + 1].astype(np.int64)


def _around_own_middle(lon: np.ndarray, lat: np.ndarray, polygon: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 2) in metres in the equal-area plane of the middle of their polygon (N,), on the authalic sphere (Snyder 1987), and which
    of them lie more than 60 degrees from it."""
    height, angle = authalic_sine(lat), np.radians(lon)
    flat = np.sqrt(np.maximum(1 - height**2, 0))
    unit = np.column_stack([flat * np.cos(angle), flat * np.sin(angle), height])
    middle = np.column_stack([np.bincount(polygon, unit[:, k], count) for k in range(3)])
    middle = middle / np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-12)
    sin0 = np.clip(middle[:, 2], -0.9999999, 0.9999999)[polygon]
    cos0, angle0 = np.sqrt(1 - sin0**2), np.arctan2(middle[:, 1], middle[:, 0])[polygon]
    across = np.cos(angle - angle0)
    towards = sin0 * height + cos0 * flat * across
    stretch = np.sqrt(2 / np.maximum(1 + towards, 1e-9)) * math.sqrt(AUTHALIC_RADIUS_M2)
    x = stretch * flat * np.sin(angle - angle0)
    y = stretch * (cos0 * height - sin0 * flat * across)
    return np.column_stack([x, y]), towards < 0.5


def measure(rings: Rings, points: np.ndarray, geo: GeoRef, height: int, width: int) -> tuple[dict[str, np.ndarray], str]:
    """Columns of measures of the rings' polygons, each (P,) float64, and the name of the area method; `points` are the rings' in the CRS.

    area_m2, perimeter_m, length_m, width_m (area_px, ... where metres are not known); perimeter_m includes holes. compactness is
    4 pi area / perimeter squared, 1 for a disc. centroid_x and centroid_y are in the layer's CRS.

    Measured in pixels, or metres by the user's pixel size, without CRS; in the plane of a CRS that is true to areas, or local; for any
    other CRS in the Lambert azimuthal equal-area plane of the scene's middle on the WGS84 ellipsoid, where areas are geodesic and lengths
    true to 1e-5 within 50 km (Snyder 1987); where a scene reaches further than `WIDE_M`, polygon by polygon on the ellipsoid. Raises
    SceneError where the CRS has no such place.
    """
    unit = geo.units
    factor = planar_factor(geo, height, width)
    if geo.crs is None or unit == "px":
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
        if _is_wide(metric):
            table, method = _measured_on_ellipsoid(rings, points, geo), "geodesic (WGS84, each polygon by itself)"
        else:
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

    0 where they touch; NaN for the targets themselves, and for all when there are none. Measured in the plane that `measure` uses. Raises
    SettingsError for a scene so wide that no plane holds its lengths.
    """
    out = np.full(len(geometry), np.nan)
    asking = np.flatnonzero(~targets)
    if not targets.any() or asking.size == 0:
        return out
    factor = planar_factor(geo, height, width)
    if geo.crs is None or geo.units == "px":
        unit = geo.pixel_size_m or 1.0
        geometry = build_polygons(rings, rings.xy)
    elif factor is not None:
        unit = factor
    else:
        metric = _equal_area_points(points, geo, height, width)[0]
        if not np.isfinite(metric).all() or np.abs(metric).max(initial=0) > FARTHEST_M:
            raise SettingsError(
                "distances over a scene that reaches round the earth",
                expected=f"one that reaches at most {FARTHEST_M / 1000:g} km from its middle",
                do="Leave the distances out, or trace a part of it",
            )
        unit, geometry = 1.0, build_polygons(rings, metric)
    tree = shapely.STRtree(geometry[targets])
    (row, _), found = tree.query_nearest(geometry[asking], return_distance=True, all_matches=False)
    out[asking[row]] = found * unit
    return out


def measure_shapes(geometry: np.ndarray, geo: GeoRef, height: int, width: int) -> tuple[dict[str, np.ndarray], str]:
    """`measure` for Shapely polygons (P,) in the layer's coordinates."""
    if len(geometry) == 0:
        rings = Rings(np.empty((0, 2)), np.zeros(1, np.int64), np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0))
        return measure(rings, rings.xy, geo, height, width)
    _, points, numbers = shapely.to_ragged_array(geometry)
    offsets, polygons = (of.astype(np.int64) for of in numbers)  # Shapely has them as int32: kernels would be compiled once more
    rings = Rings(transformed(points, ~geo.transform), offsets, polygons, np.arange(len(geometry)), np.empty(0))
    return measure(rings, np.ascontiguousarray(points), geo, height, width)


def remeasured(layer: PolygonLayer, changed: np.ndarray | None = None) -> PolygonLayer:
    """The layer with area, perimeter, length, width, compactness and centroid of its polygons, or those `changed` (P,) bool, taken anew."""
    frame = layer.frame
    changed = np.ones(len(frame), bool) if changed is None else changed
    measures, _ = measure_shapes(frame.geometry.to_numpy()[changed], layer.geo, layer.made["height"], layer.made["width"])
    columns = {name: frame[name].to_numpy(float).copy() for name in measures}
    for name, values in measures.items():
        columns[name][changed] = values
    return replace(layer, frame=frame.assign(**columns))

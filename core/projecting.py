"""Geometries to another CRS: sides that bend get points, and what runs over the antimeridian or holds a pole stays one area."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import shapely
from pyproj import CRS, Transformer

from core.geo import degrees_of, metres_per_unit

LONLAT = CRS.from_epsg(4326)

_LONG_M = 5000.0
_LONG_DEGREES = 0.05
"""Sides longer than this are asked whether they bend; shorter ones lie off by a millionth of their length at most."""
_TURNING = 0.2
"""Degrees of longitude from which on a short side is asked, too."""
_BEND = 2e-4
"""How far a side may lie off after the move, as a share of its length, before it gets points."""
_MOST_PIECES = 256
_TURN = 60.0
"""Degrees of longitude that a piece may span, so that which way it runs round the earth is never in doubt."""
_POLE = 90 - 1e-9
_HAIR = 1e-9
_OVER_POLE = 179.9
"""A piece that turns by this many degrees runs over the pole."""


def moved(geometry: np.ndarray, source: CRS, target: CRS) -> np.ndarray:
    """Geometries from one CRS to another, x before y. A layer over the antimeridian stays in one piece, with longitudes beyond 180.

    Long sides that bend get points. A polygon that holds a pole is closed along it, from longitude -180 to 180. Coordinates where one of
    the CRS does not hold become infinite. Raises pyproj's ProjError where no way leads from one to the other.
    """
    if len(geometry) == 0 or source.equals(target, ignore_axis_order=True):
        return geometry
    move = _mover(source, target)
    there = shapely.transform(geometry, lambda xy: np.column_stack(move(xy)))
    bent = _may_bend(geometry, there, source, target)
    if bent.size:
        geometry = geometry.copy()
        for k in bent:
            geometry[k] = _by_rings(geometry[k], lambda ring: _with_points(ring, move, turning=bool(target.is_geographic)))
        there[bent] = shapely.transform(geometry[bent], lambda xy: np.column_stack(move(xy)))
    if not target.is_geographic or source.is_geographic:  # whose longitudes run on as they are
        return _together(there) if target.is_geographic else there
    for k in _torn(there):
        there[k] = _rejoined(geometry[k], move)
    return _together(there)


def within_180(geometry: np.ndarray) -> np.ndarray:
    """Cut polygons and lines that run beyond longitude 180 in two, as RFC 7946 asks (section 3.1.9), each part within -180 to 180."""
    bounds = shapely.bounds(geometry)
    if not len(geometry):
        return geometry
    beyond = (bounds[:, 2] > 180) | (bounds[:, 0] < -180) | (bounds[:, 3] > 90) | (bounds[:, 1] < -90)
    out = geometry.copy()
    for k in np.flatnonzero(beyond & np.isfinite(bounds).all(axis=1)):
        out[k] = _cut(geometry[k])
    return out


def _mover(source: CRS, target: CRS) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    if target.equals(LONLAT, ignore_axis_order=True):
        return lambda xy: degrees_of(source, xy[:, 0], xy[:, 1])
    transformer = Transformer.from_crs(source, target, always_xy=True)
    return lambda xy: transformer.transform(xy[:, 0], xy[:, 1])


# ---- sides that bend ----


def _may_bend(geometry: np.ndarray, there: np.ndarray, source: CRS, target: CRS) -> np.ndarray:
    """Numbers of geometries with a long side, or one that turns: near a pole the shortest side does."""
    longest = _LONG_DEGREES if source.is_geographic else _LONG_M / (metres_per_unit(source) or 1.0)
    xy, owner = shapely.get_coordinates(geometry, return_index=True)
    sides = np.hypot(*np.diff(xy, axis=0).T) > longest
    if target.is_geographic:
        turned = np.diff(shapely.get_coordinates(there)[:, 0])
        sides |= np.abs((turned + 180) % 360 - 180) > _TURNING
    return np.unique(owner[1:][sides & (owner[1:] == owner[:-1])])


def _with_points(ring: np.ndarray, move: Callable, *, turning: bool) -> np.ndarray:
    """The points (n, 2) of a ring or line, and more on sides that bend; the same ones whichever way a side is walked."""
    steps = np.diff(ring, axis=0)
    shares = np.linspace(0, 1, 9)
    samples = ring[:-1, None] + shares[None, :, None] * steps[:, None]
    x, y = (np.reshape(values, (-1, 9)) for values in move(samples.reshape(-1, 2)))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):  # a side off the earth, between corners that may lie on it
        return np.full_like(ring, np.inf)
    if turning:  # longitudes run on, so that a side over the antimeridian is no side round the earth
        x = x[:, :1] + np.cumsum(np.pad((np.diff(x) + 180) % 360 - 180, ((0, 0), (1, 0))), axis=1)
    # A degree of longitude is short near the poles, where a side may turn by many.
    east = np.cos(np.radians(np.clip(y, -90, 90))) if turning else np.ones_like(y)
    middles = (east[:, 1:] + east[:, :-1]) / 2
    length = np.hypot(np.diff(x) * middles, np.diff(y)).sum(axis=1)
    beside = (x - x[:, :1] - shares * (x[:, -1:] - x[:, :1])) * east
    off = np.hypot(beside, y - y[:, :1] - shares * (y[:, -1:] - y[:, :1])).max(axis=1)
    pieces = np.sqrt(off / np.maximum(length, 1e-12) / _BEND)
    if turning:
        pieces = np.maximum(pieces, np.ptp(x, axis=1) / _TURN)
    counts = np.clip(np.ceil(pieces), 1, _MOST_PIECES).astype(int)
    starts = np.repeat(np.arange(len(steps)), counts)
    share = (np.arange(starts.size) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[starts]
    return np.vstack([ring[starts] + share[:, None] * steps[starts], ring[-1:]])


def _by_rings(geometry, change: Callable[[np.ndarray], np.ndarray]):
    """A geometry whose rings and lines are changed one by one."""
    kind = geometry.geom_type
    if kind == "Polygon":
        rings = [change(shapely.get_coordinates(ring)) for ring in (geometry.exterior, *geometry.interiors)]
        return shapely.Polygon(rings[0], rings[1:])
    if kind in ("LineString", "LinearRing"):
        return shapely.LineString(change(shapely.get_coordinates(geometry)))
    if kind.startswith("Multi") or kind == "GeometryCollection":
        return type(geometry)([_by_rings(part, change) for part in geometry.geoms])
    return geometry


# ---- the antimeridian and the poles ----


def _torn(there: np.ndarray) -> np.ndarray:
    """Numbers of geometries with a side that jumps round the earth, or a point at a pole."""
    xy, owner = shapely.get_coordinates(there, return_index=True)
    jumps = (np.abs(np.diff(xy[:, 0])) > 180) & (owner[1:] == owner[:-1])
    poles = (np.abs(xy[:, 1]) > _POLE) & np.isfinite(xy[:, 0])
    return np.unique(np.r_[owner[1:][jumps], owner[poles]])


def _rejoined(geometry, move: Callable):
    """A geometry of the source CRS in longitude and latitude, its sides the short way round the earth."""
    kind = geometry.geom_type
    if kind in ("Point", "MultiPoint"):
        return shapely.transform(geometry, lambda xy: np.column_stack(move(xy)))
    if kind in ("LineString", "LinearRing"):
        return shapely.LineString(_unwound(shapely.get_coordinates(geometry), move))
    if kind != "Polygon":
        parts = [part for piece in geometry.geoms for part in shapely.get_parts(_rejoined(piece, move))]
        return type(geometry)(parts)
    rings = [_unwound(_leftwards(shapely.get_coordinates(ring)), move) for ring in (geometry.exterior, *geometry.interiors)]
    if not all(np.isfinite(ring).all() for ring in rings):
        return shapely.transform(geometry, lambda xy: np.full_like(xy, np.inf))
    areas = [shapely.make_valid(shapely.Polygon(_closed(ring))) for ring in rings]
    if len(areas) == 1 and not _turns(rings[0]):
        plain = shapely.Polygon(rings[0])
        return plain if plain.is_valid else _polygons(areas[0])
    if not any(_turns(ring) for ring in rings):
        shell = areas[0]
        holes = [shapely.transform(hole, lambda xy, hole=hole: np.add(xy, (_shift_onto(hole, shell), 0))) for hole in areas[1:]]
        return _polygons(shell.difference(shapely.union_all(holes)))
    areas = [_cut(area) for area in areas]
    return _polygons(areas[0].difference(shapely.union_all(areas[1:])) if len(areas) > 1 else areas[0])


def _leftwards(ring: np.ndarray) -> np.ndarray:
    """A ring with its inside on the left."""
    x, y = (ring - ring[0]).T
    return ring if np.dot(x[:-1], y[1:]) >= np.dot(x[1:], y[:-1]) else ring[::-1]


def _unwound(ring: np.ndarray, move: Callable) -> np.ndarray:
    """Longitudes and latitudes (n, 2) along a ring or line, longitudes running on beyond 180; over a pole it runs along latitude 90."""
    lon, lat = (np.asarray(values, float) for values in move(ring))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return np.column_stack([lon, lat])
    points: list[tuple[float, float]] = []
    at_pole = np.abs(lat) > _POLE
    for k in range(len(lon)):
        before, after = k - 1 if k else len(lon) - 2, k + 1 if k + 1 < len(lon) else 1
        if at_pole[k] and not at_pole[before] and not at_pole[after]:  # no longitude is its own: those of both neighbours are walked
            ends = [(float(lon[before]), float(np.copysign(90.0, lat[k]))), (float(lon[after]), float(np.copysign(90.0, lat[k])))]
            points += ends if k else ends[1:]
            continue
        if points and not (at_pole[k - 1] or at_pole[k]) and abs((lon[k] - points[-1][0] + 180) % 360 - 180) > _OVER_POLE:
            pole = np.copysign(90.0, lat[k] + points[-1][1])
            points += [(points[-1][0], pole), (lon[k], pole)]
        points.append((float(lon[k]), float(lat[k])))
    out = np.array(points)
    steps = (np.diff(out[:, 0]) + 180) % 360 - 180
    along_pole = np.flatnonzero((np.abs(out[1:, 1]) > _POLE) & (np.abs(out[:-1, 1]) > _POLE))
    turns = round(float(steps.sum()) / 360)
    if along_pole.size and turns and np.array_equal(ring[0], ring[-1]):
        steps[along_pole[0]] -= 360 * turns  # a pole on the ring is walked the way round that closes it
    out[1:, 0] = out[0, 0] + np.cumsum(steps)
    # Sums end a hair beside the antimeridian, which would be cut off as an area of its own.
    edges = 180 * np.round(out[:, 0] / 180)
    out[:, 0] = np.where(np.abs(out[:, 0] - edges) < _HAIR, edges, out[:, 0])
    return out


def _turns(ring: np.ndarray) -> int:
    """How often a ring runs round the earth."""
    return round(float(ring[-1, 0] - ring[0, 0]) / 360)


def _closed(ring: np.ndarray) -> np.ndarray:
    """A ring that runs once round the earth, closed along the pole on its left, from one crossing of longitude 180 to the next."""
    turns = _turns(ring)
    if not turns:
        ring[-1] = ring[0]
        return ring
    lon, lat = ring[:-1, 0], ring[:-1, 1]
    pole = 90.0 * np.sign(turns)
    # Walked on for a second turn, so that one whole turn begins where the ring crosses the antimeridian nearest to the pole: from there
    # to the pole it crosses nothing.
    lon, lat = np.r_[lon, lon + 360 * turns, lon[0] + 720 * turns], np.r_[lat, lat, lat[0]]
    side = np.floor((lon * turns + 180) / 360)
    crossings = np.flatnonzero(side[1 : len(ring)] > side[: len(ring) - 1])
    edges = (side[crossings + 1] * 360 - 180) * turns
    heights = lat[crossings] + (edges - lon[crossings]) / (lon[crossings + 1] - lon[crossings]) * (lat[crossings + 1] - lat[crossings])
    nearest = int(np.argmin(np.abs(heights - pole)))
    k, edge, height = int(crossings[nearest]), float(edges[nearest]), float(heights[nearest])
    inner = slice(k + 1, k + len(ring))
    ends = edge + 360 * turns
    turn = np.column_stack([np.r_[edge, lon[inner], ends], np.r_[height, lat[inner], height]])
    return np.vstack([turn, [(ends, pole), (edge, pole), (edge, height)]])


def _shift_onto(hole, shell) -> float:
    """By how many degrees a hole has to be moved to lie in its shell."""
    shifts = (0.0, 360.0, -360.0)
    west, _, east, _ = shell.bounds
    return max(shifts, key=lambda shift: min(east, hole.bounds[2] + shift) - max(west, hole.bounds[0] + shift))


def _cut(geometry):
    """The parts of a geometry within longitude -180 to 180 and latitude -90 to 90, each moved there."""
    areas = "Polygon" in geometry.geom_type
    geometry = shapely.make_valid(geometry) if areas else geometry
    west, _, east, _ = geometry.bounds
    parts = []
    for turn in range(int(np.floor((west + 180) / 360)), int(np.floor((east + 180) / 360)) + 1):
        piece = shapely.intersection(geometry, shapely.box(-180 + 360 * turn, -90, 180 + 360 * turn, 90))
        piece = shapely.transform(piece, lambda xy, turn=turn: np.subtract(xy, (360 * turn, 0)))
        pieces = shapely.get_parts(shapely.get_parts(piece))
        parts += [part for part in pieces if part.length > 0 and ("Polygon" in part.geom_type) == areas]
    if areas:
        return _polygons(shapely.union_all(parts) if len(parts) > 1 and east - west > 360 else shapely.MultiPolygon(parts))
    return parts[0] if len(parts) == 1 else shapely.MultiLineString(parts)


def _polygons(geometry):
    """The polygons of whatever came out of an operation on areas, one as Polygon, several as MultiPolygon."""
    parts = [part for part in shapely.get_parts(shapely.get_parts(geometry)) if part.geom_type == "Polygon" and part.area > 0]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _together(there: np.ndarray) -> np.ndarray:
    """Geometries on both sides of the antimeridian and nowhere else, all on one side of it, with longitudes beyond 180."""
    bounds = shapely.bounds(there)
    whole = np.isfinite(bounds).all(axis=1)
    if not whole.any():
        return there
    west, east = bounds[:, 0], bounds[:, 2]
    middle = (west + east) / 2
    turns = np.where(whole, -360 * np.floor((middle + 180) / 360), 0)
    if np.ptp(np.r_[west[whole], east[whole]]) > 180 or (west + turns)[whole].min() < -180:
        beyond = turns + np.where(middle + turns < 0, 360, 0)
        if (east + beyond)[whole].max() - (west + beyond)[whole].min() < 180:
            turns = beyond
    for shift in np.unique(turns[turns != 0]):
        chosen = turns == shift
        there[chosen] = shapely.transform(there[chosen], lambda xy, shift=shift: np.add(xy, (shift, 0)))
    return there

"""Coordinates as OGC API Features names and orders them: by URIs, with the axes as their authority has them."""

from __future__ import annotations

import math

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
"""Longitude and latitude, in this order: what is answered in where nothing else is asked for."""
_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
_ALWAYS = (4326, 3857)
Box = tuple[float, float, float, float]


def uri_of(crs: CRS) -> str:
    """The URI of a CRS that has a code of EPSG, that of longitude and latitude for any other."""
    code = crs.to_epsg()
    return CRS84 if code is None else f"{_EPSG}{code}"


def uris_for(storage: str) -> list[str]:
    """The URIs that a layer whose storage CRS is `storage` can be asked in, each once."""
    return list(dict.fromkeys((CRS84, storage, *(f"{_EPSG}{code}" for code in _ALWAYS))))


def crs_by(uri: str) -> CRS:
    """The CRS of a URI that `uris_for` gave."""
    return CRS.from_authority("OGC", "CRS84") if uri == CRS84 else CRS.from_epsg(int(uri.removeprefix(_EPSG)))


def northing_first(crs: CRS) -> bool:
    """Whether the authority of a CRS names the coordinate that runs north or south before the other."""
    axes = crs.axis_info
    return len(axes) >= 2 and axes[0].direction.lower() in ("north", "south") and axes[1].direction.lower() in ("east", "west")


def turned(geometry: np.ndarray) -> np.ndarray:
    """Geometries (n,) with their two axes exchanged."""
    return shapely.transform(geometry, lambda xy: xy[:, ::-1])


def turned_box(box: Box) -> Box:
    """A box (x, y, x, y) with its two axes exchanged."""
    return box[1], box[0], box[3], box[2]


def lonlat_box(bounds: Box, crs: CRS) -> Box | None:
    """West, south, east and north in degrees around bounds (x, y, x, y) in a CRS; None where it does not hold there.

    East is smaller than west where the antimeridian lies between.
    """
    try:
        west, south, east, north = Transformer.from_crs(crs, 4326, always_xy=True).transform_bounds(*bounds, densify_pts=21)
    except (CRSError, ProjError):
        return None
    if not all(map(math.isfinite, (west, south, east, north))):
        return None
    return within(west), max(south, -90.0), within(east), min(north, 90.0)


def within(degrees: float) -> float:
    """A longitude from -180 to 180."""
    return degrees if -180 <= degrees <= 180 else (degrees + 180) % 360 - 180


def box_in_storage(box: Box, given: str, storage: str, ground: Box, reach: Box) -> Box:
    """A box that was asked for in the CRS `given`, in the storage CRS, both with the axes of their authorities.

    `ground` is where the layer lies in degrees, `reach` its bounds (x, y, x, y) in the storage CRS: only the part of the box around the
    layer is moved, since no projection holds for the whole earth. What is far away becomes a box beside the layer.
    """
    asked = crs_by(given)
    box = turned_box(box) if northing_first(asked) else box
    degrees = box if asked.is_geographic else lonlat_box(box, asked)
    beside = reach[2] + 1.0, reach[3] + 1.0, reach[2] + 2.0, reach[3] + 2.0
    parts = (
        []
        if degrees is None
        else [part for one in _unwound(degrees) for other in _unwound(_wider(ground)) if (part := _common(one, other))]
    )
    moved = [Transformer.from_crs(4326, crs_by(storage), always_xy=True).transform_bounds(*part, densify_pts=21) for part in parts]
    known = [one for one in moved if all(map(math.isfinite, one))]
    if len(known) < len(moved):
        known = [reach]
    low, high = (0, 1), (2, 3)
    found: Box = beside
    if known:
        sides = [min(one[side] for one in known) for side in low] + [max(one[side] for one in known) for side in high]
        found = (sides[0], sides[1], sides[2], sides[3])
    return turned_box(found) if northing_first(crs_by(storage)) else found


def _wider(box: Box) -> Box:
    """A box in degrees with a rim of a hundredth around it, so that nothing on its border is lost by rounding."""
    rim = 0.01
    return box[0] - rim, max(-90.0, box[1] - rim), box[2] + rim, min(90.0, box[3] + rim)


def _unwound(box: Box) -> list[Box]:
    """A box in degrees as one, or as two where the antimeridian lies between."""
    west, south, east, north = box
    return [box] if west <= east else [(west, south, 180.0, north), (-180.0, south, east, north)]


def _common(one: Box, other: Box) -> Box | None:
    west, south, east, north = max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])
    return (west, south, east, north) if west <= east and south <= north else None

"""What a printed map says of its place: extent, size on the ground, and the day."""

from __future__ import annotations

import time

import numpy as np

from core.vector.layer import PolygonLayer, crs_name
from core.words import length_words


def place_words(layer: PolygonLayer) -> str:
    """The corners of a layer's scene in its coordinates and its size on the ground, as far as they are known, in one line."""
    height, width, geo = layer.made["height"], layer.made["width"], layer.geo
    side = geo.pixel_size(height / 2, width / 2)
    if side is None or not np.isfinite(side).all():
        size = f"Size: {width:,} by {height:,} pixels."
    else:
        high, wide = (length_words(count * one, "m") for count, one in zip((height, width), side, strict=True))
        size = f"Size: {wide} by {high}, pixels of {np.sqrt(side[0] * side[1]):.3g} m."
    if geo.crs is None and not geo.unnamed:
        return size
    corners = np.array([geo.transform * corner for corner in ((0, 0), (width, 0), (width, height), (0, height))])
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    decimals = 5 if geo.crs is not None and geo.crs.is_geographic else 1
    x, y = (f"{low:,.{decimals}f} to {high:,.{decimals}f}" for low, high in ((west, east), (south, north)))
    return f"Extent: x {x}, y {y} ({crs_name(geo)}). {size}"


def day_words() -> str:
    """Today, as people write it on paper."""
    day = time.localtime()
    return f"{day.tm_mday} {time.strftime('%B %Y', day)}"

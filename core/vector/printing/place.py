"""What a printed map says of its place: extent, size on the ground, and the day."""

from __future__ import annotations

import time

import numpy as np

from core.vector.layer import PolygonLayer, crs_name
from core.words import length_words


def extent_words(layer: PolygonLayer) -> str:
    """The corners of a layer's scene in its coordinates, in one line."""
    height, width, geo = layer.made["height"], layer.made["width"], layer.geo
    corners = np.array([geo.transform * corner for corner in ((0, 0), (width, 0), (width, height), (0, height))])
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    if geo.crs is None and not geo.unnamed:
        return f"Extent: {width:,} by {height:,} pixels"
    decimals = 5 if geo.crs is not None and geo.crs.is_geographic else 1
    x, y = (f"{low:,.{decimals}f} to {high:,.{decimals}f}" for low, high in ((west, east), (south, north)))
    return f"Extent: x {x}, y {y} ({crs_name(geo)})"


def ground_words(layer: PolygonLayer) -> str:
    """How wide and high a layer's scene is on the ground, where that is known, and the size of its pixels, in one line."""
    height, width, geo = layer.made["height"], layer.made["width"], layer.geo
    side = geo.pixel_size(height / 2, width / 2) or ((geo.pixel_size_m,) * 2 if geo.pixel_size_m else None)
    if side is None or not np.isfinite(side).all():
        return f"Size: {width:,} by {height:,} pixels"
    high, wide = (length_words(count * one, "m") for count, one in zip((height, width), side, strict=True))
    return f"Size: {wide} by {high}, pixels of {np.sqrt(side[0] * side[1]):.3g} m"


def day_words() -> str:
    """Today, as people write it on paper."""
    day = time.localtime()
    return f"{day.tm_mday} {time.strftime('%B %Y', day)}"

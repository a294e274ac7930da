"""Places in a scene's own coordinates, as a few numbers that a browser can work with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from core.geo import GeoRef, degrees_of

_ORDER = 4
_GRID = 9
_WORST_PX = 0.05
"""How far off, in pixels, the numbers may be; where a scene is so large that they are further off, there are none."""


def of(geo: GeoRef, height: int, width: int) -> dict[str, Any] | None:
    """Polynomials that lead from what a map counts (degrees, or columns and rows without a place on the earth) to the scene's coordinates.

    `middle` and `half` bring both into -1 to 1, `powers` are those of each term, `axes` the weights of x and y, `names` and `digits` how
    they are written. None where the map counts what the scene does, or no polynomial of this order is true to a twentieth of a pixel.
    """
    crs = geo.crs if geo.georeferenced else None
    if crs.is_geographic if crs is not None else not (geo.local or geo.unnamed):
        return None
    rows, cols = (steps.ravel() for steps in np.meshgrid(np.linspace(0, height, _GRID), np.linspace(0, width, _GRID), indexing="ij"))
    x, y = geo.points(rows, cols)
    seen = np.column_stack(degrees_of(crs, x, y) if crs is not None else (cols, rows))
    if not np.isfinite(seen).all():
        return None
    low, high = seen.min(axis=0), seen.max(axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, 1e-12)
    u, v = ((seen - middle) / half).T
    powers = [(a, b) for a in range(_ORDER + 1) for b in range(_ORDER + 1 - a)]
    terms = np.column_stack([u**a * v**b for a, b in powers])
    weights = np.linalg.lstsq(terms, np.column_stack([x, y]), rcond=None)[0]
    pixel = math.sqrt(abs(geo.transform.determinant))
    if np.abs(terms @ weights - np.column_stack([x, y])).max() > _WORST_PX * pixel:
        return None
    return {
        "middle": middle.tolist(),
        "half": half.tolist(),
        "powers": powers,
        "axes": weights.T.tolist(),
        "names": ["E", "N"] if crs is not None else ["x", "y"],
        "digits": int(np.clip(1 - math.floor(math.log10(pixel)), 0, 6)),
    }

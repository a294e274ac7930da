"""Where a mask lies, compared with its image: the same grid, the same grid turned or moved, or another one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer

from core.errors import MaskError
from core.geo import GeoRef, applied
from core.scenes.scene import Scene, Source, Window

SAME, MOVED, ELSEWHERE, APART = "same", "moved", "elsewhere", "apart"
WARP, PIXELS = "warp", "pixels"
"""What a remedy can say about a mask on another grid: take the nearest pixels of it, or take it pixel for pixel as if it lay there."""
_HALF_PX = 0.5
_WHOLE_PX = 0.1
_KNOT_PX = 32


@dataclass(frozen=True)
class MaskPlace:
    """How a mask lies to its image: "same", "moved" by whole pixels or turned, "elsewhere" (on another grid), or "apart" (sharing no
    ground); `words` say it for people.

    `mapping` takes (column, row) of the image to those of the mask where both share a CRS, exactly where the mask is "moved".
    """

    kind: str
    words: str = ""
    mapping: Affine | None = None


def mask_place(image: Scene, mask: Scene) -> MaskPlace:
    """How the mask lies to the image, told from transform and CRS; "same" where one of the two does not say where it lies.

    The corners of the image must fall on whole pixels of the mask to a tenth, or all to half a pixel where they are meant to be.
    """
    if not (image.geo.situated and mask.geo.situated) or image.geo == mask.geo:
        return MaskPlace(SAME)
    own, other = image.geo.crs, mask.geo.crs
    together = own is None or other is None or own == other
    corners = np.array([(0, 0), (image.width, 0), (0, image.height), (image.width, image.height)], np.float64)
    found = _to_mask(corners, image.geo, mask.geo)
    if not np.isfinite(found).all():
        return MaskPlace(ELSEWHERE, f"the CRS {_name(other)}, which cannot be compared with the image's {_name(own)}")
    if np.abs(found - corners).max() <= _HALF_PX:
        return MaskPlace(SAME)
    # Columns and rows of the mask as a straight function of those of the image, as its corners say.
    right, down = (found[1] - found[0]) / image.width, (found[2] - found[0]) / image.height
    near = np.rint(np.array([right, down]).T)
    whole = np.rint(found[0])
    turned = np.abs(near).sum(axis=0).tolist() == [1, 1] and np.abs(near).sum(axis=1).tolist() == [1, 1]
    if turned and np.abs(found - (corners @ near.T + whole)).max() <= _WHOLE_PX:
        mapping = Affine(near[0, 0], near[0, 1], whole[0], near[1, 0], near[1, 1], whole[1])
        if _overlap(found, mask):
            return MaskPlace(MOVED, _turned_words(near, whole, mask), mapping)
        far = np.abs(found.mean(axis=0) - np.array([mask.width, mask.height]) / 2).max()
        return MaskPlace(APART, f"its own place, {far:.0f} pixels away from the image, and they share none")
    if not together and own is not None:
        return MaskPlace(ELSEWHERE, f"the CRS {_name(other)}, the image {_name(own)}")
    mapping = ~mask.geo.transform * image.geo.transform
    sides = np.hypot((mapping.a, mapping.b), (mapping.d, mapping.e))
    if np.abs(sides - 1).max() > 1e-3:
        return MaskPlace(ELSEWHERE, f"pixels of another size ({1 / sides[0]:.4g} times the image's)", mapping)
    off = found[0] - corners[0]
    return MaskPlace(ELSEWHERE, f"a grid that is {off[1]:+.2f} rows and {off[0]:+.2f} columns off the image's", mapping)


def _turned_words(near: np.ndarray, whole: np.ndarray, mask: Scene) -> str:
    """In which way a mask's grid is turned or moved."""
    if near[0, 0] == 0:
        return "its rows are the image's columns"
    words = [word for sign, word in ((near[1, 1], "rows run the other way"), (near[0, 0], "columns run the other way")) if sign < 0]
    cols, rows = whole - np.where(near.sum(axis=1) < 0, (mask.width, mask.height), 0)
    if cols or rows:
        words.append(f"it lies {-rows:+.0f} rows and {-cols:+.0f} columns away")
    return " and ".join(words)


def place_mask(mask: Scene, image: Scene, how: str = "", *, heeds_gaps: bool = True) -> Scene:
    """The mask on the grid of its image, nearest pixels where `how` is "warp"; where it does not reach nothing is labelled.

    `how` "pixels" takes it as it is. Raises MaskError for a mask that lies elsewhere when `how` is empty.
    """
    if how == PIXELS:
        return mask
    found = mask_place(image, mask)
    if found.kind == SAME:
        return mask
    if found.kind in (ELSEWHERE, APART) and how != WARP:
        raise MaskError(
            f"mask {mask.path.name} lies elsewhere than its image {image.path.name}: it has {found.words}",
            expected="a mask on the grid of its image",
            do="Run the audit, whose remedy brings it there by its nearest pixels, or mend the mask",
        )
    source = PlacedSource(mask.source, mask.bands, mask.shape, found.mapping, image.geo, mask.geo, heeds_gaps)
    return replace(mask, height=image.height, width=image.width, geo=image.geo, source=source)


@dataclass(frozen=True)
class PlacedSource:
    """Reads a mask by the nearest pixels on another grid; `shape` is the mask's own (height, width)."""

    inner: Source
    bands: int
    shape: tuple[int, int]
    mapping: Affine | None
    geo: GeoRef
    mask_geo: GeoRef
    heeds_gaps: bool

    def read(self, window: Window, bands: Sequence[int], out_shape: tuple[int, int] | None, categorical: bool) -> np.ndarray:
        """Pixels (h, w, bands), 0 where the mask does not reach; see Scene.read."""
        rows, cols, inside, box = self._places(window, out_shape)
        if box is None:
            return np.zeros((*rows.shape, len(bands)), np.uint8)
        pixels = self.inner.read(box, bands, None, True)[rows - box.row, cols - box.col]
        pixels[~inside] = 0
        return pixels

    def valid(self, window: Window, out_shape: tuple[int, int] | None) -> np.ndarray:
        """bool (h, w): False where the mask does not reach; see Scene.valid."""
        rows, cols, inside, box = self._places(window, out_shape)
        if box is None or not self.heeds_gaps:
            return inside
        return inside & self.inner.valid(box, None)[rows - box.row, cols - box.col]

    def fingerprint(self) -> str:
        """Digest of the mask and of both grids."""
        return hashlib.sha256(f"{self.inner.fingerprint()}{self.geo}{self.mask_geo}".encode()).hexdigest()[:16]

    def _places(self, window: Window, out_shape: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, Window | None]:
        """Row and column of the mask for each pixel, int (h, w); whether they lie in it; and the window that holds them all."""
        shape = out_shape or (window.height, window.width)
        # The middles of the image's own pixels, so that a turned mask is decimated like one that is not.
        down = window.row + np.floor((np.arange(shape[0]) + 0.5) * window.height / shape[0]) + 0.5
        right = window.col + np.floor((np.arange(shape[1]) + 0.5) * window.width / shape[1]) + 0.5
        if self.mapping is not None:
            x, y = np.meshgrid(right, down)
            cols, rows = applied(self.mapping, x, y)
        else:
            cols, rows = self._warped(right, down)
        inside = (rows >= 0) & (rows < self.shape[0]) & (cols >= 0) & (cols < self.shape[1])
        if not inside.any():
            return np.zeros(shape, int), np.zeros(shape, int), inside, None
        rows, cols = np.floor(np.where(inside, rows, -1)).astype(int), np.floor(np.where(inside, cols, -1)).astype(int)
        top, left = int(rows[inside].min()), int(cols[inside].min())
        box = Window(top, left, int(rows.max()) - top + 1, int(cols.max()) - left + 1)
        return np.maximum(rows, top), np.maximum(cols, left), inside, box

    def _warped(self, right: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Column and row in the mask for columns and rows of the image: exact every 32 pixels, linear between."""
        knots_x, knots_y = (_knots(line) for line in (right, down))
        x, y = np.meshgrid(knots_x, knots_y)
        found = _to_mask(np.column_stack([x.ravel(), y.ravel()]), self.geo, self.mask_geo).reshape(*x.shape, 2)
        return tuple(_between(found[..., axis], knots_x, knots_y, right, down) for axis in (0, 1))  # type: ignore[return-value]


def _name(crs: CRS | None) -> str:
    return "none" if crs is None else crs.name


def _to_mask(points: np.ndarray, geo: GeoRef, mask_geo: GeoRef) -> np.ndarray:
    """(column, row) in the mask of points (column, row) of the image, float (n, 2); not finite where the CRSs cannot be compared."""
    x, y = applied(geo.transform, points[:, 0], points[:, 1])
    if geo.crs is not None and mask_geo.crs is not None and geo.crs != mask_geo.crs:
        transformer = _transformer(geo.crs, mask_geo.crs)
        if transformer is None:
            return np.full_like(points, np.nan)
        x, y = transformer.transform(x, y)
    return np.column_stack(applied(~mask_geo.transform, np.asarray(x), np.asarray(y)))


@lru_cache(maxsize=32)
def _transformer(one: CRS, other: CRS) -> Transformer | None:
    from pyproj.exceptions import ProjError

    try:
        return Transformer.from_crs(one, other, always_xy=True)
    except ProjError:
        return None


def _overlap(found: np.ndarray, mask: Scene) -> bool:
    low, high = found.min(axis=0), found.max(axis=0)
    return bool((low < (mask.width, mask.height)).all() and (high > 0).all())


def _knots(line: np.ndarray) -> np.ndarray:
    count = max(2, int(np.ceil((line[-1] - line[0]) / _KNOT_PX)) + 1)
    return np.linspace(line[0], max(line[-1], line[0] + 1e-6), count)


def _between(values: np.ndarray, knots_x: np.ndarray, knots_y: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Values at knots (rows, columns) interpolated linearly at every crossing of `down` and `right`."""
    across = np.stack([np.interp(right, knots_x, row) for row in values])
    place = np.interp(down, knots_y, np.arange(len(knots_y)))
    low = np.minimum(place.astype(int), len(knots_y) - 2)
    part = (place - low)[:, None]
    return across[low] * (1 - part) + across[low + 1] * part

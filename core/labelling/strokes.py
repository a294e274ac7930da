"""Strokes: what a hand painted on a scene, in the order of painting; and the pixels that they cover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from core.errors import SettingsError
from core.scenes.scene import Window

NOT_PAINTED = -1
_NARROWEST_PX = 1.5
"""A brush of this width covers the centre of one pixel at least, wherever it is put down."""
_QUARTER_STEPS = 4
_STEP_PX = 512


@dataclass(frozen=True)
class Stroke:
    """One stroke of a class, or of the eraser (`class_name` None), which takes away what was painted there before.

    `geometry` is a (Multi)LineString, (Multi)Polygon or (Multi)Point in pixels of the scene, x = column and y = row downward from the
    upper left corner; `width_px` is that of lines and points.
    """

    class_name: str | None
    geometry: BaseGeometry
    width_px: float = 3.0

    @cached_property
    def area(self) -> BaseGeometry:
        """What it covers: a line or point as by a round brush of its width, a polygon as it is, or mended where its sides cross."""
        if self.geometry.geom_type == "GeometryCollection":
            return shapely.union_all([Stroke(None, part, self.width_px).area for part in self.geometry.geoms])
        if shapely.get_dimensions(self.geometry) == 2:
            return self.geometry if self.geometry.is_valid else shapely.make_valid(self.geometry)
        return self.geometry.buffer(max(self.width_px, _NARROWEST_PX) / 2, quad_segs=_QUARTER_STEPS)

    @cached_property
    def reach(self) -> tuple[float, float, float, float]:
        """Columns and rows that it reaches to: left, top, right, bottom."""
        spare = (
            0.0
            if shapely.get_dimensions(self.geometry) == 2 and self.geometry.geom_type != "GeometryCollection"
            else max(self.width_px, _NARROWEST_PX) / 2
        )
        left, top, right, bottom = self.geometry.bounds
        return left - spare, top - spare, right + spare, bottom + spare


def covering(strokes: Sequence[Stroke], window: Window) -> np.ndarray:
    """Number of the stroke that counts, the last painted, int32 (h, w); -1 where none is or the eraser was last."""
    near = _near(strokes, window)
    return _without_erasers(_drawn(strokes, near, window), strokes)


def burn(strokes: Sequence[Stroke], names: Sequence[str], window: Window) -> np.ndarray:
    """Place in `names` of the class painted on each pixel whose centre a stroke covers, int16 (h, w); -1 where nothing is painted.

    The later stroke wins. Raises SettingsError for a stroke of a class that `names` lacks.
    """
    ids = np.array([*class_ids(strokes, names), NOT_PAINTED], np.int16)
    return ids[covering(strokes, window)]


def class_ids(strokes: Sequence[Stroke], names: Sequence[str]) -> np.ndarray:
    """Place in `names` of each stroke's class, int16 (n,); -1 for the eraser. Raises SettingsError for a class that `names` lacks."""
    places = {name: number for number, name in enumerate(names)} | {None: NOT_PAINTED}
    unknown = next((one.class_name for one in strokes if one.class_name not in places), None)
    if unknown is not None:
        raise SettingsError(f"a stroke of {unknown!r}", expected=f"one of {', '.join(names)}", do="Add the class first")
    return np.array([places[one.class_name] for one in strokes], np.int16)


def painted_names(strokes: Sequence[Stroke]) -> tuple[str, ...]:
    """The classes that strokes have, each once, in the order of painting."""
    return tuple(dict.fromkeys(one.class_name for one in strokes if one.class_name is not None))


def bounds_of(strokes: Sequence[Stroke]) -> np.ndarray:
    """Columns and rows (n, 4) that each stroke reaches to: left, top, right, bottom."""
    return np.array([one.reach for one in strokes], float).reshape(-1, 4)


def tiles_under(strokes: Sequence[Stroke], scene: Window, size_px: int) -> list[Window]:
    """The tiles of a scene, cut at its ends, that strokes may touch, row by row."""
    found: set[Window] = set()
    for bounds in bounds_of(strokes) if strokes else ():
        if not np.isfinite(bounds).all():
            continue
        left, top, right, bottom = np.floor(bounds / size_px).astype(int) * size_px
        for row in range(max(0, top), min(bottom, scene.height - 1) + 1, size_px):
            for col in range(max(0, left), min(right, scene.width - 1) + 1, size_px):
                found.add(Window(row, col, size_px, size_px).intersect(scene))
    return sorted(found)


def painted_twice(strokes: Sequence[Stroke], scene: Window) -> dict[tuple[str, str], int]:
    """Pixels painted as one class and later as another, by both names."""
    areas = np.array([one.area for one in strokes], object)
    one, other = shapely.STRtree(areas).query(areas, predicate="intersects")
    names = [stroke.class_name for stroke in strokes]
    clashing = sorted({k for a, b in zip(one.tolist(), other.tolist(), strict=True) if names[a] != names[b] for k in (a, b)})
    suspects = [strokes[k] for k in clashing]
    found: Counter[tuple[str, str]] = Counter()
    tree = shapely.STRtree(areas[clashing])
    for tile in tiles_under(suspects, scene, _STEP_PX):
        before = np.full((tile.height, tile.width), NOT_PAINTED)
        for number in np.sort(tree.query(shapely.box(tile.col, tile.row, tile.col_stop, tile.row_stop))):
            near = _around(suspects[number], tile)
            if not near.pixels:
                continue
            here = _drawn(suspects, np.array([number]), near) >= 0
            under = before[Window(near.row - tile.row, near.col - tile.col, near.height, near.width).slices]
            name = suspects[number].class_name
            for earlier in np.unique(under[here & (under >= 0)]):
                pair = suspects[earlier].class_name, name
                if None not in pair and pair[0] != name:
                    found[pair] += int((under[here] == earlier).sum())
            under[here] = number  # a view of `before`
    return dict(found)


def _around(stroke: Stroke, tile: Window) -> Window:
    """The part of a tile that a stroke reaches to."""
    left, top = np.floor(stroke.reach[:2]).astype(int)
    right, bottom = np.ceil(stroke.reach[2:]).astype(int)
    return Window(int(top), int(left), int(bottom - top), int(right - left)).intersect(tile)


def _near(strokes: Sequence[Stroke], window: Window) -> np.ndarray:
    """Numbers of the strokes that may touch a window, in the order of painting."""
    if not strokes:
        return np.empty(0, int)
    left, top, right, bottom = bounds_of(strokes).T
    return np.flatnonzero((left < window.col_stop) & (right > window.col) & (top < window.row_stop) & (bottom > window.row))


def _drawn(strokes: Sequence[Stroke], numbers: np.ndarray, window: Window) -> np.ndarray:
    shape, place = (window.height, window.width), Affine.translation(window.col, window.row)
    shapes = [(strokes[k].area, int(k)) for k in numbers]
    return rasterize(shapes, shape, fill=NOT_PAINTED, transform=place, dtype="int32") if shapes else np.full(shape, NOT_PAINTED, np.int32)


def _without_erasers(drawn: np.ndarray, strokes: Sequence[Stroke]) -> np.ndarray:
    counts = np.array([*(one.class_name is not None for one in strokes), False], bool)
    return np.where(counts[drawn], drawn, np.int32(NOT_PAINTED))

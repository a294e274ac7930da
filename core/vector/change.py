"""What differs between two class rasters or layers: two dates, or two models. A matrix of areas, and polygons of change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pyproj import Transformer

from core.classes import ClassScheme
from core.colours.choosing import distinct_colours
from core.errors import SceneError
from core.progress import OnProgress, ShouldStop, check, report
from core.vector.editing.burning import painted
from core.vector.layer import PolygonLayer
from core.vector.tracing.attributes import planar_factor
from core.vector.tracing.sources import LabelSource, open_labels
from core.vector.vectorize import vectorize

BAND_PIXELS = 1 << 20
BAND_M = 20_000.0
"""Height of a band whose pixels count as equally large."""
SAME_GRID_PX = 1e-3
UNCHANGED = "Unchanged"


@dataclass(frozen=True)
class ChangeResult:
    """Polygons of change and the areas behind them.

    layer: columns as a polygon layer has them, with from_class and to_class. matrix: rows = class in the first, columns = class in the
    second, areas of pixels in units ("m": m2, "px": px). compared_area: where both have a class; changed_area: where they differ.
    """

    layer: PolygonLayer
    matrix: pd.DataFrame
    units: str

    @property
    def compared_area(self) -> float:
        """Area where both have a class, m2 or px."""
        return float(self.matrix.to_numpy().sum())

    @property
    def changed_area(self) -> float:
        """Area where the classes differ, m2 or px."""
        names = self.matrix.columns
        return self.compared_area - float(sum(self.matrix.at[name, name] for name in self.matrix.index if name in names))

    def pairs(self) -> pd.DataFrame:
        """from_class, to_class, area, and share (0 to 1) of what was compared, of each pair that differs, largest first."""
        long = self.matrix.stack().rename_axis(["from_class", "to_class"]).rename("area").reset_index()
        long = long[(long["from_class"] != long["to_class"]) & (long["area"] > 0)]
        return long.assign(share=long["area"] / (self.compared_area or 1.0)).sort_values("area", ascending=False, ignore_index=True)


def change(
    first: Any,
    second: Any,
    *,
    threshold: float = 0.0,
    min_area: float | str = "4px",
    simplify: float | str = "1px",
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> ChangeResult:
    """Compare two prediction folders, class rasters, arrays or polygon layers; classes are matched by their names.

    The second is brought to the grid of the first by the nearest pixel. Pixels that either of them leaves without a class (or that are
    less sure than `threshold`, 0 to 1) are not compared. min_area, simplify: as in `vectorize`, for the polygons only; the matrix counts
    every pixel. Read by bands of rows. Raises SceneError when the two do not overlap or only one has coordinates.
    """
    one, two = (_open(source, threshold) for source in (first, second))
    other_rows = _on_grid(one, two)
    names = tuple(dict.fromkeys((*one.scheme.names, *two.scheme.names)))
    to_one, to_two = (_numbers(source.scheme, names) for source in (one, two))

    def pair_rows(r0: int, r1: int) -> np.ndarray:
        """from * K + to, -1 where either has no class."""
        was, now = _looked_up(to_one, one.rows(r0, r1)), _looked_up(to_two, other_rows(r0, r1))
        return np.where((was < 0) | (now < 0), -1, was * len(names) + now)

    areas = np.zeros(len(names) ** 2)
    step = _band_rows(one)
    for row in range(0, one.height, step):
        check(should_stop)
        report(on_progress, row, 2 * one.height, "comparing pixels")
        until = min(row + step, one.height)
        pairs = pair_rows(row, until)
        areas += np.bincount(pairs[pairs >= 0], minlength=areas.size) * _pixel_area(one, row, until)
    if not areas.any():
        raise SceneError(
            f"{one.name} and {two.name}, which share no pixel with a class",
            expected="two results that overlap",
            do="Choose two results of the same place",
        )
    matrix = pd.DataFrame(areas.reshape(len(names), -1), index=list(names), columns=list(names))
    matrix = matrix.loc[[n for n in names if n in one.scheme.names], [n for n in names if n in two.scheme.names]]
    layer = _polygons(one, two, pair_rows, areas.reshape(len(names), -1), names, min_area, simplify, on_progress, should_stop)
    return ChangeResult(layer, matrix, one.geo.units)


def _polygons(one, two, pair_rows, areas, names, min_area, simplify, on_progress, should_stop) -> PolygonLayer:
    """Polygons of the pairs that differ, traced together with what is unchanged, so that small ones can join it."""
    count = len(names)
    changed = np.flatnonzero((areas > 0) & ~np.eye(count, dtype=bool))
    codes = np.zeros(count * count + 1, np.int32)  # 0: unchanged
    codes[changed] = np.arange(1, changed.size + 1)
    nothing = max(255, changed.size + 1)
    codes[-1] = nothing
    titles = [UNCHANGED] + [f"{names[pair // count]} → {names[pair % count]}" for pair in changed]
    colours = tuple(distinct_colours(len(titles)))
    source = LabelSource(
        " and ".join(_called(one, two)),
        one.height,
        one.width,
        one.geo,
        ClassScheme(tuple(titles), colours, ignored_id=nothing, ignored_colours=()),
        lambda r0, r1: codes[pair_rows(r0, r1)],
        None,
    )

    def tracing(done: int, total: int, message: str) -> None:
        report(on_progress, total + done, 2 * total, message)

    layer = vectorize(
        source,
        min_area=min_area,
        simplify=simplify,
        classes=titles[1:],
        on_progress=tracing if on_progress else None,
        should_stop=should_stop,
    ).layer
    frame = layer.frame
    pair = changed[frame["class_id"].to_numpy() - 1] if len(frame) else np.empty(0, int)
    words = np.array(names, object)
    frame = frame.drop(columns=[name for name in frame if "confidence" in name or name in ("mean_margin", "second_class")])
    frame.insert(3, "from_class", words[pair // count])
    frame.insert(4, "to_class", words[pair % count])
    return replace(layer, frame=frame, made={**layer.made, **dict(zip(("first", "second"), _called(one, two), strict=True))})


def _called(*sources: LabelSource) -> list[str]:
    """What is compared: by scenes, and by models as well where two of one scene are."""
    names = [source.name for source in sources]
    return names if len({*names}) == len(names) else [f"{source.name} with {source.model or 'no model'}" for source in sources]


def _open(source: Any, threshold: float) -> LabelSource:
    if isinstance(source, PolygonLayer):
        return labels_of_layer(source)
    return source if isinstance(source, LabelSource) else open_labels(source, threshold=threshold)


def labels_of_layer(layer: PolygonLayer) -> LabelSource:
    """The class ids that a layer paints on its scene's grid, by rows; the ignored id where there is no polygon."""
    shapes, ids = layer.frame.geometry.to_numpy(), layer.frame["class_id"].to_numpy()
    height, width, ignored = int(layer.made["height"]), int(layer.made["width"]), layer.scheme.ignored_id

    def rows(r0: int, r1: int) -> np.ndarray:
        return painted(shapes, ids, layer, r0, np.full((r1 - r0, width), ignored, np.int32))

    return LabelSource(str(layer.made.get("source", "layer")), height, width, layer.geo, layer.scheme, rows, None)


def _numbers(scheme: ClassScheme, names: tuple[str, ...]) -> np.ndarray:
    """Number in `names` of each class id of a scheme, and -1 in one more place, for every other id."""
    numbers = [names.index(name) if k != scheme.ignored_id else -1 for k, name in enumerate(scheme.names)]
    return np.array([*numbers, -1], np.int64)


def _looked_up(numbers: np.ndarray, ids: np.ndarray) -> np.ndarray:
    ids = ids.astype(np.int64)
    return numbers[np.where((ids < 0) | (ids >= numbers.size - 1), numbers.size - 1, ids)]


def _band_rows(source: LabelSource) -> int:
    # Pixels of a grid in degrees shrink towards the poles, so there the bands are low.
    rows, geo = max(1, BAND_PIXELS // source.width), source.geo
    if not geo.georeferenced or planar_factor(geo, source.height, source.width) is not None:
        return rows
    size = max(geo.pixel_size(source.height / 2, source.width / 2) or (0.0,))
    return max(1, min(rows, 64, int(BAND_M / size) if 0 < size < BAND_M else 1))


def _pixel_area(source: LabelSource, row: int, until: int) -> float:
    """Mean area of the pixels of some rows, m2 or px."""
    geo = source.geo
    factor = planar_factor(geo, source.height, source.width)
    if factor:
        return abs(geo.transform.determinant) * factor**2
    area = geo.block_area_m2(row, 0, until - row, source.width)
    return area / ((until - row) * source.width) if area else 1.0


def _on_grid(one: LabelSource, two: LabelSource) -> Callable[[int, int], np.ndarray]:
    """rows(r0, r1) of the second on the grid of the first; its ignored id where it holds nothing."""
    same_size = (one.height, one.width) == (two.height, two.width)
    unnamed = one.geo.unnamed and two.geo.unnamed
    crs = one.geo.crs
    same_crs = unnamed or (crs is not None and two.geo.crs is not None and crs.equals(two.geo.crs, ignore_axis_order=True))
    if not same_crs and not (one.geo.georeferenced and two.geo.georeferenced):
        if same_size:
            return two.rows
        found = "neither has coordinates" if one.geo.crs is two.geo.crs else "their coordinates have nothing in common"
        if (one.geo.crs is None) != (two.geo.crs is None):
            found = "only one of them has coordinates"
        raise SceneError(
            f"{one.name} of {one.height} x {one.width} and {two.name} of {two.height} x {two.width} pixels, and {found}",
            expected="two results of the same size, or both with coordinates",
            do="Choose two results of the same scene",
        )
    back = ~two.geo.transform * one.geo.transform
    if same_crs and same_size:
        corners = np.array([back * point for point in ((0, 0), (one.width, 0), (0, one.height), (one.width, one.height))])
        ends = np.array([(0, 0), (one.width, 0), (0, one.height), (one.width, one.height)])
        if np.abs(corners - ends).max() < SAME_GRID_PX:
            return two.rows
    move = None if same_crs else Transformer.from_crs(one.geo.crs, two.geo.crs, always_xy=True)
    most = max(1, BAND_PIXELS // two.width)

    def rows(r0: int, r1: int) -> np.ndarray:
        cols, down = np.meshgrid(np.arange(one.width) + 0.5, np.arange(r0, r1) + 0.5)
        if move is None:
            x, y = back * (cols, down)
        else:
            x, y = ~two.geo.transform * move.transform(*(one.geo.transform * (cols, down)))
        inside = (x >= 0) & (x < two.width) & (y >= 0) & (y < two.height)
        out = np.full(inside.shape, two.scheme.ignored_id, np.int64)
        if not inside.any():
            return out
        col, row = np.floor(x[inside]).astype(np.int64), np.floor(y[inside]).astype(np.int64)
        found = np.empty(row.size, np.int64)
        for top in range(int(row.min()), int(row.max()) + 1, most):
            here = (row >= top) & (row < top + most)
            if here.any():
                found[here] = two.rows(top, min(top + most, two.height))[row[here] - top, col[here]]
        out[inside] = found
        return out

    return rows

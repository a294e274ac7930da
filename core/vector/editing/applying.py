"""The corrected layer: the steps of a log, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import shapely

from core.errors import SettingsError
from core.vector.editing.log import Corrections
from core.vector.layer import PolygonLayer
from core.vector.tracing.attributes import remeasured


def apply(layer: PolygonLayer, corrections: Corrections) -> PolygonLayer:
    """The corrected layer: measures taken anew, ids as they were, and a column `corrected` (bool) for what the steps touched.

    A polygon of another class keeps its place and loses its confidence, which was the model's in its own answer. A polygon that takes
    in a deleted one gets the mean confidence of both by their areas, and no percentile. Raises SettingsError for an id that the layer
    does not have (any more) or a class that its scheme does not have.
    """
    frame = layer.frame.reset_index(drop=True)
    table = _Table(
        frame.geometry.to_numpy().copy(),
        frame["class_id"].to_numpy().copy(),
        frame[layer.area_column].to_numpy(float).copy(),
        {name: frame[name].to_numpy(float).copy() for name in ("mean_confidence", "confidence_p10", "mean_margin") if name in frame},
        frame["on_edge"].to_numpy(bool).copy(),
        np.zeros(len(frame), bool),
        np.ones(len(frame), bool),
    )
    place = {int(one): k for k, one in enumerate(frame["id"])}
    for step in corrections.done:
        rows = [place.get(one, -1) for one in step.ids]
        missing = [one for one, row in zip(step.ids, rows, strict=True) if row < 0 or not table.alive[row]]
        if missing:
            raise SettingsError(
                f"a correction of polygon {missing[0]}, which is not in the layer",
                expected="polygons of this layer",
                do="Undo this step, or trace with the settings that it was made with",
            )
        if step.class_name is None:
            _take_out(table, rows, step.fill)
        else:
            if step.class_name not in layer.scheme.names:
                expected = f"one of {', '.join(layer.scheme.names[:20])}"
                raise SettingsError(f"no class {step.class_name!r}", expected=expected, do="Undo this step")
            class_id = layer.scheme.names.index(step.class_name)
            changed = [row for row in rows if table.classes[row] != class_id]
            table.classes[changed] = class_id
            table.corrected[changed] = True
            for values in table.sure.values():
                values[changed] = np.nan
    names = np.array(layer.scheme.names, object)
    columns = {"class_id": table.classes, "class_name": names[table.classes], "on_edge": table.on_edge, "corrected": table.corrected}
    fresh = frame.assign(**columns, **table.sure)
    if "second_class" in fresh:
        fresh.loc[table.corrected, "second_class"] = ""
    fresh = fresh.set_geometry(gpd.GeoSeries(table.shapes, crs=frame.crs))[table.alive].reset_index(drop=True)
    made = {**layer.made, "corrections": corrections.describe()} if corrections.done else layer.made
    if not table.corrected.any() and table.alive.all():
        return replace(layer, frame=fresh, made=made)
    return remeasured(replace(layer, frame=fresh, made=made))


@dataclass
class _Table:
    """The columns that corrections change, one entry for each polygon of the layer."""

    shapes: np.ndarray
    classes: np.ndarray
    areas: np.ndarray
    sure: dict[str, np.ndarray]
    on_edge: np.ndarray
    corrected: np.ndarray
    alive: np.ndarray


def _take_out(table: _Table, rows: Sequence[int], fill: str) -> None:
    """Delete polygons; with "merge" those beside a polygon that stays go first, so that a whole group is taken in by its neighbours."""
    waiting = list(rows)
    table.alive[waiting] = False
    while waiting and fill == "merge":
        left = []
        for row in waiting:
            heir = _heir(table, row)
            if heir is None:
                left.append(row)
                continue
            shape = shapely.union(table.shapes[heir], table.shapes[row])
            if shape.geom_type != "Polygon":  # parts that touch in points only: no one polygon can hold them
                left.append(row)
                continue
            table.shapes[heir] = shape
            weights = table.areas[heir], table.areas[row]
            for name, values in table.sure.items():
                values[heir] = np.nan if name == "confidence_p10" else np.average([values[heir], values[row]], weights=weights)
            table.areas[heir] += table.areas[row]
            table.on_edge[heir] |= table.on_edge[row]
            table.corrected[heir] = True
        if len(left) == len(waiting):
            return
        waiting = left


def _heir(table: _Table, row: int) -> int | None:
    """The polygon that stays and shares most border with this one; the larger one of equals."""
    shape = table.shapes[row]
    box = shape.bounds
    bounds = shapely.bounds(table.shapes)
    near = table.alive & (bounds[:, 0] <= box[2]) & (bounds[:, 2] >= box[0]) & (bounds[:, 1] <= box[3]) & (bounds[:, 3] >= box[1])
    rows = np.flatnonzero(near)
    shared = shapely.length(shapely.intersection(shapely.boundary(table.shapes[rows]), shape.boundary)) if rows.size else np.empty(0)
    if not (shared > 0).any():
        return None
    return int(rows[np.lexsort((-table.areas[rows], -shared))[0]])

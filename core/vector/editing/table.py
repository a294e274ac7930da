"""The columns of a layer that corrections change, and polygons taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import geopandas as gpd
import numpy as np
import shapely

from core.vector.layer import PolygonLayer

_CONFIDENCES = ("mean_confidence", "confidence_p10", "mean_margin")


@dataclass
class Table:
    """The columns that corrections change, one entry for each polygon that is or was there; `source` is the row of the layer that the
    others are taken from, `rim` the outline of the scene."""

    ids: np.ndarray
    source: np.ndarray
    shapes: np.ndarray
    classes: np.ndarray
    areas: np.ndarray
    sure: dict[str, np.ndarray]
    on_edge: np.ndarray
    corrected: np.ndarray
    alive: np.ndarray
    rim: shapely.Polygon
    pixel: float

    @classmethod
    def of(cls, layer: PolygonLayer) -> Table:
        """The columns of a layer."""
        frame = layer.frame.reset_index(drop=True)
        height, width = int(layer.made["height"]), int(layer.made["width"])
        return cls(
            frame["id"].to_numpy(np.int64).copy(),
            np.arange(len(frame)),
            frame.geometry.to_numpy().copy(),
            frame["class_id"].to_numpy().copy(),
            frame[layer.area_column].to_numpy(float).copy(),
            {name: frame[name].to_numpy(float).copy() for name in _CONFIDENCES if name in frame},
            frame["on_edge"].to_numpy(bool).copy(),
            np.zeros(len(frame), bool),
            np.ones(len(frame), bool),
            shapely.polygons([layer.geo.xy(*corner) for corner in ((0, 0), (0, width), (height, width), (height, 0))]),
            abs(layer.geo.transform.determinant) ** 0.5,
        )

    def copy(self) -> Table:
        """The same columns, for steps that leave these as they are."""
        columns = {one.name: getattr(self, one.name) for one in fields(self)}
        columns = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in columns.items()}
        return Table(**columns | {"sure": {name: values.copy() for name, values in self.sure.items()}})

    def frame(self, layer: PolygonLayer) -> gpd.GeoDataFrame:
        """The layer's frame with these columns, measures as they were."""
        names = np.array(layer.scheme.names, object)
        columns = {"id": self.ids, "class_id": self.classes, "class_name": names[self.classes], "on_edge": self.on_edge}
        fresh = layer.frame.iloc[self.source].reset_index(drop=True).assign(**columns, corrected=self.corrected, **self.sure)
        if "second_class" in fresh:
            fresh.loc[self.corrected, "second_class"] = ""
        return fresh.set_geometry(gpd.GeoSeries(self.shapes, crs=layer.frame.crs))[self.alive].reset_index(drop=True)

    def add(self, like: int, shape: shapely.Polygon) -> int:
        """A polygon more, with all but id and outline of the row `like`; returns its row. What it takes from that one is the caller's."""
        row = len(self.ids)
        self.ids = np.append(self.ids, self.ids.max() + 1)
        for name in ("source", "shapes", "classes", "areas", "on_edge", "corrected", "alive"):
            values = getattr(self, name)
            setattr(self, name, np.append(values, values[[like]]))
        self.sure = {name: np.append(values, values[like]) for name, values in self.sure.items()}
        self.alive[row] = True
        self.put(row, shape, like=like)
        return row

    def put(self, row: int, shape: shapely.Polygon, *, like: int | None = None) -> None:
        """Give a row another outline; its area goes with that of the row `like`, its own old one where none is named."""
        old = self.shapes[row if like is None else like].area
        self.areas[row] *= shape.area / old
        self.shapes[row] = shape
        self.on_edge[row] = shapely.dwithin(shape, self.rim.exterior, 1e-6 * self.pixel)

    def take_in(self, heir: int, other: int, area: float) -> None:
        """Have a row's confidence hold that of another one, of which it takes in an area, in the unit of `areas`."""
        weights = self.areas[heir], area
        for name, values in self.sure.items():
            values[heir] = np.nan if name == "confidence_p10" else np.average([values[heir], values[other]], weights=weights)
        self.corrected[heir] = True

    def changed_class(self, rows: Sequence[int], class_id: int) -> None:
        """Give rows another class, which the model's confidence does not tell of."""
        changed = [row for row in rows if self.classes[row] != class_id]
        self.classes[changed] = class_id
        self.corrected[changed] = True
        for values in self.sure.values():
            values[changed] = np.nan


def take_out(table: Table, rows: Sequence[int], fill: str) -> None:
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
            table.take_in(heir, row, table.areas[row])
            table.areas[heir] += table.areas[row]
            table.on_edge[heir] |= table.on_edge[row]
        if len(left) == len(waiting):
            return
        waiting = left


def _heir(table: Table, row: int) -> int | None:
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

"""Corrections of a layer by hand: a log that can be undone, the layer with the corrections applied, and a mask to train on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely

from core.datasets.masks.writing import mask_type, write_mask
from core.errors import InputError, SettingsError
from core.files import read_json, write_json
from core.vector.layer import PolygonLayer
from core.vector.tracing.attributes import remeasured

FILLS = ("merge", "hole")


@dataclass(frozen=True)
class Step:
    """One correction: polygons `ids` get the class `class_name`, or are deleted when it is None, filled by "merge" or left a "hole"."""

    ids: tuple[int, ...]
    class_name: str | None = None
    fill: str = "merge"

    def text(self) -> str:
        """The step in words."""
        which = f"polygon {self.ids[0]}" if len(self.ids) == 1 else f"{len(self.ids)} polygons"
        if self.class_name is not None:
            return f"{which} to {self.class_name}"
        return f"{which} deleted, {'merged into the neighbour' if self.fill == 'merge' else 'left as a hole'}"


@dataclass(frozen=True)
class Corrections:
    """Steps that count, oldest first, and steps that were undone, the next one to redo last. Every method returns a new object."""

    done: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()

    def __len__(self) -> int:
        return len(self.done)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self.done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to redo."""
        return bool(self.undone)

    def reclass(self, ids: int | Sequence[int], class_name: str) -> Corrections:
        """Give polygons another class."""
        return self._and(Step(_ids(ids), str(class_name)))

    def delete(self, ids: int | Sequence[int], *, fill: str = "merge") -> Corrections:
        """Take polygons out; fill "merge" gives their place to the neighbour with most shared border, "hole" to nobody."""
        if fill not in FILLS:
            raise SettingsError(f"fill {fill!r}", expected=f"one of {', '.join(FILLS)}", do="Choose what takes the place")
        return self._and(Step(_ids(ids), None, fill))

    def _and(self, step: Step) -> Corrections:
        return Corrections((*self.done, step))

    def undo(self) -> Corrections:
        """Without the last step; the same when there is none."""
        return Corrections(self.done[:-1], (*self.undone, self.done[-1])) if self.done else self

    def redo(self) -> Corrections:
        """With the step that was undone last; the same when there is none."""
        return Corrections((*self.done, self.undone[-1]), self.undone[:-1]) if self.undone else self

    def describe(self) -> list[str]:
        """One line for each step, the newest last."""
        return [step.text() for step in self.done]

    def save(self, path: str | os.PathLike) -> Path:
        """Write the log as JSON, in one step."""
        return write_json(path, {"corrections": [_row(step) for step in self.done], "undone": [_row(step) for step in self.undone]})

    @classmethod
    def load(cls, path: str | os.PathLike) -> Corrections:
        """Read a log; a missing file is an empty one. Raises InputError when it is none."""
        if not Path(path).exists():
            return cls()
        try:
            value = read_json(path)
            return cls(*(tuple(_step(row) for row in value[key]) for key in ("corrections", "undone")))
        except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
            raise InputError(
                f"{Path(path).name} holds no corrections ({type(error).__name__})", expected="a log that Groundline wrote", do="Delete it"
            ) from error


def _ids(ids: int | Iterable[int]) -> tuple[int, ...]:
    ids = tuple(dict.fromkeys(int(one) for one in (ids if isinstance(ids, Iterable) else (ids,))))
    if not ids:
        raise SettingsError("no polygon chosen", expected="at least one id", do="Choose a polygon")
    return ids


def _row(step: Step) -> dict[str, Any]:
    return {"ids": list(step.ids), "class_name": step.class_name, "fill": step.fill}


def _step(row: dict[str, Any]) -> Step:
    name, fill = row["class_name"], row["fill"]
    if fill not in FILLS or not (name is None or isinstance(name, str)) or not row["ids"]:
        raise ValueError(row)
    return Step(tuple(int(one) for one in row["ids"]), name, fill)


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


def burn(layer: PolygonLayer, corrections: Corrections, path: str | os.PathLike, *, base: Any = None) -> Path:
    """Write the corrected class ids as a GeoTIFF on the scene's grid, to train on; nodata is the scheme's ignored id.

    base: the labels that the layer was traced from, as `vectorize` takes them: only what was corrected is painted over them, and
    everything else stays to the pixel. Without it all polygons are painted; a pixel belongs to the polygon that holds its centre.
    Raises SettingsError as `apply` does, and for a base of another size.
    """
    from core.vector.tracing.sources import open_labels

    fresh = apply(layer, corrections)
    height, width, ignored = int(layer.made["height"]), int(layer.made["width"]), layer.scheme.ignored_id
    labels = None if base is None else open_labels(base, scheme=layer.scheme)
    if labels is not None and (labels.height, labels.width) != (height, width):
        raise SettingsError(
            f"labels of {labels.height} x {labels.width} pixels", expected=f"{height} x {width}, as the layer", do="Give the layer's own"
        )
    if labels is None:
        shapes, ids = fresh.frame.geometry.to_numpy(), fresh.frame["class_id"].to_numpy()
    else:
        # What was deleted is painted first, so that a hole stays where no polygon has taken it in.
        gone = layer.frame[~layer.frame["id"].isin(fresh.frame["id"])]
        kept = fresh.frame[fresh.frame["corrected"]]
        shapes = np.concatenate([gone.geometry.to_numpy(), kept.geometry.to_numpy()])
        ids = np.concatenate([np.full(len(gone), ignored), kept["class_id"].to_numpy()])
    dtype = mask_type(layer.scheme)

    def rows(row: int, stop: int) -> np.ndarray:
        under = np.full((stop - row, width), ignored, dtype) if labels is None else labels.rows(row, stop).astype(dtype)
        return painted(shapes, ids, layer, row, under)

    return write_mask(path, (height, width), layer.scheme, layer.geo, rows)


def painted(shapes: np.ndarray, ids: np.ndarray, layer: PolygonLayer, row: int, under: np.ndarray) -> np.ndarray:
    """Class ids (h, w) of the scene's rows from `row` on: `under` with the polygons (n,) of classes `ids` (n,) painted over it."""
    from rasterio.features import rasterize

    height, width = under.shape
    transform = layer.geo.window(row, 0).transform
    corners = np.array([transform * point for point in ((0, 0), (width, 0), (width, height), (0, height))])
    hit = np.flatnonzero(shapely.intersects(shapely.polygons(corners), shapes)) if len(shapes) else np.empty(0, int)
    if hit.size == 0:
        return under
    pairs = zip(shapes[hit].tolist(), np.asarray(ids)[hit].tolist(), strict=True)
    return rasterize(pairs, out=under.copy(), transform=transform, dtype=under.dtype)

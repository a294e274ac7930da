"""The corrected layer: the steps of a log, one after another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.classes import ClassScheme
from core.errors import SettingsError
from core.vector.editing.log import Corrections, Step
from core.vector.editing.outlines import draw, merge, reshape, split
from core.vector.editing.table import Table, take_out
from core.vector.layer import PolygonLayer
from core.vector.tracing.attributes import remeasured


def apply(layer: PolygonLayer, corrections: Corrections) -> PolygonLayer:
    """The corrected layer: measures taken anew, ids as they were, and a column `corrected` (bool) for what the steps touched.

    A polygon of another class keeps its place and loses its confidence, which was the model's in its own answer. A polygon that takes
    in a deleted one gets the mean confidence of both by their areas, and no percentile. One that is cut or gives way keeps its own, and
    new ones get the ids after the last. Raises SettingsError for an id that the layer does not have (any more), a class that its scheme
    does not have, and outlines that do not fit.
    """
    table = Table.of(layer)
    for step in corrections.done:
        _do(table, step, layer.scheme)
    fresh = replace(layer, frame=table.frame(layer))
    if not corrections.done:
        return fresh
    fresh = replace(fresh, made={**layer.made, "corrections": corrections.describe()})
    same = len(table.ids) == len(layer.frame) and table.alive.all() and not table.corrected.any()
    return fresh if same else remeasured(fresh)


def _do(table: Table, step: Step, scheme: ClassScheme) -> None:
    rows = [_row_of(table, one) for one in step.ids]
    class_id = None if step.class_name is None else _class_id(scheme, step.class_name)
    match step.kind:
        case "draw" if class_id is not None:
            draw(table, step.geometry, class_id)
        case "split":
            split(table, rows[0], step.geometry)
        case "merge":
            merge(table, rows)
        case "reshape":
            reshape(table, rows[0], step.geometry)
        case _ if class_id is None:
            take_out(table, rows, step.fill)
        case _:
            table.changed_class(rows, class_id)


def _row_of(table: Table, polygon: int) -> int:
    rows = np.flatnonzero((table.ids == polygon) & table.alive)
    if not rows.size:
        raise SettingsError(
            f"a correction of polygon {polygon}, which is not in the layer",
            expected="polygons of this layer",
            do="Undo this step, or trace with the settings that it was made with",
        )
    return int(rows[0])


def _class_id(scheme: ClassScheme, name: str) -> int:
    if name not in scheme.names:
        raise SettingsError(f"no class {name!r}", expected=f"one of {', '.join(scheme.names[:20])}", do="Undo this step")
    return scheme.names.index(name)

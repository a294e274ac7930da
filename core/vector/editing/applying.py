"""The corrected layer: the steps of a log, one after another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from core.classes import ClassScheme
from core.errors import SettingsError
from core.vector.editing.log import Corrections, Step
from core.vector.editing.outlines import draw, merge, reshape, split
from core.vector.editing.table import Table, take_out
from core.vector.layer import PolygonLayer
from core.vector.tracing.attributes import remeasured


@dataclass(frozen=True)
class Replay:
    """A layer and the steps that were done to it, kept so that a next step needs none of them again."""

    layer: PolygonLayer
    done: tuple[Step, ...]
    table: Table

    @property
    def corrected(self) -> PolygonLayer:
        """What the steps made of the layer, as `apply` says it."""
        fresh = replace(self.layer, frame=self.table.frame(self.layer))
        if not self.done:
            return fresh
        fresh = replace(fresh, made={**self.layer.made, "corrections": Corrections(self.done).describe()})
        # Steps put another outline in the place of the old one, and leave those that they do not change as they are.
        traced, now = self.layer.frame.geometry.to_numpy()[self.table.source], self.table.shapes
        changed = np.array([one is not other for one, other in zip(now, traced, strict=True)], bool)[self.table.alive]
        return remeasured(fresh, changed) if changed.any() else fresh


def replay(layer: PolygonLayer, corrections: Corrections, earlier: Iterable[Replay] = ()) -> Replay:
    """Do the steps of a log to a layer, beginning with that of the `earlier` replays which has done most of them already.

    Raises SettingsError as `apply` does.
    """
    usable = [one for one in earlier if one.layer is layer and one.done == corrections.done[: len(one.done)]]
    begun = max(usable, key=lambda one: len(one.done), default=None)
    table, count = (Table.of(layer), 0) if begun is None else (begun.table.copy(), len(begun.done))
    for step in corrections.done[count:]:
        _do(table, step, layer.scheme)
    return Replay(layer, corrections.done, table)


def apply(layer: PolygonLayer, corrections: Corrections) -> PolygonLayer:
    """The corrected layer: changed outlines measured anew, ids as they were, and a column `corrected` (bool) for what the steps touched.

    A polygon of another class keeps its place and loses its confidence, which was the model's in its own answer. A polygon that takes
    in a deleted one gets the mean confidence of both by their areas, and no percentile. One that is cut or gives way keeps its own, and
    new ones get the ids after the last. Raises SettingsError for an id that the layer does not have (any more), a class that its scheme
    does not have, and outlines that do not fit.
    """
    return replay(layer, corrections).corrected


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

"""Corrections of a layer by hand: a log of steps that can be undone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from core.errors import InputError, SettingsError
from core.files import read_json, write_json

FILLS = ("merge", "hole")


KINDS = {"draw": "Polygon", "split": "LineString", "merge": None, "reshape": "Polygon"}
"""Steps that change outlines, and the geometry that each needs."""
_DONE = {"split": "split", "merge": "merged", "reshape": "reshaped"}


@dataclass(frozen=True)
class Step:
    """One correction of the polygons `ids`.

    Without a `kind` they get the class `class_name`, or are deleted when it is None, filled by "merge" or left a "hole". A kind changes
    outlines: "draw" a new polygon of the class, which takes its place from those that are there; "split" along a line; "merge" into the
    largest; "reshape" to another outline, while neighbours give way or take in what was left. `shape` is WKT in the layer's coordinates.
    """

    ids: tuple[int, ...]
    class_name: str | None = None
    fill: str = "merge"
    kind: str | None = None
    shape: str | None = None

    @property
    def geometry(self) -> shapely.Geometry:
        """The step's own geometry."""
        return shapely.from_wkt(self.shape)

    def text(self, called: Mapping[str, str] | None = None) -> str:
        """The step in words; `called` are other names of classes, by those in the step."""
        to = (called or {}).get(self.class_name or "", self.class_name)
        which = f"polygon {self.ids[0]}" if len(self.ids) == 1 else f"{len(self.ids)} polygons"
        if self.kind is not None:
            words = {
                "draw": f"{to} drawn",
                "split": f"{which} split",
                "merge": f"{which} merged",
                "reshape": f"{which} reshaped",
            }
            return words[self.kind]
        if to is not None:
            return f"{which} to {to}"
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

    def draw(self, shape: shapely.Geometry, class_name: str) -> Corrections:
        """A new polygon of a class, in the layer's coordinates, with a new id. Raises SettingsError for what is no polygon."""
        return self._and(Step((), str(class_name), kind="draw", shape=_text_of(shape, "draw")))

    def split(self, polygon: int, line: shapely.Geometry) -> Corrections:
        """Cut a polygon along a line; its largest part keeps the id. Raises SettingsError for what is no line."""
        return self._and(Step(_ids(polygon), kind="split", shape=_text_of(line, "split")))

    def merge(self, ids: Sequence[int]) -> Corrections:
        """Make one of polygons that touch, with class and id of the largest. Raises SettingsError for fewer than two."""
        step = Step(_ids(ids), kind="merge")
        if len(step.ids) < 2:
            raise SettingsError("one polygon to merge", expected="two or more", do="Choose those that are one thing")
        return self._and(step)

    def reshape(self, polygon: int, shape: shapely.Geometry) -> Corrections:
        """Give a polygon another outline. Raises SettingsError for what is no polygon."""
        return self._and(Step(_ids(polygon), kind="reshape", shape=_text_of(shape, "reshape")))

    def _and(self, step: Step) -> Corrections:
        return Corrections((*self.done, step))

    def undo(self) -> Corrections:
        """Without the last step; the same when there is none."""
        return Corrections(self.done[:-1], (*self.undone, self.done[-1])) if self.done else self

    def redo(self) -> Corrections:
        """With the step that was undone last; the same when there is none."""
        return Corrections((*self.done, self.undone[-1]), self.undone[:-1]) if self.undone else self

    def describe(self, called: Mapping[str, str] | None = None) -> list[str]:
        """One line for each step, the newest last; `called` are other names of classes, by those in the steps."""
        return [step.text(called) for step in self.done]

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
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, shapely.errors.ShapelyError) as error:
            raise InputError(
                f"{Path(path).name} holds no corrections ({type(error).__name__})", expected="a log that Groundline wrote", do="Delete it"
            ) from error


def _ids(ids: int | Iterable[int]) -> tuple[int, ...]:
    ids = tuple(dict.fromkeys(int(one) for one in (ids if isinstance(ids, Iterable) else (ids,))))
    if not ids:
        raise SettingsError("no polygon chosen", expected="at least one id", do="Choose a polygon")
    return ids


def _text_of(shape: shapely.Geometry, kind: str) -> str:
    """WKT of a step's geometry, to the last digit."""
    wrong = _unfit(shape, kind)
    if wrong:
        raise SettingsError(
            f"an outline that {wrong}" if KINDS[kind] == "Polygon" else f"a line that {wrong}",
            expected="one that runs once round its ground" if KINDS[kind] == "Polygon" else "one of two points or more",
            do="Draw it anew",
        )
    return shapely.to_wkt(shapely.force_2d(shape), rounding_precision=-1)


def _unfit(shape: shapely.Geometry, kind: str) -> str | None:
    """Why a geometry cannot be that of a step of this kind, None where it can."""
    if shape.geom_type != KINDS[kind]:
        return f"is a {shape.geom_type}"
    if shape.is_empty or not np.isfinite(shapely.get_coordinates(shape)).all():
        return "has no place"
    if not shape.is_valid or (shape.area if KINDS[kind] == "Polygon" else shape.length) == 0:
        return "crosses itself or holds nothing"
    return None


def _row(step: Step) -> dict[str, Any]:
    plain: dict[str, Any] = {"ids": list(step.ids), "class_name": step.class_name, "fill": step.fill}
    return plain if step.kind is None else plain | {"kind": step.kind, "shape": step.shape}


def _step(row: dict[str, Any]) -> Step:
    name, fill, kind, shape = row["class_name"], row["fill"], row.get("kind"), row.get("shape")
    if fill not in FILLS or not (name is None or isinstance(name, str)) or kind not in (None, *KINDS):
        raise ValueError(row)
    if (kind == "draw" and name is None) or (kind != "draw" and not row["ids"]) or (shape is None) == bool(KINDS.get(str(kind))):
        raise ValueError(row)
    step = Step(tuple(int(one) for one in row["ids"]), name, fill, kind, shape)
    if shape is not None and _unfit(step.geometry, str(kind)):
        raise ValueError(row)
    return step

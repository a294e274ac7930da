"""What a hand has done to a scene: classes, painted shapes, agreed places and an area of work; and the steps that change them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from core.classes import IGNORED_ID, ClassScheme, from_hex, to_hex
from core.colours.choosing import distinct_colours, natural_colours
from core.errors import GroundlineError, InputError
from core.labelling.strokes import Stroke
from core.reading.readable import misfit, reason
from core.scenes.scene import Window

MOST_POINTS = 200_000
"""Corners of the shapes of one step; a stroke of the hand has some hundreds."""
_FAR_PX = 1e9
_KINDS = ("Point", "LineString", "MultiLineString", "Polygon", "MultiPolygon")
_STARTS = {
    "Land cover": ("Building", "Road", "Bare land", "Low vegetation", "Trees", "Water"),
    "Buildings": ("Building", "Other"),
    "Water": ("Water", "Land"),
    "Roads": ("Road", "Other"),
}
STARTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    title: tuple(zip(names, map(to_hex, natural_colours(names, distinct_colours(len(names)))), strict=True))
    for title, names in _STARTS.items()
}
"""Names and colours of classes to start from, by what the map is to show."""


@dataclass(frozen=True)
class LabelClass:
    """A class that can be painted; `id` stays when it is renamed, recoloured or moved."""

    id: int
    name: str
    colour: str


@dataclass(frozen=True)
class Painted:
    """One shape as it was painted: `class_id` None is the eraser; `geometry` is GeoJSON in pixels (x = column, y = row downward)."""

    class_id: int | None
    geometry: Mapping[str, Any]
    width_px: float


@dataclass(frozen=True)
class Painting:
    """Everything that can be undone: classes in their order, shapes in theirs, windows agreed to, and the area of work.

    `into` maps classes that were merged away to those that took them in.
    """

    classes: tuple[LabelClass, ...]
    painted: tuple[Painted, ...] = ()
    agreed: tuple[Window, ...] = ()
    area: Mapping[str, Any] | None = None
    into: Mapping[int, int] = field(default_factory=dict)

    def class_of(self, class_id: int) -> int:
        """The class that one counts as now, through all merges."""
        while class_id in self.into:
            class_id = self.into[class_id]
        return class_id

    @property
    def scheme(self) -> ClassScheme:
        """The classes as the rest of the program knows them, in their order."""
        return ClassScheme(tuple(one.name for one in self.classes), tuple(from_hex(one.colour) for one in self.classes))

    def painted_as(self) -> list[int | None]:
        """The class that each shape counts as now; None is the eraser."""
        return [None if one.class_id is None else self.class_of(one.class_id) for one in self.painted]

    def strokes(self, names: Mapping[int, str] | None = None) -> list[Stroke]:
        """What was painted, with the classes' names of now, or those that `names` gives their ids."""
        told = {one.id: one.name for one in self.classes} if names is None else names
        return [
            Stroke(None if class_id is None else told[class_id], shape(one.geometry), one.width_px)
            for one, class_id in zip(self.painted, self.painted_as(), strict=True)
        ]

    def area_shape(self) -> BaseGeometry | None:
        """The area of work in pixels, None for the whole scene."""
        return None if self.area is None else shape(self.area)

    def after(self, step: Mapping[str, Any]) -> Painting:
        """With one step done. Raises InputError for one that is none."""
        make = _STEPS.get(str(step.get("do")))
        if make is None:
            raise _unfit(f"the step {step.get('do')!r}", f"one of {', '.join(_STEPS)}, undo, redo")
        try:
            return make(self, step)
        except GroundlineError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, ShapelyError) as error:
            raise _unfit(f"a step {step['do']!r} that cannot be read ({reason(error)})", "what the page writes") from error


# ---- steps ----


def _paint(labels: Painting, step: Mapping[str, Any]) -> Painting:
    known = {one.id for one in labels.classes} | set(labels.into)
    return replace(labels, painted=(*labels.painted, *(_painted(one, known) for one in step["shapes"])))


def _painted(told: Mapping[str, Any], known: Iterable[int]) -> Painted:
    class_id, width_px = told["class"], float(told.get("width_px", 1))
    if class_id is not None and class_id not in known:
        raise _unfit(f"a shape of class {class_id!r}", "a class of this project")
    if not 0 < width_px <= 10_000:
        raise _unfit(f"a brush {width_px:g} px wide", "more than 0 and at most 10,000 px")
    return Painted(class_id, _geometry(told["geometry"]), width_px)


def _geometry(told: Mapping[str, Any]) -> Mapping[str, Any]:
    geometry = {"type": told["type"], "coordinates": told["coordinates"]}
    if geometry["type"] not in _KINDS:
        raise _unfit(f"a shape of kind {geometry['type']!r}", f"one of {', '.join(_KINDS)}")
    corners = np.array(list(_corners(geometry["coordinates"])), np.float64)
    if len(corners) > MOST_POINTS:
        raise _unfit(f"a shape with {len(corners):,} corners", f"at most {MOST_POINTS:,}")
    if not len(corners) or not (np.abs(corners) < _FAR_PX).all() or shape(geometry).is_empty:
        raise _unfit("a shape without a place", "coordinates in pixels of the scene")
    return geometry


def _corners(coordinates: Any) -> Iterator[Sequence[float]]:
    if coordinates and not isinstance(coordinates[0], (list, tuple)):
        yield coordinates[:2]
        return
    for one in coordinates:
        yield from _corners(one)


def _classes(labels: Painting, step: Mapping[str, Any]) -> Painting:
    """Other names, colours or another order, new classes, and `merge` {from: to}. One that was painted vanishes by merging alone."""
    classes = tuple(read_class(one) for one in step["classes"])
    into = {**labels.into, **{int(one): int(other) for one, other in step.get("merge", {}).items()}}
    after = replace(labels, classes=classes, into=into)
    refuse_double(classes)
    ids = [one.id for one in classes]
    if len(set(ids)) != len(ids) or any(_in_circle(into, one) for one in into):
        raise _unfit("classes that are not clear", "each id once, and merges that end")
    lost = set(after.painted_as()) - {None, *ids}
    if lost:
        raise InputError(
            "a class that was painted would be lost",
            expected="classes without strokes, or merged into another",
            do="Merge it, or undo its strokes",
        )
    return after


def _in_circle(into: Mapping[int, int], start: int) -> bool:
    """Whether merges lead from a class back to it."""
    seen = set()
    while start in into:
        if start in seen:
            return True
        seen.add(start)
        start = into[start]
    return False


def read_class(told: Mapping[str, Any]) -> LabelClass:
    """A class as it is written. Raises InputError, ClassesError."""
    wrong = misfit(dict(told), LabelClass)
    if wrong or not 0 <= told["id"] < IGNORED_ID:
        raise _unfit(f"a class in which {wrong or 'the id is ' + str(told['id'])}", f"an id below {IGNORED_ID}, a name and a colour")
    name = " ".join(told["name"].split())
    if not 0 < len(name) <= 60:
        raise _unfit(f"a class name of {len(name)} letters", "1 to 60")
    return LabelClass(told["id"], name, to_hex(from_hex(told["colour"])))


def _agree(labels: Painting, step: Mapping[str, Any]) -> Painting:
    row, col, height, width = (int(value) for value in step["window"])
    if min(row, col) < 0 or min(height, width) < 1:
        raise _unfit("a place outside the scene", "a window of the scene")
    return replace(labels, agreed=(*labels.agreed, Window(row, col, height, width)))


def _area(labels: Painting, step: Mapping[str, Any]) -> Painting:
    geometry = None if step["area"] is None else _geometry(step["area"])
    if geometry is not None and not geometry["type"].endswith("Polygon"):
        raise _unfit("an area of work that is a line", "a polygon")
    return replace(labels, area=geometry)


_STEPS = {"paint": _paint, "classes": _classes, "agree": _agree, "area": _area}


def refuse_double(classes: Sequence[LabelClass]) -> None:
    """Raises ClassesError for no class at all, and for two of one name or colour."""
    Painting(tuple(classes)).scheme  # noqa: B018 - the scheme refuses them


def _unfit(found: str, expected: str) -> InputError:
    return InputError(found, expected=expected, do="Reload the page, and undo the last step if it stays")

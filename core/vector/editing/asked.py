"""Corrections as a map asks for them, in its own coordinates, as steps of the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import SettingsError
from core.vector.editing.displayed import drawn_line, drawn_polygon, redrawn
from core.vector.editing.log import Corrections
from core.vector.filtering import Filter
from core.vector.layer import PolygonLayer


def corrected_by(steps: Corrections, asked: Mapping[str, Any], layer: PolygonLayer) -> Corrections:
    """The corrections of a layer with one step more or less; `layer` is what they have made of it until now.

    asked: `kind` (undo, redo, reclass, delete, merge, draw, split or reshape) and what that needs of `ids`, `class` (its id), `fill`,
    `rings` and `line`, in the map's coordinates. A change of class may have the `filter` of the map instead of `ids`: all that it
    leaves, drawn or not. Raises SettingsError for what makes no step.
    """
    try:
        match asked["kind"]:
            case "undo":
                return steps.undo()
            case "redo":
                return steps.redo()
            case "reclass":
                ids = layer.frame["id"][Filter.of(asked["filter"]).passes(layer)].tolist() if "filter" in asked else asked["ids"]
                return steps.reclass(ids, layer.scheme.names[asked["class"]])
            case "delete":
                return steps.delete(asked["ids"], fill=asked["fill"])
            case "merge":
                return steps.merge(asked["ids"])
            case "draw":
                return steps.draw(drawn_polygon(asked["rings"], layer.geo), layer.scheme.names[asked["class"]])
            case "split":
                return steps.split(asked["ids"], drawn_line(asked["line"], layer.geo))
            case "reshape":
                (polygon,) = asked["ids"]
                shape = layer.frame.geometry[layer.frame["id"] == polygon].iloc[0]
                return steps.reshape(polygon, redrawn(asked["rings"], shape, layer.geo))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SettingsError(
            f"a correction that cannot be read ({type(error).__name__})", expected="one that the map made", do="Reload the page"
        ) from error
    raise SettingsError(f"a correction of the kind {asked['kind']!r}", expected="one that the map makes", do="Reload the page")

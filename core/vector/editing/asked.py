"""Corrections as a map asks for them, in its own coordinates, as steps of the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import SettingsError
from core.vector.editing.displayed import drawn_line, drawn_polygon, redrawn
from core.vector.editing.log import Corrections
from core.vector.layer import PolygonLayer


def corrected_by(steps: Corrections, asked: Mapping[str, Any], layer: PolygonLayer) -> Corrections:
    """The corrections of a layer with one step more or less; `layer` is what they have made of it until now.

    asked: `kind` (undo, redo, reclass, delete, merge, draw, split or reshape) and what that needs of `ids`, `class` (its id), `fill`,
    `rings` and `line`, in the map's coordinates. A change of class may have the `filter` of the map instead of `ids`: all that it
    leaves. Raises SettingsError for what makes no step.
    """
    try:
        match asked["kind"]:
            case "undo":
                return steps.undo()
            case "redo":
                return steps.redo()
            case "reclass":
                return steps.reclass(
                    _filtered(asked["filter"], layer) if "filter" in asked else asked["ids"], layer.scheme.names[asked["class"]]
                )
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


def _filtered(asked: Mapping[str, Any], layer: PolygonLayer) -> list[int]:
    """Ids of the polygons that the map's filter leaves, drawn or not: as it does, it takes an unknown confidence for a high one."""
    frame = layer.frame
    area = frame[layer.area_column].to_numpy(float)
    left = ~frame["class_id"].isin([int(hidden) for hidden in asked["hidden"]]).to_numpy()
    if asked["from"] is not None:
        left &= area >= float(asked["from"])
    if asked["to"] is not None:
        left &= area <= float(asked["to"])
    if asked["sure"] and "mean_confidence" in frame:
        left &= ~(100 * frame["mean_confidence"].to_numpy(float) < float(asked["sure"]))
    if asked["search"]:
        left &= frame["id"].astype(str).str.startswith(str(asked["search"])).to_numpy()
    return frame["id"][left].tolist()

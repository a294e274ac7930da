"""A layer as a page shows it, in a file that a job reads again: corrected, filtered, renamed, coloured and placed by its user."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyogrio

from core.classes import ClassScheme
from core.errors import ExportError, GroundlineError
from core.prediction.folder.rasters import geo_from_dict, geo_to_dict
from core.vector.formats.export import export
from core.vector.layer import LineLayer, PolygonLayer, read_layer

_SHOWN = "shown"
"""What the layer's `made` calls what the file alone cannot say: classes with their colours and other names, and the place."""


def keep_layer(layer: PolygonLayer, path: str | os.PathLike, *, lines: LineLayer | None = None) -> Path:
    """Write a layer so that `read_kept` gives it again, lines in the same file. Raises as `export` does."""
    own = replace(layer.scheme, names=layer.scheme.own_names, model_names=None)
    shown = {"scheme": own.to_dict(), "called": layer.scheme.called, "geo": geo_to_dict(layer.geo), "units": layer.units}
    return export(replace(layer, made={**layer.made, _SHOWN: shown}), path, lines=lines)


def read_kept(path: str | os.PathLike) -> tuple[PolygonLayer, LineLayer | None]:
    """The layer that `keep_layer` wrote, and its centre lines where it has some. Raises ExportError for any other file."""
    try:
        names = [str(name) for name, _ in pyogrio.list_layers(path)]
        made: dict[str, Any] = json.loads(pyogrio.read_info(path, layer=names[0])["layer_metadata"]["made"])
        shown = made.pop(_SHOWN)
        scheme = ClassScheme.from_dict(shown["scheme"]).renamed(shown["called"])
        geo = geo_from_dict(shown["geo"])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, GroundlineError, LookupError, TypeError, ValueError) as error:
        raise ExportError(
            f"{os.path.basename(path)} is no layer that a page kept",
            expected="a GeoPackage that the map page wrote for this",
            do="Press the button on the map page again, or leave the layer out",
        ) from error
    layer = replace(read_layer(path, scheme=scheme, geo=geo), units=shown["units"], made=made)
    name = f"{names[0]}_lines"
    if name not in names:
        return layer, None
    frame = pyogrio.read_dataframe(path, layer=name, use_arrow=True)
    told = json.loads(pyogrio.read_info(path, layer=name)["layer_metadata"]["made"])
    return layer, LineLayer(frame, scheme, geo, layer.units, told)

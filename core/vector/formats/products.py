"""All that can be taken home of a layer: files that a GIS opens, a style, a report, and a map to print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import SettingsError
from core.files import replacing
from core.vector.formats.export import FORMATS, export, format_of, read_back
from core.vector.layer import LineLayer, PolygonLayer

if TYPE_CHECKING:
    from pyproj import CRS

    from core.model_store.cards import ModelCard
    from core.prediction.folder.rasters import Prediction
    from core.scenes.scene import Scene

EXTRAS = {".qml": "QGIS style", ".report.html": "Report", ".png": "Map to print (PNG)", ".pdf": "Map to print (PDF)"}
"""Suffix and title of what is no layer file."""

PRODUCTS = {**FORMATS, **EXTRAS}


def product_of(path: str | os.PathLike) -> str:
    """The suffix in `PRODUCTS` that a path ends in. Raises SettingsError when it is none of them."""
    name = Path(path).name.lower()
    for suffix in EXTRAS:
        if name.endswith(suffix) and name != suffix:
            return suffix
    try:
        return format_of(path)
    except SettingsError as error:
        raise SettingsError(error.found, expected=f"a name that ends in {', '.join(PRODUCTS)}", do=error.do) from error


def write_product(
    layer: PolygonLayer, path: str | os.PathLike, *, crs: str | CRS | None = None, scene: Scene | None = None,
    card: ModelCard | None = None, prediction: Prediction | None = None, lines: LineLayer | None = None,
) -> int | None:  # fmt: skip
    """Write a layer to `path` as its ending asks, and return the features that the file holds when it is read again (None for EXTRAS).

    crs: of a layer file. lines: centre lines. scene: shown in maps and reports. card, prediction: for
    reports. Raises as `export` and `draw_figure` do.
    """
    suffix = product_of(path)
    if suffix == ".qml":
        from core.vector.formats.content import content_of
        from core.vector.formats.styles import qgis_style

        with replacing(path) as temporary:
            temporary.write_text(qgis_style(content_of(layer, suffix, crs=None, lonlat=False)), encoding="utf-8")
    elif suffix == ".report.html":
        from core.vector.printing.report import write_report

        title = Path(path).name[: -len(suffix)]
        write_report(layer, path, title=title, scene=scene, card=card, prediction=prediction, lines=lines)
    elif suffix in (".png", ".pdf"):
        from core.vector.printing.figure import draw_figure

        draw_figure(layer, path, title=Path(path).stem, scene=scene, lines=lines)
    else:
        return read_back(export(layer, path, crs=crs, scene=scene, lines=lines))
    return None

"""The web map of a folder to hand over: a page that draws polygons from the tiles beside it, however many, without a network."""

from __future__ import annotations

import base64
from pathlib import Path

import shapely

from core.projecting import LONLAT
from core.scenes.scene import Scene
from core.vector.clip import class_sums
from core.vector.formats.content import content_of
from core.vector.formats.styles import class_colours
from core.vector.formats.web_map import page_text, picture_of
from core.vector.layer import LineLayer, PolygonLayer

TEMPLATE = Path(__file__).with_name("page.html")
_STEP_BYTES = 3 << 20  # a multiple of three, so that pieces of base64 join without a seam


def write_page(
    layer: PolygonLayer,
    path: Path,
    *,
    tiles: Path,
    script: Path,
    title: str,
    low: int,
    scene: Scene | None = None,
    lines: LineLayer | None = None,
    words: str = "",
) -> None:
    """Write the page, and beside it `script`: the bytes of `tiles` for pages that are opened by a double click, which may read no files.

    low: the coarsest zoom level of the tiles. words: whom the picture belongs to, "" for nobody. Raises ExportError without Leaflet.
    """
    content = content_of(layer, ".geojson", crs=LONLAT, lonlat=True)
    west, south, east, north = shapely.total_bounds(content.geometry)
    sums = class_sums(layer).set_index("class_name")
    value = {
        "title": title,
        "units": layer.units,
        "tiles": tiles.name,
        "script": script.name,
        "low": low,
        "bounds": [[south, west], [north, east]],
        "attribution": words,
        "classes": [
            {
                "id": layer.scheme.names.index(name),
                "name": name,
                "colour": "#{:02X}{:02X}{:02X}".format(*colour),
                "count": sums["polygons"][name],
                "area": sums["area"][name],
            }
            for name, colour in class_colours(content).items()
        ],
        "lines": None if lines is None else _points(lines),
        "picture": None if scene is None else picture_of(scene, (west + east) / 2),
    }
    path.write_text(page_text(TEMPLATE, title, content.about(), value), encoding="utf-8")
    with tiles.open("rb") as read, script.open("w", encoding="ascii") as out:
        out.write('groundlineTiles("')
        while piece := read.read(_STEP_BYTES):
            out.write(base64.b64encode(piece).decode("ascii"))
        out.write('");\n')


def _points(lines: LineLayer) -> list[list[float]]:
    """Flat x, y, x, y, ... of each line in longitude and latitude."""
    content = content_of(lines, ".geojson", crs=LONLAT, lonlat=True)
    parts = shapely.get_parts(content.geometry)
    return [shapely.get_coordinates(part).ravel().tolist() for part in parts]

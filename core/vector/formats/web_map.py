"""One HTML file with a map of the layer: opens with networking off, because Leaflet, the polygons and the picture are all inside."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd
import shapely
from affine import Affine
from PIL import Image
from pyproj import CRS
from rasterio.enums import Resampling
from rasterio.transform import array_bounds, from_bounds
from rasterio.warp import reproject, transform_bounds

from core.errors import ExportError
from core.files import dump_json
from core.projecting import LONLAT
from core.scenes.display import display_rgb
from core.scenes.scene import Scene
from core.vector.formats.content import Content
from core.vector.formats.styles import class_colours
from core.workspace import STATIC

LEAFLET = STATIC / "vendor" / "leaflet"
TEMPLATE = Path(__file__).with_name("web_map.html")
PANEL_STYLE, PANEL_SCRIPT = (Path(__file__).with_name(f"web_map.{kind}") for kind in ("css", "js"))
PREVIEW_PX = 1600
SPHERE_M = 6378137.0
_OPEN, _CLOSE = '<script type="application/json" id="layer">', "</script><!-- layer -->"


def write_web_map(content: Content, path: Path, *, title: str, scene: Scene | None = None, lines: Content | None = None) -> None:
    """Write the map: classes to switch on and off, an area table, a tooltip for each polygon, the scene below and lines above when they
    are given.

    With a CRS the map is in longitude and latitude, without one in pixels. Raises ExportError when Leaflet's files are missing.
    """
    columns = {name: column.tolist() for name, column in content.fields.items() if name != "class_name"}
    # A reader is told what the map shows; the file's name, which formats of a GIS call their layer by, is for machines.
    shown = " · ".join(str(content.made[key]) for key in ("source", "model") if content.made.get(key)) or title
    value = {
        "title": shown,
        "crs": None if content.crs is None else f"EPSG:{content.crs.to_epsg()}",
        "classes": [
            {"name": name, "colour": "#{:02X}{:02X}{:02X}".format(*colour), "id": content.scheme.names.index(name)}
            for name, colour in class_colours(content).items()
        ],
        "fields": columns,
        "rings": [[_points(ring) for ring in (shape.exterior, *shape.interiors)] for shape in content.geometry],
        "lines": None
        if lines is None
        else {
            "fields": {name: column.tolist() for name, column in lines.fields.items()},
            "points": [shapely.get_coordinates(line).ravel().tolist() for line in lines.geometry],
        },
        "picture": None if scene is None else picture_of(scene, _middle(content)),
    }
    path.write_text(page_text(TEMPLATE, shown, content.about(), value), encoding="utf-8")


def page_text(template: Path, title: str, about: str, value: dict) -> str:
    """The text of a page with a map: its template, Leaflet and the legend put in, and what it shows, `value`, as JSON.

    Raises ExportError when Leaflet's files are missing.
    """
    script, styles = _leaflet()
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        about=html.escape(about),
        leaflet_css=styles,
        panel_css=PANEL_STYLE.read_text(encoding="utf-8"),
        leaflet_js=script,
        panel_js=PANEL_SCRIPT.read_text(encoding="utf-8"),
        layer=_OPEN + dump_json(value).replace("<", "\\u003c") + _CLOSE,
    )


def _leaflet() -> tuple[str, str]:
    """Leaflet's script and style, to stand inside a page."""
    try:
        script, styles = ((LEAFLET / name).read_text(encoding="utf-8") for name in ("leaflet.js", "leaflet.css"))
    except OSError as error:
        raise ExportError(
            f"no Leaflet in {LEAFLET.name} ({error})", expected="static/vendor/leaflet", do="Restore the project's static folder"
        ) from error
    return script.replace("</script", "<\\/script"), styles


def _middle(content: Content) -> float:
    """The middle x of the polygons, 0 when there are none."""
    bounds = shapely.total_bounds(content.geometry)
    return float(bounds[0] + bounds[2]) / 2 if len(content.geometry) else 0.0


def _points(ring) -> list[float]:
    """Flat x, y, x, y, ... of a ring without its closing point."""
    return shapely.get_coordinates(ring)[:-1].ravel().tolist()


def _value(path: Path) -> dict:
    text = path.read_text(encoding="utf-8")
    begin = text.index(_OPEN) + len(_OPEN)
    return json.loads(text[begin : text.index(_CLOSE, begin)])


def read_web_lines(path: Path) -> Content:
    """Read fields and lines out of a map as `write_web_map` writes it."""
    value = _value(path)
    points = [shapely.LineString(np.reshape(line, (-1, 2))) for line in value["lines"]["points"]]
    return Content(pd.DataFrame(value["lines"]["fields"]), np.array(points, object), None if value["crs"] is None else LONLAT, lines=True)


def read_web_map(path: Path) -> Content:
    """Read fields and polygons out of a map as `write_web_map` writes it."""
    value = _value(path)
    fields = pd.DataFrame(value["fields"])
    names = {entry["id"]: entry["name"] for entry in value["classes"]}
    if len(fields):
        fields.insert(2, "class_name", fields["class_id"].map(names))
    rings = [[np.reshape(ring, (-1, 2)) for ring in polygon] for polygon in value["rings"]]
    geometry = np.array([shapely.Polygon(polygon[0], polygon[1:]) for polygon in rings], object)
    return Content(fields, geometry, None if value["crs"] is None else LONLAT)


def picture_of(scene: Scene, longitude: float) -> dict:
    """The scene as a WebP data URL and its bounds [[south, west], [north, east]] in the map's coordinates, near the `longitude` given."""
    factor = max(1.0, max(scene.height, scene.width) / PREVIEW_PX)
    height, width = max(1, math.ceil(scene.height / factor)), max(1, math.ceil(scene.width / factor))
    rgb = display_rgb(scene, out_shape=(height, width))
    alpha = scene.valid(out_shape=(height, width)).astype(np.uint8) * 255
    pixels = np.dstack([rgb, alpha])
    transform, crs = scene.geo.transform * Affine.scale(scene.width / width, scene.height / height), scene.geo.crs
    west, south, east, north = array_bounds(height, width, transform)
    if crs is not None:
        # Leaflet stretches a picture evenly over its bounds in Web Mercator, so it is brought onto that grid; the sphere's Mercator is
        # centred on the scene here, and so never breaks at the antimeridian.
        middle = scene.geo.lonlat(scene.height / 2, scene.width / 2)[0]
        mercator = CRS.from_proj4(f"+proj=merc +a={SPHERE_M} +b={SPHERE_M} +lon_0={middle} +k=1 +nadgrids=@null +no_defs")
        west, south, east, north = transform_bounds(crs, mercator, west, south, east, north)
        warped = np.zeros((4, height, width), np.uint8)
        reproject(
            np.ascontiguousarray(pixels.transpose(2, 0, 1)),
            warped,
            src_transform=transform,
            src_crs=crs,
            dst_transform=from_bounds(west, south, east, north, width, height),
            dst_crs=mercator,
            resampling=Resampling.bilinear,
        )
        pixels = warped.transpose(1, 2, 0)
        # Polygons beyond the antimeridian have longitudes above 180; the picture belongs beside them.
        middle += 360 * round((longitude - middle) / 360)
        west, east = (middle + math.degrees(x / SPHERE_M) for x in (west, east))
        south, north = (math.degrees(math.atan(math.sinh(y / SPHERE_M))) for y in (south, north))
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels), "RGBA").save(buffer, "WEBP", quality=80)
    return {
        "url": "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"),
        "bounds": [[float(south), float(west)], [float(north), float(east)]],
    }

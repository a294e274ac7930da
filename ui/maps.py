"""Polygon maps with folium that need no network: Leaflet and its plugins come from `static/`, pictures from our own tiles."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folium
import streamlit as st
from branca.element import MacroElement
from jinja2 import Template

from core.classes import ClassScheme
from core.scene import open_scene
from ui import tiles

if TYPE_CHECKING:
    from core.vector.layer import PolygonLayer

# streamlit-folium's frame lives at <base>/component/streamlit_folium.st_folium/, so relative URLs follow the base path.
_ROOT = "../.."
_STATIC = Path(__file__).resolve().parents[1] / "static"
MAX_POLYGONS = 15_000
"""Polygons beyond this many, the smallest, are not drawn: canvas maps stay smooth up to here."""


def _asset(path: str) -> str:
    return f"{_ROOT}/app/static/{path}?v={(_STATIC / path).stat().st_mtime_ns // 1_000_000_000}"


class OfflineMap(folium.Map):
    """A folium map whose scripts and styles are all served by this dashboard."""

    default_js = [
        ("leaflet", _asset("vendor/leaflet/leaflet.js")),
        ("fullscreen", _asset("vendor/fullscreen/Control.FullScreen.js")),
        ("groundline_map", _asset("groundline/map.js")),
    ]
    default_css = [
        ("leaflet_css", _asset("vendor/leaflet/leaflet.css")),
        ("fullscreen_css", _asset("vendor/fullscreen/Control.FullScreen.css")),
    ]


class _Polygons(MacroElement):
    """Hands the map and what to show on it to `static/groundline/map.js`."""

    _template = Template("{% macro script(this, kwargs) %}groundlineMap({{ this._parent.get_name() }}, {{ this.config }});{% endmacro %}")

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self._name = "Polygons"
        # A name of the user's that holds </script> must not end the script.
        self.config = json.dumps(config).replace("<", "\\u003c")


@dataclass(frozen=True)
class Picture:
    """A picture under the polygons: a scene or class raster from our tiles, or an online map by its URL template."""

    name: str
    layer: tiles.Layer | None = None
    url: str = ""
    attribution: str = ""
    base: bool = True
    shown: bool = False
    opacity: float = 1.0


ONLINE = (
    Picture("OpenStreetMap (online)", url="https://tile.openstreetmap.org/{z}/{x}/{y}.png", attribution="© OpenStreetMap contributors"),
    Picture(
        "Esri imagery (online)",
        url="https://server.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/{z}/{y}/{x}",
        attribution="Esri, Maxar, Earthstar Geographics",
    ),
)


def polygon_map(layer: PolygonLayer, digest: str, *, pictures: Sequence[Picture] = (), online: bool = False) -> OfflineMap:
    """A map of a `PolygonLayer` (`digest` names its content) over pictures of the same scene.

    With a CRS it is Web Mercator, without one a plain pixel map.
    """
    shape = next((picture.layer for picture in pictures if picture.layer is not None), None)
    bounds, scale = _bounds(layer, shape)
    features = _features(layer, digest)
    counted = layer.frame.groupby("class_id")
    area_name = layer.area_column
    totals = {int(k): (len(part), float(part[area_name].sum())) for k, part in counted}
    hidden = len(layer.frame) - min(len(layer.frame), MAX_POLYGONS)
    config = {
        "features": f"{_ROOT}{tiles.PREFIX}/features/{features.id}",
        "classes": _legend(layer.scheme, totals),
        "units": layer.units,
        "pixelScale": scale,
        "bounds": bounds,
        "crs": "pixel coordinates (no CRS)" if scale else layer.frame.crs.name if layer.frame.crs else "",
        "plainName": "Plain",
        "background": "#1b252a" if st.context.theme.type == "dark" else "#e3e9ea",
        "note": f"Showing the {MAX_POLYGONS:,} largest of {len(layer.frame):,} polygons; downloads hold all of them." if hidden else "",
        "pictures": [_picture(picture, scale is not None) for picture in (*pictures, *(ONLINE if online and not scale else ()))],
    }
    made = OfflineMap(
        location=[(bounds[0][0] + bounds[1][0]) / 2, (bounds[0][1] + bounds[1][1]) / 2],
        tiles=None,
        crs="Simple" if scale else "EPSG3857",
        zoom_start=0 if scale else 15,
        min_zoom=-4 if scale else 2,
        max_zoom=12 if scale else 23,
        zoom_snap=0.25,
        control_scale=False,
        prefer_canvas=True,
        font_size="0.85rem",
    )
    made.add_child(_Polygons(config))
    return made


def show(made: OfflineMap, *, key: str, height: int = 620) -> None:
    """Draw a map on the page; moving it never runs the page again. `key` must change with the content."""
    from streamlit_folium import st_folium

    st_folium(made, key=key, height=height, use_container_width=True, returned_objects=[])


def scene_pictures(scene: Path | None, prediction: Path | None = None) -> list[Picture]:
    """The scene as base picture and the class raster as an overlay that starts hidden; what cannot be drawn is left out."""
    from ui.warping import can_warp

    found = []
    if scene is not None and scene.exists():
        opened = open_scene(scene)
        if can_warp(opened) or not opened.geo.georeferenced:
            found.append(Picture("Scene", layer=tiles.image_layer(scene), shown=True))
    if prediction is not None:
        found.append(Picture("Class raster", layer=tiles.prediction_layer(prediction), base=False, opacity=0.7))
    return found


@st.cache_data(ttl=300, show_spinner=False)
def online_maps_answer() -> bool:
    """Whether an online map server can be reached, tried for one second and remembered for five minutes."""
    try:
        with socket.create_connection(("tile.openstreetmap.org", 443), timeout=1.0):
            return True
    except OSError:
        return False


def _legend(scheme: ClassScheme, totals: dict[int, tuple[int, float]]) -> list[dict[str, Any]]:
    return [
        {"id": k, "name": name, "colour": scheme.hex(k), "count": totals[k][0], "area": totals[k][1]}
        for k, name in enumerate(scheme.names)
        if k in totals
    ]


def _features(layer: PolygonLayer, digest: str) -> tiles.Layer:
    known = tiles.known(tiles.features_id(digest))
    return known or tiles.features_layer(browser_geojson(layer), digest=digest)


def browser_geojson(layer: PolygonLayer) -> dict[str, Any]:
    """The largest polygons as GeoJSON for the map: WGS84 with 7 decimals (1 cm), or pixels where there is no CRS."""
    import shapely

    area_name = layer.area_column
    frame = layer.frame.sort_values(area_name, ascending=False, kind="stable").head(MAX_POLYGONS)
    placed = frame.to_crs(4326) if frame.crs is not None else frame
    geometry = shapely.to_geojson(shapely.set_precision(placed.geometry.values, 1e-7 if frame.crs is not None else 0.01, mode="pointwise"))
    columns = {"id": "id", "class_id": "class_id", area_name: "area", f"length_{layer.units}": "length", "mean_confidence": "confidence"}
    kept = {new: frame[old].tolist() for old, new in columns.items() if old in frame.columns}
    features = []
    for index, shape in enumerate(geometry):
        properties = {name: _plain(values[index]) for name, values in kept.items()}
        features.append({"type": "Feature", "properties": properties, "geometry": json.loads(shape)})
    return {"type": "FeatureCollection", "features": features}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if value != value else round(value, 3)
    return value


def _bounds(layer: PolygonLayer, raster: tiles.Layer | None) -> tuple[list[list[float]], float | None]:
    """[[south, west], [north, east]] of the map, and the pixels of one map unit (None with a CRS)."""
    frame = layer.frame
    if frame.crs is not None:
        if raster is not None and raster.bounds is not None:
            return raster.bounds, None
        west, south, east, north = frame.to_crs(4326).total_bounds
        return [[float(south), float(west)], [float(north), float(east)]], None
    scale = float(2 ** (raster.max_zoom if raster is not None else 0))
    west, south, east, north = (0, -raster.height, raster.width, 0) if raster is not None else frame.total_bounds
    return [[float(south) / scale, float(west) / scale], [float(north) / scale, float(east) / scale]], scale


def _picture(picture: Picture, pixels: bool) -> dict[str, Any]:
    layer = picture.layer
    told = {
        "name": picture.name,
        "base": picture.base,
        "shown": picture.shown,
        "opacity": picture.opacity,
        "attribution": picture.attribution,
    }
    if layer is None:
        return told | {"url": picture.url, "tileSize": 256, "maxNativeZoom": 19, "bounds": None}
    kind = "pictures" if pixels else "map"
    scale = 2**layer.max_zoom
    return told | {
        "url": f"{_ROOT}{tiles.PREFIX}/{kind}/{layer.id}/{{z}}/{{x}}/{{y}}",
        "tileSize": tiles.TILE_PX if pixels else tiles.MAP_TILE_PX,
        "maxNativeZoom": layer.max_zoom if pixels else _native_zoom(layer),
        "bounds": [[-layer.height / scale, 0], [0, layer.width / scale]] if pixels else layer.bounds,
    }


def _native_zoom(layer: tiles.Layer) -> int:
    """The Web Mercator zoom at which a map pixel is no larger than a scene pixel."""
    height_m, width_m = layer.geo.pixel_size(layer.height / 2, layer.width / 2)
    south, north = layer.bounds[0][0], layer.bounds[1][0]
    widest_m = 2 * math.pi * 6378137 * math.cos(math.radians((south + north) / 2)) / tiles.MAP_TILE_PX
    return min(23, max(0, math.ceil(math.log2(widest_m / min(height_m, width_m)))))

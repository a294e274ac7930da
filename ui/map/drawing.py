"""Polygon maps with folium that need no network: Leaflet comes from `static/`, pictures from our own tiles, polygons by URL.

The map is built once for a scene; other polygons, colours and units reach the running map as a message, so that it keeps its
view. What the user does on it comes back as `Told`, and what is to be corrected as `asked` gives it; never while the map is only moved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import folium
import streamlit as st
from branca.element import MacroElement
from jinja2 import Template

from core.classes import ClassScheme, to_hex
from core.colours.space import edge_on, ground_colour
from core.geo import GeoRef
from core.scenes import ownplace
from core.vector.editing import browser
from core.vector.filtering import NO_FILTER, Filter
from core.words import UNITS
from ui import layout, served
from ui.viewer import tiles

if TYPE_CHECKING:  # geopandas takes seconds to load: only when it is needed
    from core.vector.layer import PolygonLayer

# streamlit-folium's frame lives at <base>/component/streamlit_folium.st_folium/, so relative URLs follow the base path.
_ROOT = "../.."
MAP_PX, TABLE_PX = 600, 280
AROUND_PX = 300
"""What stands above the map on its page: the map is as high as what is left of the window, and `MAP_PX` at least."""
TWO_PX, AROUND_TWO_PX = 360, 380
"""The same where two maps are compared."""
_BELOW_TWO_PX = TABLE_PX + 44
"""Their table, and the choice of how they are compared."""


def _asset(path: str) -> str:
    """The URL of a file of `static/` for the map's frame."""
    return f"{_ROOT}{served.static_url().removeprefix(served.base_path())}{path}"


class OfflineMap(folium.Map):
    """A folium map whose scripts and styles are all served by this dashboard.

    Leaflet and its plugin are plain scripts, which folium names; our own modules are imported once these are there (`_Script`).
    """

    default_js: ClassVar = [
        ("leaflet", _asset("vendor/leaflet/leaflet.js")),
        ("fullscreen", _asset("vendor/fullscreen/Control.FullScreen.js")),
    ]
    default_css: ClassVar = [
        ("leaflet_css", _asset("vendor/leaflet/leaflet.css")),
        ("fullscreen_css", _asset("vendor/fullscreen/Control.FullScreen.css")),
        ("groundline_css", _asset("map/map.css")),
    ]


class _Script(MacroElement):
    """Hands values to a function of `static/map/map.js`; the one that starts the map imports it, by a URL that holds for the frame."""

    _template = Template("""{% macro script(this, kwargs) %}
{% if this.map %}window.groundline = import(new URL("{{ this.module }}", document.baseURI).href);
window.groundline.catch(() => document.body.append("The map could not load its scripts from this server. Reload the page."));
window.groundline.then(page => page.start({{ this.map }}, {{ this.config }}));
{% else %}window.groundline.then(page => page.update({{ this.config }}));{% endif %}
{% endmacro %}""")

    def __init__(self, config: dict[str, Any], starts: str = ""):
        super().__init__()
        self._name = "Script"
        self.map, self.module = starts, _asset("map/map.js")
        # A name of the user's that holds </script> must not end the script.
        self.config = json.dumps(config, allow_nan=False).replace("<", "\\u003c")


@dataclass(frozen=True)
class Underlay:
    """A picture of our own tiles below the polygons; `side` 0 or 1 is the map that it belongs to."""

    name: str
    picture: tiles.Picture
    base: bool = True
    shown: bool = False
    opacity: float = 1.0
    side: int = 0


ONLINE = (
    {
        "name": "OpenStreetMap (online)",
        "url": "https://tile.openstreetmap.org/{z}/{x}/{y}.png",
        "probe": "https://tile.openstreetmap.org/0/0/0.png",
        "attribution": "© OpenStreetMap contributors",
    },
    {
        "name": "Esri imagery (online)",
        "url": "https://server.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/{z}/{y}/{x}",
        "probe": "https://server.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/0/0/0",
        "attribution": "Esri, Maxar, Earthstar Geographics",
    },
)


@dataclass(frozen=True)
class Ground:
    """Where a map lies: the raster's size in pixels and its reference."""

    height: int
    width: int
    geo: GeoRef

    @property
    def pixel_scale(self) -> float | None:
        """Pixels of one map unit on a pixel map, None with a CRS."""
        return None if self.geo.georeferenced else float(2 ** tiles.max_zoom(self.height, self.width))

    @property
    def bounds(self) -> list[list[float]]:
        """[[south, west], [north, east]] in the map's units."""
        scale = self.pixel_scale
        if scale is None:
            return tiles.lonlat_bounds(self.geo, self.height, self.width)
        return [[-self.height / scale, 0.0], [0.0, self.width / scale]]


@dataclass(frozen=True)
class Told:
    """What the user did on the map: the selected polygons, the filter, and the region (lon-lat, or x and y = -row in pixels)."""

    selected: tuple[int, ...] = ()
    filter: Filter = NO_FILTER
    region: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True)
class Drawn:
    """A layer on a map; `digest` names its content. `id_offset` is added to its class ids, where two schemes share a map."""

    layer: PolygonLayer
    digest: str
    scheme: ClassScheme
    id_offset: int = 0


def base_map(
    ground: Ground, pictures: Sequence[Underlay], *, titles: Sequence[str], memory: str, online: bool = False, editable: bool = False
) -> OfflineMap:
    """A map without its polygons: Web Mercator with a CRS, else a plain pixel map; two maps in step where there are two titles.

    `memory` names what view, filter and region are remembered under. `online` maps are offered once the browser has reached them. Those
    that are `editable` have the tools that correct polygons.
    """
    bounds, scale = ground.bounds, ground.pixel_scale
    dark = _is_dark()
    native = None if scale else _native_zoom(ground)
    config = {
        "pixelScale": scale,
        "bounds": bounds,
        "crs": ground.geo.crs.name if not scale else "pixel coordinates" if ground.geo.local else "pixel coordinates (no CRS)",
        "titles": list(titles),
        "plainName": "Plain",
        "dark": dark,
        "background": to_hex(ground_colour(dark)),
        "height": TWO_PX if len(titles) > 1 else MAP_PX,
        "around": AROUND_TWO_PX if len(titles) > 1 else AROUND_PX,
        "tableHeight": TABLE_PX,
        "farthestZoom": -4 if scale else 2,
        "own": ownplace.of(ground.geo, ground.height, ground.width),
        "memory": memory,
        "editable": editable,
        "units": UNITS,
        "closestZoom": (tiles.max_zoom(ground.height, ground.width) if scale else native) + 1,
        "pictures": [_underlay(under, ground, native) for under in pictures],
        "online": [{**entry, "base": True, "tileSize": 256, "maxNativeZoom": 19} for entry in ONLINE] if online and not scale else [],
    }
    made = OfflineMap(
        location=[(bounds[0][0] + bounds[1][0]) / 2, (bounds[0][1] + bounds[1][1]) / 2],
        tiles=None,
        crs="Simple" if scale else "EPSG3857",
        zoom_start=0 if scale else 15,
        max_zoom=12 if scale else 23,
        zoom_snap=0.1,
        control_scale=False,
        prefer_canvas=True,
        font_size="0.85rem",
    )
    made.add_child(_Script(config, starts=made.get_name()))
    return made


def message(
    drawn: Drawn,
    *,
    pixel_size_m: float | None,
    second: Drawn | None = None,
    changes: bool = False,
    since: Drawn | None = None,
    lines: tiles.Features | None = None,
    editing: dict[str, Any] | None = None,
    colouring: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What the running map is told: which polygons to fetch, and their classes with colours, counts and areas.

    `second` goes on the second map; with `changes` it holds polygons of change, which are then the ones that the table lists. A map that
    draws `since` fetches only what has changed since then. `editing` is what an editable map offers, `colouring` the colours that its
    legend does.
    """
    layer, count = drawn.layer, len(drawn.layer.frame)
    told = {
        "features": _features_url(drawn),
        "since": None if since is None else {"features": _features_url(since), "changes": _changes_url(since, drawn)},
        "layer": drawn.digest,
        "editing": editing,
        "colouring": colouring,
        "classes": _legend(drawn),
        "units": layer.units,
        "pixelSize": _pixel_size(layer.geo, pixel_size_m),
        "outlines": count > browser.MAX_POLYGONS,
        "note": "",
        "lines": None if lines is None else url_of(lines),
    }
    most = browser.MAX_POLYGONS
    if count > most:
        told["note"] = (
            f"Outlines of the {most:,} largest of {count:,} polygons. The {count - most:,} smaller ones show in the class "
            "tiles below them, and are in every file."
        )
    if not count:
        told["note"] = "No polygon is left with these settings."
    if second is not None and len(second.layer.frame) > most:
        told["note"] = f"Right: the {most:,} largest of {len(second.layer.frame):,} polygons; files hold all of them."
    if second is not None:
        told["second"] = {"features": _features_url(second), "classes": _legend(second), "changes": changes}
    return told


def show(made: OfflineMap, told: dict[str, Any], *, key: str) -> Told:
    """Draw a map and its table on the page and return what the user did; moving the map never runs the page again.

    `key` must change with the scene.
    """
    from streamlit_folium import st_folium

    carrier = folium.FeatureGroup(name="update", control=False)
    carrier.add_child(_Script(told))
    two = "second" in told
    least, around = (TWO_PX + _BELOW_TWO_PX, AROUND_TWO_PX - _BELOW_TWO_PX) if two else (MAP_PX + 4, AROUND_PX - 4)
    with layout.reserved("map_frame", least, around_px=around):
        value = st_folium(made, key=key, height=least, use_container_width=True, returned_objects=[], feature_group_to_add=carrier)
    return told_by(value)


def asked(key: str) -> dict[str, Any] | None:
    """The correction that the user asked for last on the map with this key, as static/map/map.js sends it; None where there is none."""
    return (st.session_state.get(key) or {}).get("edit")


def chosen(key: str) -> dict[str, Any] | None:
    """What was chosen last in the legend of the map with this key, as static/map/legend.js sends it, with a number `n`; None where nothing
    was."""
    return (st.session_state.get(key) or {}).get("chosen")


def done(key: str) -> Told:
    """What the user did on the map with this key before this run of the page."""
    return told_by(st.session_state.get(key))


def told_by(value: dict[str, Any] | None) -> Told:
    """What the map's value says; an empty one where nothing was done yet."""
    value = value or {}
    region = value.get("region")
    return Told(tuple(value.get("selected") or ()), Filter.of(value), tuple((float(x), float(y)) for x, y in region) if region else None)


def _legend(drawn: Drawn) -> list[dict[str, Any]]:
    counted = drawn.layer.frame.groupby("class_id")[drawn.layer.area_column].agg(["size", "sum"])
    return [
        {
            "id": int(k) + drawn.id_offset,
            "key": drawn.scheme.own_names[k],
            "name": drawn.scheme.names[k],
            "colour": drawn.scheme.hex(k),
            "edge": to_hex(edge_on(drawn.scheme.colours[k], ground_colour(_is_dark()))),
            "count": int(size),
            "area": float(area),
        }
        for k, size, area in zip(counted.index, counted["size"], counted["sum"], strict=True)
    ]


def _is_dark() -> bool:
    return st.context.theme.type == "dark"


def url_of(features: tiles.Features) -> str:
    """Where the map fetches polygons or lines."""
    return f"{_ROOT}{served.PREFIX}/features/{features.id}"


def _features_url(drawn: Drawn) -> str:
    return url_of(tiles.features(drawn.digest, lambda: browser.browser_geojson(drawn.layer, id_offset=drawn.id_offset)))


def _changes_url(since: Drawn, drawn: Drawn) -> str:
    return url_of(tiles.features(f"{since.digest}-{drawn.digest}", lambda: browser.browser_changes(since.layer, drawn.layer)))


def _pixel_size(geo: GeoRef, told_m: float | None) -> float | None:
    """Metres of a map unit on a pixel map; None on the earth, and where they are not known."""
    if geo.georeferenced:
        return None
    size = geo.pixel_size()
    return told_m if size is None else math.sqrt(size[0] * size[1])


def _underlay(under: Underlay, ground: Ground, native_zoom: int | None) -> dict[str, Any]:
    picture, pixels = under.picture, native_zoom is None
    told = {"name": under.name, "base": under.base, "shown": under.shown, "opacity": under.opacity, "map": under.side}
    scale = 2**picture.max_zoom
    return told | {
        # Tiles of classes in other colours have another address, of which the map is told while it runs: it is not built anew.
        "url": "" if picture.codes else _tiles_url(picture, pixels),
        "tileSize": tiles.TILE_PX if pixels else tiles.MAP_TILE_PX,
        "maxNativeZoom": picture.max_zoom if pixels else _native_zoom(Ground(picture.height, picture.width, picture.geo)),
        "bounds": [[-picture.height / scale, 0], [0, picture.width / scale]] if pixels else picture.bounds,
        "classes": picture.codes,
    }


def class_tiles(pictures: Sequence[Underlay], ground: Ground) -> list[str]:
    """Addresses of the pictures of classes in the colours of now, as `message` tells them to the running map."""
    return [_tiles_url(under.picture, not ground.geo.georeferenced) for under in pictures if under.picture.codes]


def _tiles_url(picture: tiles.Picture, pixels: bool) -> str:
    return f"{_ROOT}{served.PREFIX}/{'pictures' if pixels else 'map'}/{picture.id}/{{z}}/{{x}}/{{y}}"


def _native_zoom(ground: Ground) -> int:
    """The Web Mercator zoom at which a map pixel is no larger than a scene pixel."""
    height_m, width_m = (max(side, 1e-6) for side in ground.geo.pixel_size(ground.height / 2, ground.width / 2))
    (south, _), (north, _) = ground.bounds
    widest_m = 2 * math.pi * 6378137 * math.cos(math.radians((south + north) / 2)) / tiles.MAP_TILE_PX
    return min(23, max(0, math.ceil(math.log2(widest_m / min(height_m, width_m)))))

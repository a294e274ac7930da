"""An online base map below a printed map, drawn by contextily."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from pyproj import CRS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from xyzservices import TileProvider

TIMEOUT_S = 8


def draw_online(axes: Axes, base: str, crs: CRS) -> str | None:
    """Put OpenStreetMap ("osm") or aerial imagery ("imagery") below what the axes show in `crs`; its credits, or None when nothing
    answers."""
    import contextily
    import requests

    source = tiles(base)
    try:
        requests.head(source.build_url(x=0, y=0, z=0), timeout=TIMEOUT_S)
        with warnings.catch_warnings():
            # A small scene is finer than the tiles, which contextily says and then does right.
            warnings.filterwarnings("ignore", message="The inferred zoom level")
            contextily.add_basemap(axes, crs=crs.to_wkt(), source=source, attribution=False, timeout=TIMEOUT_S, zorder=0)
    except (OSError, requests.RequestException):
        return None
    return source["attribution"]


def tiles(base: str) -> TileProvider:
    """Where the tiles of a base map come from."""
    import xyzservices.providers as known

    return {"osm": known.OpenStreetMap.Mapnik, "imagery": known.Esri.WorldImagery}[base]

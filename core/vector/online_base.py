"""An online base map below a printed map, drawn by contextily."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyproj import CRS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TIMEOUT_S = 8


def draw_online(axes: Axes, base: str, crs: CRS) -> str | None:
    """Put OpenStreetMap ("osm") or aerial imagery ("imagery") below what the axes show in `crs`; its credits, or None when nothing
    answers."""
    import contextily
    import requests

    source = {"osm": contextily.providers.OpenStreetMap.Mapnik, "imagery": contextily.providers.Esri.WorldImagery}[base]
    try:
        requests.head(source.build_url(x=0, y=0, z=0), timeout=TIMEOUT_S)
        contextily.add_basemap(axes, crs=crs.to_wkt(), source=source, attribution=False, max_retries=1, wait=1, zorder=0)
    except (OSError, requests.RequestException):
        return None
    return source["attribution"]

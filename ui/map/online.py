"""Layers of map servers on the Map page: typed, listed, taken away. The browser asks their servers, and only for what is switched on."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.digests import digest_of
from core.geo import GeoRef
from core.plain import in_markdown
from core.reading.map_services import (
    CLOSEST,
    FORMATS,
    KINDS,
    MATRIX_SET,
    VERSIONS,
    WMS,
    WMTS,
    XYZ,
    ZOOM,
    MapService,
    read_service,
)
from ui import frame
from ui.allowed import changing
from ui.viewer import online

_FRESH = "gl_map_online_fresh"  # names of those that were typed in this session, which begin switched on
_BASE, _OVER = "Below everything", "Over the polygons"
_EXAMPLES = {
    XYZ: "https://tiles.example.org/{z}/{x}/{y}.png",
    WMS: "https://maps.example.org/wms",
    WMTS: "https://maps.example.org/wmts",
}
_ADDRESS_HELP = {
    XYZ: "With {z}, {x} and {y}, or {-y} where rows count from the south (TMS); {s} stands for a, b and c.",
    WMS: "The service's own address. A pasted request will do: its layers and version are taken over.",
    WMTS: "The service's address, or its template with {TileMatrix}, {TileRow} and {TileCol}.",
}
_NO_PLACE = "Online layers are drawn by coordinates, and this scene has none. More, at the top, gives it a place on the earth."


def offered(geo: GeoRef) -> list[dict[str, Any]]:
    """What the running map is told of the layers; none on a map without coordinates."""
    fresh = st.session_state.get(_FRESH, ())
    return [_told(service, shown=service.name in fresh) for service in online.services()] if geo.georeferenced else []


def key(geo: GeoRef) -> str:
    """What a map's name ends in: a frame may load pictures from those servers alone that were known when it was made."""
    servers = online.origins() if geo.georeferenced else ()
    return f"-{digest_of(*servers)}" if servers else ""


def choose(geo: GeoRef) -> None:
    """Add a layer by its address, see which there are, and take them away."""
    kept = online.services() if geo.georeferenced else []
    label = f"Online layers · {len(kept)}" if kept else "Online layers"
    words = "Draws maps of a server whose address you have: XYZ tiles, WMS or WMTS." if geo.georeferenced else _NO_PLACE
    with st.popover(label, icon=":material/public:", key="map_services", help=words, disabled=not geo.georeferenced):
        for service in kept:
            _row(service)
        kind = st.segmented_control(
            "Kind of server", list(KINDS), default=XYZ, required=True, format_func=KINDS.get, key="map_service_kind"
        )
        with st.form(f"map_service_{kind}", border=False):
            asked = _form(kind)
            pressed = st.form_submit_button("Add it", key="map_service_add", icon=":material/add:", **changing())
        if pressed:
            _add(kind, asked)
        st.caption("Your browser asks these servers, and only for layers that are switched on. They see its address and the place.")


def _add(kind: str, asked: dict[str, Any]) -> None:
    with frame.errors() as outcome:
        service = read_service(kind, **asked)
        online.keep(service)
    if not outcome.failed:
        st.session_state[_FRESH] = {*st.session_state.get(_FRESH, ()), service.name}
        st.rerun()


def _form(kind: str) -> dict[str, Any]:
    """What was entered, as `read_service` takes it."""
    address = st.text_input("Address", key=f"map_service_address_{kind}", placeholder=_EXAMPLES[kind], help=_ADDRESS_HELP[kind])
    asked: dict[str, Any] = {"address": address}
    if kind != XYZ:
        several = kind == WMS
        asked["layers"] = st.text_input(
            "Layers" if several else "Layer",
            key="map_service_layers",
            placeholder="ortho_2024",
            help="As its capabilities list it; several with commas between them." if several else "As its capabilities list it.",
        )
    a, b = st.columns(2)
    if kind == WMS:
        asked["version"] = a.selectbox("Version", VERSIONS, key="map_service_version")
    else:
        help_words = "The deepest tiles that the server has; what is nearer is enlarged."
        asked["closest_zoom"] = a.number_input("Closest zoom", 0, CLOSEST, ZOOM, key="map_service_zoom", help=help_words)
    if kind != XYZ:
        asked["picture"] = b.selectbox("Format", list(FORMATS), format_func=FORMATS.get, key="map_service_format")
    if kind == WMTS:
        asked["matrix_set"] = st.text_input(
            "Matrix set", MATRIX_SET, key="map_service_matrix", help="The one of Web Mercator (EPSG:3857), as the capabilities call it."
        )
    c, d = st.columns(2)
    asked["name"] = c.text_input("Name", key="map_service_name", placeholder="Orthophoto 2024")
    asked["attribution"] = d.text_input("Attribution", key="map_service_attribution", placeholder="© City of Example")
    where = st.segmented_control("Where it is drawn", [_BASE, _OVER], default=_BASE, required=True, key="map_service_place")
    asked["base"] = where == _BASE
    if kind == WMS:
        asked["transparent"] = st.toggle("Transparent", True, key="map_service_clear", help="Asks for pictures that show what is below.")
    return asked


def _row(service: MapService) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        where = "below everything" if service.base else "over the polygons"
        words = f"**{in_markdown(service.name)}** · {KINDS[service.kind]} of {in_markdown(service.host)}, {where}"
        st.markdown(words, width="stretch")
        if st.button("Remove", key=f"map_service_off_{digest_of(service.name)}", icon=":material/close:", **changing()):
            with frame.errors():
                online.forget(service.name)
            st.rerun()


def _told(service: MapService, *, shown: bool) -> dict[str, Any]:
    """A layer as static/map/online.js takes it."""
    return {
        "id": digest_of(service),
        "name": service.name,
        "host": service.host,
        "url": service.address,
        "wms": service.parameters or None,
        "subdomains": service.subdomains,
        "attribution": service.attribution,
        "base": service.base,
        "maxNativeZoom": None if service.parameters else service.closest_zoom,
        "shown": shown,
    }

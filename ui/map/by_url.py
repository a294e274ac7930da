"""Addresses by which other programs open what the map shows, and the layer as it is, kept so that it is served."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from core.plain import in_markdown
from core.publishing.kept import kept_folder, kept_on
from core.publishing.names import listens_here_alone
from core.publishing.running import served_at
from ui import frame, state
from ui.allowed import changing, refuse_if_read_only, shared
from ui.map.sources import MapSource

if TYPE_CHECKING:
    from core.vector.layer import LineLayer, PolygonLayer

_NAMES = {"all": "polygons"}
"""Words for the parts of a layer in addresses, where they differ from those in names of files."""
_NO_PLACE = "This scene has no place on the earth, so no map can show it by an address."


def offer(source: MapSource, layer: PolygonLayer, lines: LineLayer | None, part: str) -> None:
    """The addresses while a server of this workspace runs, else the command that starts one; and the button that keeps the layer."""
    st.markdown("**By URL**")
    st.caption("QGIS, GDAL and browsers open layers and tiles by an address (OGC API Features and Tiles).")
    placed = source.geo.georeferenced
    pressed = st.button(
        "Serve this layer",
        key="map_by_url_keep",
        icon=":material/link:",
        **changing(
            "Keeps the layer as the map shows it now, in place of the one kept before. A running server shows it at once."
            if placed
            else _NO_PLACE,
            disabled=layer.frame.empty or not placed,
        ),
    )
    if pressed:
        with frame.errors() as outcome, st.spinner("Keeping what the map shows"):
            _keep(source, layer, lines, part)
        if not outcome.failed:
            st.rerun()
    address = served_at(state.workspace())
    if address is None:
        kept = _kept_file(source, part)
        if kept.is_file():
            st.caption(f"Kept as the map showed it on {kept_on(kept)}.")
        st.caption("No server runs. This command starts one in a terminal, for this machine alone:")
        st.code(f"python start.py core serve {shlex.quote(str(state.workspace().root))}", language="bash", wrap_lines=True)
    else:
        _addresses(source, address)


def _keep(source: MapSource, layer: PolygonLayer, lines: LineLayer | None, part: str) -> None:
    from core.handover.kept import keep_layer

    refuse_if_read_only()
    file = _kept_file(source, part)
    file.parent.mkdir(parents=True, exist_ok=True)
    keep_layer(layer, file, lines=lines)


def _kept_file(source: MapSource, part: str) -> Path:
    """Where a part of the layer is kept; need not exist."""
    return kept_folder(state.workspace(), source.path) / f"{_NAMES.get(part, part)}.gpkg"


def _addresses(source: MapSource, address: str) -> None:
    """Each thing that is served of this source, with the address to copy."""
    from core.publishing.offers import FEATURES, offers_of

    found = offers_of(state.workspace(), source.path)
    if not found:
        st.caption(_NO_PLACE if not source.geo.georeferenced else "Nothing of this scene is served yet.")
    for one in found:
        where = f"{address}/collections/{one.id}"
        st.caption(f"{in_markdown(one.title)} · {in_markdown(one.about)}")
        st.code(where if one.kind == FEATURES else f"{where}/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}?f=png", language=None, wrap_lines=True)
    if found and shared() and listens_here_alone(urlsplit(address).hostname):
        st.caption("These addresses hold on the machine of this dashboard alone; its command opens them to others by --host.")
    if found:
        st.caption(f"All of them, and how to open them: [{address}]({address}/?f=html)")

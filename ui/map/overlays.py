"""Vector layers of the user's own over the map, parcels say: by path or upload, kept for the session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.digests import digest_of
from core.plain import in_markdown
from ui import frame, state, uploads
from ui.input import typed_path
from ui.kept import keep
from ui.map import drawing
from ui.map.sources import MapSource
from ui.viewer import tiles

if TYPE_CHECKING:
    from core.vector.overlay import Overlay

_FILES = "gl_map_overlays"
_TYPES = ["gpkg", "geojson", "json", "zip", "fgb", "kml"]
_MOST = 6


def shown(source: MapSource) -> list[dict[str, Any]]:
    """What the map is told of the user's layers: their names and where they are fetched; one that does not fit the scene is not drawn."""
    made = []
    for path in _files():
        with frame.errors():
            layer, digest = _read(path, source)
            made.append({"name": layer.name, "url": drawing.url_of(tiles.features(digest, layer.geojson))})
    return made


def choose(source: MapSource) -> None:
    """Add a layer, see how much of each is drawn, and take them away."""
    files = _files()
    label = f"Own layers · {len(files)}" if files else "Own layers"
    with st.popover(label, icon=":material/layers:", key="map_overlays", help="Draws parcels or any other vector file over the map."):
        typed = st.text_input("Path of a vector file", key="map_overlay_path", placeholder="parcels.gpkg")
        sent = st.file_uploader("Or a file from this computer", type=_TYPES, key="map_overlay_file", help="A Shapefile as a zip.")
        if st.button("Draw it", key="map_overlay_add", icon=":material/add:", disabled=not typed and sent is None):
            with frame.errors():
                _add(uploads.once(sent, state.workspace().uploads) if sent is not None else typed_path(typed), source)
        for path in files:
            _row(path, source)


def _files() -> list[Path]:
    return [path for path in st.session_state.get(_FILES, []) if path.is_file()]


def _add(path: Path | None, source: MapSource) -> None:
    if path is None:
        return
    _read(path, source)  # what cannot be drawn is told here, and not kept
    st.session_state[_FILES] = [*(one for one in _files() if one != path), path][-_MOST:]
    st.rerun()


def _row(path: Path, source: MapSource) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        with frame.errors():
            layer, _ = _read(path, source)
            count = f"{len(layer.shapes):,} of {'more than ' if layer.found_more else ''}{layer.found:,}"
            st.markdown(f"**{in_markdown(layer.name)}** · {count} features drawn. {layer.told}", width="stretch")
        if st.button("Remove", key=f"map_overlay_off_{digest_of(str(path))}", icon=":material/close:"):
            st.session_state[_FILES] = [one for one in _files() if one != path]
            st.rerun()


def _read(path: Path, source: MapSource) -> tuple[Overlay, str]:
    """The layer and what names it. Raises InputError as `read_overlay` does."""
    from core.vector.overlay import read_overlay

    told = path.stat() if path.is_file() else None
    state_of = (told.st_mtime_ns, told.st_size) if told else ()
    digest = digest_of("overlay", str(path), state_of, source.geo, source.height, source.width)
    words = "Reading the layer"
    return keep("overlay", digest, lambda _tell: read_overlay(path, source.geo, source.height, source.width), words=words), digest

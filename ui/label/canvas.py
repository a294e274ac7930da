"""The canvas of the Label page: a scene to paint on, drawn by Leaflet; steps and answers go by routes of their own, past Streamlit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ui import served, state
from ui.allowed import read_only
from ui.label import routes
from ui.layout import as_high, reserved
from ui.viewer import tiles

if TYPE_CHECKING:
    from core.labelling.projects.session import Session

_STYLES = Path(__file__).with_name("canvas.css")
_MAP_LABEL = "Scene to paint on: arrow keys move it, full stop paints in its middle, keys 1 to 9 choose a class"
_HTML = f"""<link rel="stylesheet"><div class="gl-label"><div class="bar"></div>
<div class="desk"><div class="map" tabindex="0" role="application" aria-label="{_MAP_LABEL}"></div><div class="panel"></div></div>
<div class="status"><span class="work" aria-hidden="true"></span><span class="where"></span></div>
<div class="said" role="status"></div></div>"""
_LEAST_PX, _AROUND_PX = 520, 380
_SCRIPT = """export default function (component) {
  const { data, parentElement } = component, host = parentElement.querySelector('.gl-label');
  import(new URL(data.staticUrl + 'label/label.js', document.baseURI).href).then(label => label.show(component)).catch(error => {
    host.querySelector('.said').textContent = `The canvas could not be drawn (${error.message}). Reload the page.`;
  });
  return () => { host.page?.close(); host.page = null; };
}"""


def canvas(token: str, session: Session) -> None:
    """Draw the canvas of an open project."""
    picture = tiles.image_layer(session.scene)
    scheme = session.project.labels.scheme
    shown = state.shown(scheme)
    with reserved("label_frame", _LEAST_PX, around_px=_AROUND_PX):
        _component()(
            key="label_canvas",
            data={
                "url": routes.url_of(token),
                "imageUrl": tiles.pixel_url(picture),
                "staticUrl": served.static_url(),
                "tilePx": tiles.TILE_PX,
                "height": picture.height,
                "width": picture.width,
                "maxZoom": picture.max_zoom,
                "paneHeight": as_high(_LEAST_PX, _AROUND_PX),
                "readOnly": read_only(),
                "safe": {name: shown.hex(k) for k, name in enumerate(scheme.names)} if state.safe_colours() else None,
            },
        )


@st.cache_resource(show_spinner=False)
def _registered(version: int):
    return st.components.v2.component("groundline_label", html=_HTML, css=_STYLES.read_text(encoding="utf-8"), js=_SCRIPT)


def _component():
    return _registered(_STYLES.stat().st_mtime_ns)

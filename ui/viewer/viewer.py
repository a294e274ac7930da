"""The image viewer: image, mask, prediction and confidence in panes that move in step, drawn by Leaflet from our own tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.classes import ClassScheme
from core.datasets.pairs import Pair
from core.digests import digest_of
from core.prediction.folder.rasters import NEIGHBOUR_PX
from core.scenes.scene import Scene
from ui import served, state
from ui.layout import as_high, reserved
from ui.viewer import tiles

_STYLES = Path(__file__).with_name("viewer.css")
_RIGHT_AND_WRONG = {"green": "#2E8B57", "red": "#D03030"}
_RIGHT_AND_WRONG_SAFE = {"blue": "#0072B2", "orange": "#E69F00"}  # of Okabe and Ito
_HTML = """<link rel="stylesheet"><div class="gl-viewer"><div class="bar"></div><div class="panes"></div>
<div class="readout" aria-live="off"></div></div>"""
# A component's script is a text without a place of its own, which can import nothing beside it: the viewer is asked for by its URL.
_SCRIPT = """export default function (component) {
  const { data, parentElement } = component, host = parentElement.querySelector('.gl-viewer');
  import(new URL(data.staticUrl + 'viewer/viewer.js', document.baseURI).href).then(viewer => viewer.show(component)).catch(() => {
    host.querySelector('.readout').textContent = 'The viewer could not load its map library from this server. Reload the page.';
  });
  return () => { host.viewer?.close(); host.viewer = null; };
}"""
_HINT = "Scroll to zoom, drag to move; point at the image to read its values."
_HINT_CONFIDENCE = " Confidence runs from dark (unsure) to yellow (sure)."
_HINT_ERRORS = " Right and wrong: {} is right, {} is wrong; the rest has no label."


@dataclass(frozen=True)
class Pane:
    """One picture of the viewer: a title and the layers on it, lowest first.

    `paint` says how layers of codes are coloured: "classes", "confidence" or "error" (right green, wrong red).
    """

    title: str
    layers: tuple[tiles.Picture, ...]
    paint: str = "classes"


@dataclass(frozen=True)
class ViewerState:
    """What the user set in the viewer: fractions 0-1, hidden class ids, "panes" or "swipe", and what becomes of unsure
    pixels: "hide" or "neighbour"."""

    threshold: float
    opacity: float
    hidden: tuple[int, ...] = ()
    layout: str = "panes"
    unsure: str = "hide"


Cell = tuple[int, int, int, bool]
Choose = Callable[[tuple[int, int, int, int] | None], None]


def panes(
    shown: Sequence[Pane],
    *,
    key: str,
    height: int = 460,
    around_px: int | None = None,
    opacity: float = 0.6,
    threshold: float = 0.0,
    layout: str = "panes",
    grid: Sequence[Cell] = (),
    closed: Sequence[str] = (),
    region: tuple[int, int, int, int] | None = None,
    on_region: Choose | None = None,
    target: tuple[int, int] | None = None,
) -> ViewerState:
    """Draw panes in step and return what the user set in them.

    Class toggles, opacity, confidence threshold and swipe act in the browser. `height` in px; with `around_px` it
    grows with the window, of which that much is left for what stands around. `grid` draws squares
    (row, col, size_px, kept) on the first pane, `closed` names panes that start closed. With `on_region` a rectangle can
    be drawn: it is called with (row, col, height, width) in px or None for the whole, and `region` is the present one.
    `target` is a pixel (row, col) that is shown, with a cross on it. The user's settings outlive a change of page or scene.
    """
    memory = f"gl_viewer_{key}"
    start = {"opacity": opacity, "threshold": threshold, "hidden": [], "layout": layout, "unsure": "hide", "closed": list(closed)}
    settings = start | st.session_state.get(memory, {})
    scheme = next((layer.scheme for pane in shown for layer in pane.layers if layer.codes), None)
    settings["hidden"] = [k for k in settings["hidden"] if scheme is not None and k < len(scheme)]

    def remember() -> None:
        st.session_state[memory] = dict(st.session_state[key]["settings"])

    def choose() -> None:
        drawn = st.session_state[key]["region"]
        on_region(None if drawn is None else tuple(int(value) for value in drawn))

    drawable = {} if on_region is None else {"on_region_change": choose}
    with reserved(f"{key}_frame", height, around_px=around_px):
        result = _component()(
            key=key,
            data=_message(shown, scheme, settings, as_high(height, around_px), grid)
            | {"region": {"value": region and list(region)} if drawable else None, "target": target and list(target)},
            default={"settings": settings} | ({"region": region} if drawable else {}),
            on_settings_change=remember,
            **drawable,
        )
    chosen = settings | dict(result.settings or {})
    return ViewerState(
        float(chosen["threshold"]), float(chosen["opacity"]), tuple(chosen["hidden"]), str(chosen["layout"]), str(chosen["unsure"])
    )


def scene_panes(
    image: Path | Scene, pair: Pair | None, scheme: ClassScheme | None, *, key: str, bands: Sequence[int] | None = None, **how: Any
) -> ViewerState:
    """A scene beside itself with its mask on top; the scene alone when there is no mask."""
    picture = tiles.image_layer(image, bands=bands)
    shown = [Pane("Image", (picture,))]
    if pair is not None and pair.mask is not None and scheme is not None:
        shown.append(Pane("Image and mask", (picture, tiles.mask_layer(pair, scheme))))
    return panes(shown, key=key, **how)


def prediction_panes(
    folder: Path,
    *,
    key: str,
    image: Path | Scene | None = None,
    pair: Pair | None = None,
    show_confidence: bool = True,
    **how: Any,
) -> ViewerState:
    """Image, mask, prediction, confidence and error of a prediction; mask and error where `pair` has a mask, confidence closed then."""
    truth = pair if pair is not None and pair.mask is not None else None
    codes = tiles.prediction_layer(folder, truth=truth)
    under = (tiles.image_layer(image),) if image is not None else ()
    shown = [Pane("Image", under)] if under else []
    if truth is not None:
        shown.append(Pane("Mask", (*under, tiles.mask_layer(truth, codes.scheme))))
    shown.append(Pane("Prediction", (*under, codes)))
    if show_confidence:
        shown.append(Pane("Confidence", (*under, codes), "confidence"))
    if codes.has_truth:
        shown.append(Pane("Right and wrong", (*under, codes), "error"))
    return panes(shown, key=key, closed=["Confidence"] if codes.has_truth else [], **how)


def measured_panes(folder: Path, name: str, *, key: str, image: Path | Scene | None = None, **how: Any) -> ViewerState:
    """Image and map of measured values, side by side; the map alone where the image is gone."""
    under = (tiles.image_layer(image),) if image is not None else ()
    shown = [*([Pane("Image", under)] if under else []), Pane(name, (*under, tiles.measured_layer(folder)))]
    return panes(shown, key=key, **how)


def _message(shown: Sequence[Pane], scheme: ClassScheme | None, settings: dict, height: str, grid: Sequence[Cell]) -> dict[str, Any]:
    first = shown[0].layers[0]
    layers = [
        [
            {
                "url": tiles.pixel_url(layer),
                "paint": pane.paint if layer.codes else None,
                "title": "prediction" if layer.has_confidence else "mask",
                "confidence": layer.has_confidence,
            }
            for layer in pane.layers
        ]
        for pane in shown
    ]
    titles = [pane.title for pane in shown]
    every = [layer for pane in shown for layer in pane.layers]
    asked = next((layer for layer in every if layer.values is not None), None)
    coloured = state.shown(scheme) if scheme else None
    judged = _RIGHT_AND_WRONG_SAFE if state.safe_colours() else _RIGHT_AND_WRONG
    paints = {pane.paint for pane in shown}
    hints = [_HINT, _HINT_CONFIDENCE if "confidence" in paints else "", _HINT_ERRORS.format(*judged) if "error" in paints else ""]
    return {
        "signature": digest_of(titles, layers, height, scheme),
        "palette": digest_of(coloured and coloured.colours, state.safe_colours()),
        "errorColours": list(judged.values()),
        "staticUrl": served.static_url(),
        "tilePx": tiles.TILE_PX,
        "reachPx": NEIGHBOUR_PX,
        "valuesUrl": tiles.values_url(asked) if asked else None,
        "height": first.height,
        "width": first.width,
        "maxZoom": first.max_zoom,
        "paneHeight": height,
        "panes": [{"title": title, "layers": of} for title, of in zip(titles, layers, strict=True)],
        "classes": [{"name": name, "colour": coloured.hex(k)} for k, name in enumerate(coloured.names)] if coloured else [],
        "hasCodes": any(layer.codes for layer in every),
        "hasConfidence": any(layer.has_confidence for layer in every),
        "settings": settings,
        "grid": [list(cell) for cell in grid],
        "hint": "".join(hints),
    }


@st.cache_resource(show_spinner=False)
def _registered(version: int):
    return st.components.v2.component("groundline_viewer", html=_HTML, css=_STYLES.read_text(encoding="utf-8"), js=_SCRIPT)


def _component():
    return _registered(_STYLES.stat().st_mtime_ns)

"""How outlines are drawn: the form with its settings, and the traced layer behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.digests import digest_of
from core.plain import in_markdown
from core.vector.settings import VectorSettings, class_of, read_size
from core.words import share_words
from ui import frame, state
from ui.kept import has, keep
from ui.map import finished, limits
from ui.map.sources import MapSource

if TYPE_CHECKING:  # geopandas and numba take seconds to load: only when they are needed
    from streamlit.delta_generator import DeltaGenerator

    from core.vector.layer import VectorResult

LIVE_PX = 25_000_000
"""Rasters up to this size are traced as soon as a setting moves; larger ones wait for the button."""

_KEPT_LAYERS = 8
_SETTINGS = "gl_map_settings"
_MOST_SIMPLE, _MOST_ROUND = 10.0, 4


def _form(source: MapSource) -> dict[str, Callable[[Any], bool]]:
    """What is remembered of the form, and which values each of its widgets can have."""

    def between(low: float, high: float) -> Callable[[Any], bool]:
        return lambda value: isinstance(value, (int, float)) and low <= value <= high

    def classes(value: Any) -> bool:
        return isinstance(value, list) and all(name in source.scheme.names for name in value)

    numbers = {"map_threshold": 100, "map_area": limits.LARGEST, "map_simplify": _MOST_SIMPLE, "map_smooth": _MOST_ROUND}
    lists = ("map_classes", "map_right_angles", "map_centre_lines", limits.CHOSEN)
    return {key: between(0, most) for key, most in numbers.items()} | {key: classes for key in lists} | {"map_metres": between(0, 1)}


def settings_form(source: MapSource, said: DeltaGenerator, opened: DeltaGenerator) -> tuple[VectorSettings, bool]:
    """The settings that count now, and whether the button was pressed just now; small rasters need no button.

    The form opens from `opened`; `said` tells in a sentence what it holds.
    """
    form = _form(source)
    state.recall(form)
    live = source.pixels <= LIVE_PX
    sure = source.prediction is not None
    default = VectorSettings()
    area_px, simplify_px = (
        read_size(getattr(default, name), power=power, name=name)[0] for name, power in (("min_area", 2), ("simplify", 1))
    )
    # It opens over the panel beside the map: what a setting does is seen while it is moved.
    with opened.popover("How outlines are drawn", icon=":material/tune:", width="stretch", key="map_settings"):
        (a, b), (c, d) = (st.columns(2, vertical_alignment="bottom") for _ in range(2))
        threshold = a.slider(
            "Confidence from, %",
            0,
            100,
            round(100 * default.threshold),
            key="map_threshold",
            bind="query-params",
            persist_state="session",
            disabled=not sure,
            help="Less certain pixels belong to no polygon and stay empty on the map.",
        )
        unit = "m" if source.geo.units == "m" and st.session_state.get("map_metres") else "px"
        area = b.number_input(
            f"Smallest area, {'m²' if unit == 'm' else 'px'}",
            0,
            limits.LARGEST,
            int(area_px),
            key="map_area",
            bind="query-params",
            persist_state="session",
            help="Smaller patches join the neighbour they touch most.",
        )
        simplify = c.slider(
            f"Simplify, {unit}",
            0.0,
            _MOST_SIMPLE,
            simplify_px,
            0.5,
            key="map_simplify",
            bind="query-params",
            persist_state="session",
            help="How much detail borders lose. Shared borders are simplified once, so no gaps open; 0 keeps the pixel steps.",
        )
        smooth = d.slider(
            "Round corners",
            0,
            _MOST_ROUND,
            default.smooth,
            key="map_smooth",
            bind="query-params",
            persist_state="session",
            help="Passes that round the corners; 0 leaves them.",
        )
        (e, f), (g, h) = (st.columns(2, vertical_alignment="bottom") for _ in range(2))
        names = source.scheme.names
        classes = e.multiselect(
            "Classes", names, key="map_classes", placeholder="All classes", persist_state="session", help="Trace only these."
        )
        angled = f.multiselect(
            "Right angles for",
            names,
            key="map_right_angles",
            placeholder="No class",
            persist_state="session",
            help="Buildings, say: outlines get straight walls and right angles, as far as they still cover the same ground.",
        )
        lined = g.multiselect(
            "Centre lines of",
            names,
            key="map_centre_lines",
            placeholder="No class",
            persist_state="session",
            help="Roads, say: adds their middle lines with length and width, as a network whose lines meet in nodes.",
        )
        far = h.selectbox(
            "Distance to",
            names,
            index=None,
            placeholder="No class",
            key="map_distance",
            persist_state="session",
            help="Adds a column with how far each polygon is from the nearest one of this class: buildings from water, say.",
        )
        st.toggle(
            "Sizes in metres",
            key="map_metres",
            persist_state="session",
            disabled=source.geo.units != "m",
            help="Counts smallest area and simplify in m² and m instead of pixels."
            if source.geo.units == "m"
            else "This scene has no coordinates and no pixel size yet: give them under More, above.",
        )
        areas, thresholds = limits.form(source, metres=unit == "m", area=area)
        pressed = not live and st.button("Trace polygons", type="primary", icon=":material/polyline:", key="map_trace")
    state.remember_form(form)
    now = VectorSettings(
        threshold / 100,
        f"{area}{'m2' if unit == 'm' else 'px'}",
        f"{simplify:g}{unit}",
        smooth,
        classes=tuple(classes) or None,
        regularize=tuple(angled),
        centre_lines=tuple(lined),
        distance_to=far,
        min_areas=areas,
        thresholds=thresholds,
    )
    if live or pressed:
        st.session_state[_SETTINGS] = now.to_dict()
    counted = fitting(VectorSettings.from_dict(st.session_state.get(_SETTINGS, {})), source)
    said.caption(_told(counted))
    return counted, pressed


def _told(settings: VectorSettings) -> str:
    """The settings that count, in a sentence."""
    (area, square), (detail, metric) = (
        read_size(getattr(settings, name), power=power, name=name) for name, power in (("min_area", 2), ("simplify", 1))
    )
    parts = [f"confidence from {share_words(settings.threshold)}"] if settings.threshold else []
    parts += [f"areas from {area:,g} {'m²' if square else 'px'}", f"simplified by {detail:g} {'m' if metric else 'px'}"]
    parts += ["corners rounded"] if settings.smooth else []
    parts += [f"only {in_markdown(', '.join(settings.classes))}"] if settings.classes else []
    apart = dict.fromkeys(class_of(entry) for entry in (*settings.min_areas, *settings.thresholds))
    parts += [f"own limits for {in_markdown(', '.join(apart))}"] if apart else []
    parts += [f"right angles for {in_markdown(', '.join(settings.regularize))}"] if settings.regularize else []
    return f"Outlines: {', '.join(parts)}."


def fitting(settings: VectorSettings, source: MapSource) -> VectorSettings:
    """The settings as far as they fit a raster: what was set for another one must not fail on this one."""
    known = {name: tuple(k for k in getattr(settings, name) or () if k in source.scheme.names) for name in ("regularize", "centre_lines")}
    classes = tuple(k for k in settings.classes or () if k in source.scheme.names) or None
    threshold = settings.threshold if source.prediction else 0.0
    for name in ("min_areas", "thresholds"):
        known[name] = tuple(one for one in getattr(settings, name) if class_of(one) in source.scheme.names)
    known["thresholds"] = known["thresholds"] if source.prediction else ()
    far = settings.distance_to if settings.distance_to in source.scheme.names else None
    return replace(settings, threshold=threshold, classes=classes, pixel_size_m=source.geo.pixel_size_m, distance_to=far, **known)


def layer_digest(source: MapSource, settings: VectorSettings) -> str:
    """What names a traced layer: the raster's content and the settings."""
    return digest_of(source.digest, settings)


def traced(source: MapSource, settings: VectorSettings, digest: str) -> VectorResult:
    """The traced layer, made once for each raster and setting: read where a job has written it, else traced with its progress shown."""

    def make(tell: Callable[[int, int, str], None]) -> VectorResult:
        tell(0, 1, "Opening the layer")
        known = source.prediction and (source.own_geo or source.geo.crs is None)
        written = finished.find(source.prediction, settings) if known else None
        return written or _trace(source, settings, tell)

    return keep("layer", digest, make, words="Tracing polygons", most=_KEPT_LAYERS)


def _trace(source: MapSource, settings: VectorSettings, tell: Callable[[int, int, str], None]) -> VectorResult:
    from core.vector.vectorize import vectorize

    placed = source.geo.crs is not None and not source.own_geo
    return vectorize(
        source.path,
        settings,
        geo=source.geo if placed else None,
        on_progress=lambda done, total, text: tell(done, total, text.capitalize()),
    )


def result(source: MapSource, settings: VectorSettings, digest: str, pressed: bool) -> VectorResult | None:
    """The traced layer, or None after saying why there is none; one without polygons is told, too."""
    if not (pressed or has("layer", digest) or source.pixels <= LIVE_PX):
        st.info(
            f"This scene has {source.pixels / 1e6:,.0f} megapixels. Open **How outlines are drawn** and press **Trace polygons**.",
            icon=":material/polyline:",
        )
        return None
    with frame.errors() as tracing:
        found = traced(source, settings, digest)
    if tracing.failed:
        return None
    if found.layer.frame.empty:
        st.warning("No polygon is left with these settings. Lower the confidence or choose more classes.", icon=":material/filter_alt_off:")
    return found

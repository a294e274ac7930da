"""The work of the Map page: how outlines are drawn, the map with its table, what is selected, the sums, and the downloads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import streamlit as st

from core.files import digest_of
from core.words import area_words, length_words
from ui import frame, state
from ui.kept import has, keep
from ui.map import downloads, drawing, edits
from ui.map import finished as finished_layers
from ui.map.finished import Settings
from ui.map.sources import Source, class_layer, scene_layer
from ui.viewer import tiles

if TYPE_CHECKING:  # geopandas and numba take seconds to load: only when they are needed
    import pandas as pd

    from core.vector.layer import LineLayer, PolygonLayer, VectorResult

LIVE_PX = 25_000_000
"""Rasters up to this size are traced as soon as a setting moves; larger ones wait for the button."""

_KEPT_LAYERS = 8
_SETTINGS = "gl_map_settings"


@st.fragment
def workspace(source: Source, other: Source | None) -> None:
    """Everything below the choice of the prediction; what happens here runs this part of the page only."""
    settings, pressed = settings_form(source)
    digest = layer_digest(source, settings)
    # Always there, so that a progress bar or message moves nothing below it, and the map is not built anew.
    with st.container(key="map_news", gap="small"):
        result = _result(source, settings, digest, pressed)
    if result is None:
        return
    with frame.errors():
        if other is None:
            _one(source, result, digest)
        else:
            from ui.map import compare

            compare.show(source, other, settings, result, digest)


def _result(source: Source, settings: Settings, digest: str, pressed: bool) -> VectorResult | None:
    """The traced layer, or None after saying why there is none."""
    if not (pressed or has("layer", digest) or source.pixels <= LIVE_PX):
        st.info(
            f"This scene has {source.pixels / 1e6:,.0f} megapixels. Open **How outlines are drawn** and press **Trace polygons**.",
            icon=":material/polyline:",
        )
        return None
    with frame.errors() as tracing:
        result = traced(source, settings, digest)
    if tracing.failed:
        return None
    if result.layer.frame.empty:
        st.warning("No polygon is left with these settings. Lower the confidence or choose more classes.", icon=":material/filter_alt_off:")
        return None
    return result


def _one(source: Source, result: VectorResult, digest: str) -> None:
    layer, drawn_digest = edits.corrected(result.layer, digest)
    told = map_of(source, layer, drawn_digest, lines=_lines(result, digest))
    a, b = st.columns(2, gap="medium")
    with a.container(border=True, height="stretch", key="map_selected"), frame.errors():
        st.subheader(":material/ads_click: Selected polygon", anchor=False)
        edits.panel(source, result.layer, layer, digest, told.selected)
    with b.container(border=True, height="stretch", key="map_region"), frame.errors():
        st.subheader(":material/crop: Region", anchor=False)
        _region(layer, told)
    st.subheader("Classes", anchor=False)
    summary(result, layer)
    show_table(layer)
    if result.lines is not None:
        _network(result.lines)
    st.subheader("Downloads", anchor=False)
    with frame.errors():
        downloads.show(source, layer, told, result.lines)


# ---- how outlines are drawn ----


def settings_form(source: Source) -> tuple[Settings, bool]:
    """The settings that count now, and whether the button was pressed just now; small rasters need no button."""
    live = source.pixels <= LIVE_PX
    sure = source.prediction is not None
    with st.expander("How outlines are drawn", icon=":material/tune:", key="map_settings"):
        a, b, c, d = st.columns(4, vertical_alignment="bottom")
        threshold = a.slider(
            "Confidence from, %", 0, 100, 0, key="map_threshold", bind="query-params", persist_state="session", disabled=not sure,
            help="Less certain pixels belong to no polygon and stay empty on the map.",
        )  # fmt: skip
        unit = "m" if source.geo.units == "m" and st.session_state.get("map_metres") else "px"
        area = b.number_input(
            f"Smallest area, {'m²' if unit == 'm' else 'px'}", 0, 100_000, 4, key="map_area", bind="query-params", persist_state="session",
            help="Smaller patches join the neighbour they touch most.",
        )  # fmt: skip
        simplify = c.slider(
            f"Simplify, {unit}", 0.0, 10.0, 1.0, 0.5, key="map_simplify", bind="query-params", persist_state="session",
            help="How much detail borders lose. Shared borders are simplified once, so no gaps open; 0 keeps the pixel steps.",
        )  # fmt: skip
        smooth = d.slider(
            "Round corners", 0, 4, 0, key="map_smooth", bind="query-params", persist_state="session",
            help="Passes that round the corners; 0 leaves them.",
        )  # fmt: skip
        e, f, g, h = st.columns(4, vertical_alignment="bottom")
        names = source.scheme.names
        classes = e.multiselect(
            "Classes", names, key="map_classes", placeholder="All classes", persist_state="session", help="Trace only these."
        )
        angled = f.multiselect(
            "Right angles for", names, key="map_right_angles", placeholder="No class", persist_state="session",
            help="Buildings, say: outlines get straight walls and right angles, as far as they still cover the same ground.",
        )  # fmt: skip
        lined = g.multiselect(
            "Centre lines of", names, key="map_centre_lines", placeholder="No class", persist_state="session",
            help="Roads, say: adds their middle lines with length and width, as a network whose lines meet in nodes.",
        )  # fmt: skip
        h.toggle(
            "Sizes in metres", key="map_metres", persist_state="session", disabled=source.geo.units != "m",
            help="Counts smallest area and simplify in m² and m instead of pixels."
            if source.geo.units == "m" else "This scene has no coordinates and no pixel size yet: give them under More, above.",
        )  # fmt: skip
        pressed = not live and st.button("Trace polygons", type="primary", icon=":material/polyline:", key="map_trace")
    now = Settings(
        threshold / 100, f"{area}{'m2' if unit == 'm' else 'px'}", f"{simplify:g}{unit}", smooth,
        classes=tuple(classes), right_angles=tuple(angled), centre_lines=tuple(lined),
    )  # fmt: skip
    if live or pressed:
        st.session_state[_SETTINGS] = asdict(now)
    return fitting(Settings(**st.session_state.get(_SETTINGS, {})), source), pressed


def fitting(settings: Settings, source: Source) -> Settings:
    """The settings as far as they fit a raster: what was set for another one must not fail on this one."""
    known = {
        name: tuple(k for k in getattr(settings, name) if k in source.scheme.names) for name in ("classes", "right_angles", "centre_lines")
    }
    threshold = settings.threshold if source.prediction else 0.0
    return replace(settings, threshold=threshold, pixel_size_m=source.geo.pixel_size_m, **known)


def layer_digest(source: Source, settings: Settings) -> str:
    """What names a traced layer: the raster's content and the settings."""
    return digest_of(source.digest, settings)


def traced(source: Source, settings: Settings, digest: str) -> VectorResult:
    """The traced layer, made once for each raster and setting: read where a job has written it, else traced with its progress shown."""

    def make(tell: Callable[[int, int, str], None]) -> VectorResult:
        tell(0, 1, "Opening the layer")
        known = source.prediction and (source.own_geo or not source.geo.georeferenced)
        finished = finished_layers.find(source.prediction, settings) if known else None
        return finished or _trace(source, settings, tell)

    return keep("layer", digest, make, words="Tracing polygons", most=_KEPT_LAYERS)


def _trace(source: Source, settings: Settings, tell: Callable[[int, int, str], None]) -> VectorResult:
    from core.vector.vectorize import vectorize

    placed = source.geo.georeferenced and not source.own_geo
    return vectorize(
        source.path,
        threshold=settings.threshold,
        min_area=settings.min_area,
        simplify=settings.simplify,
        smooth=settings.smooth,
        classes=list(settings.classes) or None,
        pixel_size_m=settings.pixel_size_m,
        geo=source.geo if placed else None,
        regularize=list(settings.right_angles),
        centre_lines=list(settings.centre_lines),
        on_progress=lambda done, total, text: tell(done, total, text.capitalize()),
    )


# ---- the map ----


def _lines(result: VectorResult, digest: str) -> tiles.Layer | None:
    if result.lines is None or result.lines.frame.empty:
        return None
    return tiles.known(tiles.features_id(f"lines-{digest}")) or tiles.features_layer(
        drawing.browser_lines(result.lines), digest=f"lines-{digest}"
    )


def map_of(source: Source, layer: PolygonLayer, digest: str, *, lines: tiles.Layer | None = None) -> drawing.Told:
    """The map with its table, and what the user did on it; `lines` are drawn over the polygons."""
    many = len(layer.frame) > drawing.MAX_POLYGONS
    scene, pictures = scene_layer(source), []
    if scene is not None:
        pictures.append(drawing.Picture("Scene", scene, shown=True))
    pictures.append(drawing.Picture("Class raster", class_layer(source), base=False, shown=many, opacity=0.55 if many else 0.7))
    online = source.geo.georeferenced and bool(st.session_state.get("map_online"))
    ground = drawing.Ground(source.height, source.width, source.geo)
    made = drawing.base_map(ground, pictures, titles=[source.title], memory=source.digest, online=online)
    drawn = drawing.Drawn(layer, digest, state.shown(source.scheme))
    message = drawing.message(drawn, pixel_size_m=source.geo.pixel_size_m, lines=lines)
    told = drawing.show(made, message, key=f"map-{source.digest}-{int(many)}-{int(online)}")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if source.geo.georeferenced:
            st.toggle(
                "Online base maps", key="map_online", persist_state="session",
                help="Your browser asks OpenStreetMap and Esri; those that answer join the layers button on the map. Never needed.",
            )  # fmt: skip
        else:
            st.caption("No coordinates: the map counts pixels. **More**, at the top, gives the scene a pixel size or a place on the earth.")
    return told


def summary(result: VectorResult, layer: PolygonLayer) -> None:
    """What came out, in numbers, and the proof that it tiles the scene."""
    with st.container(horizontal=True):
        st.metric("Polygons", f"{len(layer.frame):,}", border=True)
        st.metric(
            "Area", area_words(float(layer.frame[layer.area_column].sum()), layer.units), border=True, help="Of all polygons together."
        )
        sure = layer.frame["mean_confidence"].mean()
        if sure == sure:
            st.metric("Mean confidence", f"{sure:.2f}", border=True, help="Of the polygons, 0 to 1.")
        faults = result.invalid or result.gap_area > 0 or result.overlap_area > 0
        told = f"{result.invalid} invalid" if faults else "Clean"
        st.metric("Geometry", told, border=True, help="Clean: every polygon is valid, and there are no gaps and no overlaps between them.")


def _network(lines: LineLayer) -> None:
    """How long the centre lines are, and their file."""
    lengths = ", ".join(f"{name} {length_words(length, lines.units)}" for name, length in lines.lengths().items())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Centre lines** · {len(lines.frame):,} lines: {lengths or 'none found'}", width="content")
        if len(lines.frame):
            downloads.of_lines(lines)


def _region(layer: PolygonLayer, told: drawing.Told) -> None:
    """Counts and areas by class inside the region that is drawn on the map."""
    if told.region is None:
        st.markdown("Draw a rectangle or polygon with the tools on the map: polygons are cut at its border, counted and summed by class.")
        return
    inside = downloads.part_of(layer, told, "region")
    if inside.frame.empty:
        st.markdown("No polygon lies inside the region.")
        return
    total = float(inside.frame[inside.area_column].sum())
    st.markdown(
        f"**{len(inside.frame):,} polygons, {area_words(total, inside.units)}** inside the region. **Downloads** can take just these."
    )
    show_table(inside, key="map_region_table")


# ---- tables ----


def class_table(layer: PolygonLayer) -> pd.DataFrame:
    """Polygons, area, share and mean confidence of each class."""
    from core.vector.clip import class_sums

    sums = class_sums(layer)
    largest = layer.frame.groupby("class_id")[layer.area_column].max()
    table = sums.rename(columns={"class_name": "class", "mean_confidence": "mean confidence"})
    table = table.assign(share=100 * table["share"], largest=largest.loc[table["class_id"]].to_numpy())
    return table[["class", "polygons", "area", "share", "largest", "mean confidence"]]


def show_table(layer: PolygonLayer, *, key: str = "map_classes_table") -> None:
    """The class table with its units."""
    unit = "m²" if layer.units == "m" else "px"
    st.dataframe(
        class_table(layer),
        hide_index=True,
        key=key,
        alt="Polygons and areas by class",
        column_config={
            "polygons": st.column_config.NumberColumn(format="localized"),
            "area": st.column_config.NumberColumn(f"area, {unit}", format="%,.0f"),
            "share": st.column_config.NumberColumn(format="%.1f %%", help="Of the area of all polygons"),
            "largest": st.column_config.NumberColumn(f"largest, {unit}", format="%,.0f", help="The largest polygon of the class"),
            "mean confidence": st.column_config.NumberColumn(format="%.2f", help="Of the class's area, 0 to 1"),
        },
    )

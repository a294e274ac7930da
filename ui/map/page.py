"""The work of the Map page: how outlines are drawn, the map with its table, the corrections, the sums, and the downloads."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st

from core.digests import digest_of
from core.errors import GroundlineError
from core.plain import in_markdown
from core.vector.editing import browser
from core.words import area_words, counted, length_words
from ui import frame, state
from ui.kept import keep
from ui.map import compare, downloads, drawing, edits, naming, shown, tracing
from ui.map.sources import MapSource
from ui.viewer import tiles

if TYPE_CHECKING:  # geopandas and numba take seconds to load: only when they are needed
    from streamlit.delta_generator import DeltaGenerator

    from core.vector.layer import LineLayer, PolygonLayer, VectorResult


@st.fragment
def workspace(source: MapSource, other: MapSource | None) -> None:
    """Everything below the choice of the prediction; what happens here runs this part of the page only."""
    with downloads.seen().being_drawn():
        _workspace(source, other)


def _workspace(source: MapSource, other: MapSource | None) -> None:
    if other is None:
        naming.take(shown.map_key(source), source)
    said, *choice, opened = st.columns([3, 2] if other is None else [2, 3, 2], vertical_alignment="center")
    settings, pressed = tracing.settings_form(source, said, opened)
    digest = tracing.layer_digest(source, settings)
    # What comes and goes lies below the map, which then keeps its place on the page, and so its view.
    above = st.container(key="map_itself")
    with st.container(key="map_news", gap="small"):
        result = tracing.result(source, settings, digest, pressed)
    if result is None:
        return
    with frame.errors():
        if other is None:
            _one(source, result, digest, above)
        elif not result.layer.frame.empty:
            compare.show(source, other, settings, result, digest, choice=choice[0])


def _one(source: MapSource, result: VectorResult, digest: str, above: DeltaGenerator) -> None:
    with st.container(key="map_corrected", gap="small"):
        called = naming.called(source)
        edits.take(drawing.asked(shown.map_key(source)), result.layer, digest, called)
        layer, drawn_digest = edits.corrected(result.layer, digest)
        layer = naming.named(layer, called)
        lines = None if result.lines is None else naming.named(result.lines, called)
        region = drawing.done(shown.map_key(source)).region
        note = edits.elsewhere(source, digest)
        with suppress(GroundlineError):  # said where the region's sums stand
            note = f"{note} {_region_words(_inside(layer, drawn_digest, region))}".strip()
    with above:
        drawn = drawing.Drawn(layer, drawn_digest, state.shown(layer.scheme))
        before = edits.before(drawn_digest)
        since = None if before is None else drawing.Drawn(*before, drawn.scheme)
        told = shown.map_of(source, drawn, since=since, editing=edits.offered(layer, digest), lines=_lines(result, digest), note=note)
    if layer.frame.empty:
        if not result.layer.frame.empty:
            st.info("All polygons are deleted. **Undo**, in the card beside the map, brings them back.", icon=":material/undo:")
        return
    a, b = st.columns(2, gap="medium")
    with a.container(border=True, height="stretch", key="map_corrections"), frame.errors():
        st.subheader(":material/edit: Corrections", anchor=False)
        edits.panel(source, result.layer, digest, called)
    with b.container(border=True, height="stretch", key="map_region"), frame.errors():
        st.subheader(":material/crop: Region", anchor=False)
        _region(_inside(layer, drawn_digest, told.region))
    st.subheader("Classes", anchor=False)
    shown.summary(result, layer)
    shown.show_table(layer)
    if lines is not None:
        _network(source, lines)
    st.subheader("Downloads", anchor=False)
    with frame.errors():
        downloads.show(source, layer, told, lines)


def _lines(result: VectorResult, digest: str) -> tiles.Features | None:
    if result.lines is None or result.lines.frame.empty:
        return None
    return tiles.features(f"lines-{digest}", lambda: browser.browser_lines(result.lines))


def _network(source: MapSource, lines: LineLayer) -> None:
    """How long the centre lines are, and their file."""
    lengths = ", ".join(f"{in_markdown(name)} {length_words(length, lines.units)}" for name, length in lines.lengths().items())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**Centre lines** · {len(lines.frame):,} lines: {lengths or 'none found'}", width="content")
        if len(lines.frame):
            downloads.of_lines(source, lines)


def _inside(layer: PolygonLayer, digest: str, region: tuple[tuple[float, float], ...] | None) -> PolygonLayer | None:
    """What lies inside the region that is drawn on the map, cut once for each layer and region; None where there is no such region."""
    if region is None:
        return None
    told = drawing.Told(region=region)
    name = digest_of(digest, layer.scheme, region)
    return keep("region", name, lambda _: downloads.part_of(layer, told, "region"), words="Cutting at the region", most=2)


def _region_words(inside: PolygonLayer | None) -> str:
    """What the map says of the region, in reach of the hand that drew it."""
    if inside is None:
        return ""
    total = area_words(float(inside.frame[inside.area_column].sum()), inside.units)
    return f"In the region: {counted(len(inside.frame), 'polygon')}, {total}. Their classes are below the map."


def _region(inside: PolygonLayer | None) -> None:
    """Counts and areas by class inside the region that is drawn on the map."""
    if inside is None:
        st.markdown("Draw a rectangle or polygon with the tools on the map: polygons are cut at its border, counted and summed by class.")
        return
    if inside.frame.empty:
        st.markdown("No polygon lies inside the region.")
        return
    total = float(inside.frame[inside.area_column].sum())
    st.markdown(
        f"**{len(inside.frame):,} polygons, {area_words(total, inside.units)}** inside the region. **Downloads** can take just these."
    )
    shown.show_table(inside, key="map_region_table")

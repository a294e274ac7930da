"""What the Map page shows of a traced layer: the drawn map, its table of classes, and its sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from core.words import area_words
from ui import tables
from ui.map import colours, drawing, naming, online, overlays
from ui.map.sources import MapSource, class_layer, scene_layer
from ui.viewer import tiles

if TYPE_CHECKING:  # geopandas takes seconds to load: only when it is needed
    import pandas as pd

    from core.vector.layer import PolygonLayer, VectorResult


_NO_PLACE = {
    "local": "A local CRS: the map counts pixels, areas and files are in the metres of the CRS.",
    "unnamed": "The file names no CRS: the map counts pixels. **More**, at the top, names the CRS of its coordinates.",
    "pixels": "No coordinates: the map counts pixels. **More**, at the top, gives the scene a pixel size or a place on the earth.",
}


def map_key(source: MapSource) -> str:
    """What the map of a raster is called on the page; another name is another map, which begins with the whole scene in view."""
    return f"map-{source.digest}-{int(_base_maps(source))}{online.key(source.geo)}"


def _base_maps(source: MapSource) -> bool:
    return source.geo.georeferenced and bool(st.session_state.get("map_online"))


def map_of(
    source: MapSource,
    drawn: drawing.Drawn,
    *,
    since: drawing.Drawn | None,
    editing: dict[str, Any],
    lines: tiles.Features | None = None,
    note: str = "",
) -> drawing.Told:
    """The map of a layer with its table, and what the user did on it.

    A map that still draws `since` fetches only what has changed since then. `editing` is what the map offers to correct, `lines` are drawn
    over the polygons, `note` is said below the legend.
    """
    scene, pictures = scene_layer(source), []
    if scene is not None:
        pictures.append(drawing.Underlay("Scene", scene, shown=True))
    pictures.append(drawing.Underlay("Class raster", class_layer(source), base=False, opacity=0.7))
    ground = drawing.Ground(source.height, source.width, source.geo)
    made = drawing.base_map(ground, pictures, titles=[source.title], memory=source.digest, online=_base_maps(source), editable=True)
    message = drawing.message(
        drawn, pixel_size_m=source.geo.pixel_size_m, since=since, lines=lines, editing=editing, colouring=colours.offered()
    )
    message["classTiles"] = drawing.class_tiles(pictures, ground)
    message["note"] = f"{message['note']} {note}".strip()
    message["online"] = online.offered(source.geo)
    message["classes"] = naming.ordered(message["classes"], source)
    message["naming"] = naming.offered(source)
    with st.container(key="map_own_layers"):
        message["overlays"] = overlays.shown(source)
    told = drawing.show(made, message, key=map_key(source))
    colours.take(map_key(source))
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        overlays.choose(source)
        online.choose(source.geo)
        if source.geo.georeferenced:
            st.toggle(
                "Online base maps",
                key="map_online",
                persist_state="session",
                help="Your browser asks OpenStreetMap and Esri; those that answer join the layers button on the map. Never needed.",
            )
        else:
            st.caption(_NO_PLACE["local" if source.geo.local else "unnamed" if source.geo.unnamed else "pixels"])
    return told


def summary(result: VectorResult, layer: PolygonLayer) -> None:
    """What came out, in numbers, and the proof that it tiles the scene."""
    from core.vector.clip import mean_confidence

    with st.container(horizontal=True):
        st.metric("Polygons", f"{len(layer.frame):,}", border=True)
        st.metric(
            "Area", area_words(float(layer.frame[layer.area_column].sum()), layer.units), border=True, help="Of all polygons together."
        )
        sure = mean_confidence(layer)
        if sure == sure:
            st.metric("Mean confidence", f"{sure:.2f}", border=True, help="Of the area, 0 to 1.")
        faults = result.invalid or result.gap_area > 0 or result.overlap_area > 0
        told = f"{result.invalid} invalid" if faults else "Clean"
        st.metric("Geometry", told, border=True, help="Clean: every polygon is valid, and there are no gaps and no overlaps between them.")


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
    tables.show(
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

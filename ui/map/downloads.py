"""Taking a layer home: formats by what they are for, the part that goes into the files, and their coordinates."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from pyproj import CRS
from pyproj.exceptions import CRSError

from core.claims import scratch
from core.errors import ExportError, SettingsError
from core.geo import local_utm
from core.plain import in_markdown
from core.vector.filtering import NO_FILTER, left_by
from core.vector.formats.products import PRODUCTS, product_of
from core.words import counted, file_stem
from ui import library, state
from ui.map import by_url, database, drawing, handover, naming, sources
from ui.map.sources import MapSource

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from core.vector.layer import LineLayer, PolygonLayer

_OWN = "own"
_PARTS = {"all": "All polygons", "filter": "What the filter leaves", "selected": "Selected", "region": "Inside the region"}
_IN_NAMES = {"all": "all", "filter": "filtered", "selected": "selected", "region": "region"}
_SEEN = "gl_map_seen"
GRACE_S = 0.4
"""How long a download waits for what was done on the map just before, which the map tells after 0.2 s."""
_MOST_WAIT_S = 120.0


class Seen:
    """What the map of a session shows now; a download that is pressed while the page computes waits for it."""

    def __init__(self) -> None:
        self._settled = threading.Event()
        self.layer: PolygonLayer | None = None
        self.told = drawing.Told()

    @contextmanager
    def being_drawn(self) -> Iterator[None]:
        """While this lasts, what is seen is not settled."""
        self._settled.clear()
        try:
            yield
        finally:
            self._settled.set()

    def part(self, part: str) -> PolygonLayer:
        """A part of what is seen once nothing is being drawn any more. Raises ExportError where it is empty."""
        time.sleep(GRACE_S)
        self._settled.wait(_MOST_WAIT_S)
        found = None if self.layer is None else part_of(self.layer, self.told, part)
        if found is None or found.frame.empty:
            raise ExportError("no polygon to write", expected="one at least", do="Change the filter, the region or the selection")
        return found


def seen() -> Seen:
    """What this session's map shows."""
    return st.session_state.setdefault(_SEEN, Seen())


@dataclass(frozen=True)
class Offer:
    """What the page adds to a product: its media type, its icon, and what it is for."""

    media_type: str = "application/octet-stream"
    icon: str = ":material/draft:"
    use: str = ""


_GIS, _WEB, _LOOK = "For a GIS", "For the web and tables", "To look at and hand over"
_SQLITE, _GEOJSON, _KML = "application/geopackage+sqlite3", "application/geo+json", "application/vnd.google-earth.kml+xml"
OFFERS: dict[str, dict[str, Offer]] = {
    _GIS: {
        ".gpkg": Offer(_SQLITE, ":material/package_2:", "One file with style and field notes; the safe choice."),
        ".shp.zip": Offer("application/zip", ":material/folder_zip:", "For older software; zipped, short field names."),
        ".fgb": Offer("application/octet-stream", ":material/bolt:", "Fast to open and to stream when the layer is large."),
        ".parquet": Offer("application/vnd.apache.parquet", ":material/view_column:", "For data science: pandas, DuckDB."),
        ".dxf": Offer("image/vnd.dxf", ":material/architecture:", "For CAD; one drawing layer for each class."),
        ".qml": Offer("application/xml", ":material/palette:", "Only the colours, for a layer in QGIS."),
    },
    _WEB: {
        ".geojson": Offer(_GEOJSON, ":material/data_object:", "For web maps and scripts; in degrees."),
        ".kml": Offer(_KML, ":material/public:", "For Google Earth, in the classes' colours."),
        ".csv": Offer("text/csv", ":material/table:", "A table for spreadsheets, outlines as WKT text."),
    },
    _LOOK: {
        ".html": Offer("text/html", ":material/map:", "One file that opens anywhere, without a network."),
        ".report.html": Offer("text/html", ":material/description:", "Map, areas, scores and settings, to send."),
        ".png": Offer("image/png", ":material/image:", "A4 with scale, north and legend, for slides."),
        ".pdf": Offer("application/pdf", ":material/picture_as_pdf:", "The same, for paper."),
    },
}
_OF_CHANGE = (".gpkg", ".shp.zip", ".geojson", ".csv")
"""Formats that hold the from and to classes of a change layer."""


def groups() -> dict[str, dict[str, Offer]]:
    """Each product that is one file, by what it is for; one that this page says nothing of stands last."""
    known = {suffix for offers in OFFERS.values() for suffix in offers}
    others: dict[str, dict[str, Offer]] = {heading: {} for heading in OFFERS}
    for suffix, product in PRODUCTS.items():
        if suffix not in known and not product.in_parts:
            others[_GIS if product.read else _LOOK][suffix] = Offer()
    return {heading: offers | others[heading] for heading, offers in OFFERS.items()}


def show(source: MapSource, layer: PolygonLayer, told: drawing.Told, lines: LineLayer | None = None) -> None:
    """What goes into the files, in which coordinates, and a button for each format; a file is made when its button is pressed.

    `lines` go into the formats that hold several layers, when all polygons do.
    """
    a, b = st.columns([3, 2])
    parts = ["all"]
    parts += [part for part, there in (("filter", told.filter != NO_FILTER), ("selected", told.selected), ("region", told.region)) if there]
    part = a.segmented_control(
        "What goes into the files",
        parts,
        default="all",
        required=True,
        format_func=_PARTS.get,
        key=f"map_part_{'_'.join(parts)}",
        help="Filter with the table and the legend, select polygons, or draw a region on the map, to take a part only.",
    )
    with b:
        crs = choose_crs(layer)
    now = seen()
    now.layer, now.told = naming.in_order(replace(layer, scheme=state.shown(layer.scheme)), source), told
    chosen = part_of(now.layer, told, part)
    count = len(chosen.frame)
    if count:
        aside = (
            f" The map's filter is left aside here; choose **{_PARTS['filter']}** to go by it."
            if part == "all" and "filter" in parts
            else ""
        )
        st.caption(f"{counted(count, 'polygon')} of {len(layer.frame):,} {'goes' if count == 1 else 'go'} into the files.{aside}")
    else:
        st.warning("No polygon is left in this part, so there is nothing to take home.", icon=":material/filter_alt_off:")
    lines = None if lines is None or part != "all" else naming.in_order(replace(lines, scheme=now.layer.scheme), source)
    for heading, offers in groups().items():
        with st.container(border=True, gap="small"):
            st.markdown(f"**{heading}**")
            base = _print_base(source) if ".png" in offers else "scene"
            columns = st.columns(2, gap="medium")
            for place, (suffix, offer) in enumerate(offers.items()):
                name = f"{file_stem(source.title, _IN_NAMES[part])}{suffix}"
                made = exporter(lambda: now.part(part), name, crs=crs, source=source, lines=lines, base=base)
                with columns[place % 2].container(horizontal=True, vertical_alignment="center", gap="small"):
                    _button(offer, suffix, made, name, layer=layer, empty=not count)
    with st.container(border=True, gap="small", key="map_handover_card"):
        handover.offer(source, chosen, lines, _IN_NAMES[part])
    with st.container(border=True, gap="small", key="map_by_url_card"):
        by_url.offer(source, chosen, lines, _IN_NAMES[part])
    title = source.title if part == "all" else f"{source.title} {_IN_NAMES[part]}"
    database.offer(title, lambda: part_of(now.layer or layer, told, part), crs=crs, lines=lines, empty=not count)


def _button(offer: Offer, suffix: str, made: Callable[[], bytes], name: str, *, layer: PolygonLayer, empty: bool) -> None:
    product = PRODUCTS[suffix]
    placeless = not product.holds(layer.geo)
    st.download_button(
        product.title,
        made,
        name,
        offer.media_type,
        key=f"map_download_{suffix.strip('.').replace('.', '_')}",
        icon=offer.icon,
        on_click="ignore",
        disabled=placeless or empty,
        type="primary" if suffix == ".gpkg" else "secondary",
        width=170,
        help=f"{product.title} needs a place on the earth, and this scene has none."
        if placeless
        else "Made when pressed; data files are re-opened and compared.",
    )
    unplaced = product.lonlat and layer.geo.crs is None and not placeless and product.read is not None and suffix != ".html"
    st.caption("In pixels, as the file itself says; other programs take them for degrees." if unplaced else offer.use, width="stretch")


def _print_base(source: MapSource) -> str:
    """What printed maps are drawn on; online maps are on offer where the user has switched them on."""
    if not (source.geo.georeferenced and st.session_state.get("map_online")):
        return "scene"
    from core.vector.printing.figure import BASES

    return st.segmented_control(
        "Printed maps on",
        list(BASES),
        default="scene",
        required=True,
        format_func=BASES.get,
        key="map_print_base",
        persist_state="session",
        help="Online base maps are fetched for the print; when they do not answer, the scene takes their place.",
    )


def of_change(layer: PolygonLayer, title: str) -> None:
    """The change layer in the formats that hold its from and to classes."""
    st.markdown("**Take the change layer home**")
    wanted = {suffix: offer for offers in groups().values() for suffix, offer in offers.items() if suffix in _OF_CHANGE}
    with st.container(horizontal=True):
        for suffix, offer in wanted.items():
            name = f"{file_stem(title, 'change')}{suffix}"
            st.download_button(
                PRODUCTS[suffix].title,
                exporter(lambda: layer, name),
                name,
                offer.media_type,
                icon=offer.icon,
                on_click="ignore",
                help=offer.use,
                key=f"map_change_{suffix.strip('.').replace('.', '_')}",
                disabled=layer.frame.empty,
            )


def of_lines(source: MapSource, lines: LineLayer) -> None:
    """The centre lines as GeoPackage."""
    name = f"{file_stem(source.title, 'centre-lines')}.gpkg"
    shown = replace(lines, scheme=state.shown(lines.scheme))
    st.download_button(
        "Centre lines (GeoPackage)",
        exporter(lambda: shown, name),
        name,
        _SQLITE,
        key="map_download_lines",
        icon=":material/polyline:",
        on_click="ignore",
        help="Lines with length, width and the nodes where they meet.",
    )


def region_of(layer: PolygonLayer, told: drawing.Told) -> BaseGeometry:
    """The region that is drawn on the map, in the layer's coordinates. Raises SettingsError where none is, or one without an area."""
    from core.vector.clip import region_in_layer

    ring = [*(told.region or ()), *(told.region or ())[:1]]
    if layer.geo.georeferenced:
        return region_in_layer(layer, {"type": "Polygon", "coordinates": [ring]})
    # Drawn on the map of pixels, where y runs up.
    return region_in_layer(layer, {"type": "Polygon", "coordinates": [[(x, -y) for x, y in ring]]}, space="pixels")


def part_of(layer: PolygonLayer, told: drawing.Told, part: str) -> PolygonLayer:
    """The polygons that go into the files: all of them, those that the map's filter leaves, those selected, or what lies inside the region,
    cut at its border."""
    from core.vector.clip import clip

    if part == "filter":
        return left_by(layer, told.filter.passes(layer))
    if part == "selected":
        return left_by(layer, layer.frame["id"].isin(told.selected))
    if part == "region" and told.region:
        return clip(layer, region_of(layer, told), space="layer")
    return layer


def choose_crs(layer: PolygonLayer) -> str | None:
    """The target CRS, None for the layer's own."""
    if layer.geo.local:
        st.caption(f"Files are in the scene's local CRS, {in_markdown(layer.geo.crs.name)}: it leads to no place on the earth.")
        return None
    if layer.geo.unnamed:
        st.caption("Files are in the coordinates of the file's transform, which names no CRS. **More**, at the top, names it.")
        return None
    if not layer.geo.georeferenced:
        st.caption("Files are in pixels: this scene has no coordinates. **More**, at the top, places it on the earth.")
        return None
    own = f"EPSG:{layer.geo.epsg}" if layer.geo.epsg else layer.geo.crs.name
    utm = f"EPSG:{local_utm(*_middle(layer)).to_epsg()}"
    names = {
        _OWN: f"As the scene ({own})",
        "EPSG:4326": "Longitude and latitude, WGS 84 (EPSG:4326)",
        "EPSG:3857": "Web Mercator (EPSG:3857)",
        utm: f"Local UTM zone ({utm})",
    }
    wanted = st.selectbox(
        "Coordinates of the files",
        [code for code in names if code != own],
        format_func=lambda code: names.get(code, code),
        key="map_crs",
        accept_new_options=True,
        persist_state="session",
        help="Choose one or type another, EPSG:25832 say. GeoJSON, KML, web map and report are always in longitude and latitude.",
    )
    if wanted == _OWN or not wanted:
        return None
    try:
        CRS.from_user_input(wanted)
    except CRSError as error:
        raise SettingsError(
            f"no CRS {wanted!r}", expected='a code such as "EPSG:25832"', do="Correct it or choose one of the list"
        ) from error
    return wanted


def _middle(layer: PolygonLayer) -> tuple[float, float]:
    return layer.geo.lonlat(layer.made["height"] / 2, layer.made["width"] / 2)


def exporter(
    part: Callable[[], PolygonLayer | LineLayer],
    name: str,
    *,
    crs: str | None = None,
    source: MapSource | None = None,
    lines: LineLayer | None = None,
    base: str = "scene",
) -> Callable[[], bytes]:
    """A function that writes the layer under `name` in a folder of its own and returns the file's bytes.

    `source` gives pictures the scene below the polygons, and reports what is known of the prediction; printed maps lie on `base`.
    """

    def make() -> bytes:
        from core.vector.formats.export import write_product

        product = PRODUCTS[product_of(name)]
        known = {} if source is None else {"title": source.title, "scene": sources.placed_scene(source)}
        if source is not None and source.prediction is not None and "prediction" in product.takes:
            known |= _predicted(source.prediction)
        with scratch() as folder:
            path = folder / name
            # Other formats hold one layer, and their lines would be a second file.
            write_product(part(), path, crs=crs, lines=lines if product.holds_lines else None, base=base, **known)
            return path.read_bytes()

    return make


def _predicted(folder: Path) -> dict[str, Any]:
    """What a report tells of a prediction: how it was made, and the card of its model."""
    prediction = library.prediction(folder)
    return {"prediction": prediction, "card": next((one.card for one in library.models() if one.card.name == prediction.card_name), None)}


def suffixes() -> list[str]:
    """All endings on offer."""
    return [suffix for offers in groups().values() for suffix in offers]

"""The sections of the Map page: what to trace and how, the traced layer, its table and its downloads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.classes import ClassScheme
from core.errors import InputError
from core.prediction.rasters import CONFIDENCE, LABELS, Prediction
from core.scene import open_scene
from ui import finished_layers, frame, library, predict_view, state
from ui.finished_layers import Settings, settings_digest
from ui.kept import has, keep

if TYPE_CHECKING:  # geopandas, numba and folium take seconds to load: only when they are needed
    import pandas as pd

    from core.vector.layer import PolygonLayer, VectorResult

TRACE_AT_ONCE_PX = 25_000_000
"""Rasters up to this size are traced as soon as the page opens; larger ones wait for the button."""

_KEPT_LAYERS = 4
_SETTINGS = "gl_map_settings"
_RASTER = "gl_map_raster"
_DOWNLOADS = {  # suffix -> media type and icon
    ".gpkg": ("application/geopackage+sqlite3", ":material/package_2:"),
    ".shp.zip": ("application/zip", ":material/folder_zip:"),
    ".geojson": ("application/geo+json", ":material/data_object:"),
    ".csv": ("text/csv", ":material/table:"),
    ".kml": ("application/vnd.google-earth.kml+xml", ":material/public:"),
    ".html": ("text/html", ":material/map:"),
}


@dataclass(frozen=True)
class Source:
    """What is traced: a prediction folder or a class raster, with what the page needs to know of it."""

    path: Path
    title: str
    scheme: ClassScheme
    pixels: int
    georeferenced: bool
    has_confidence: bool
    digest: str
    scene: Path | None
    prediction: Path | None


def choose_source() -> Source | None:
    """The prediction or class raster on the map, None when there is none yet."""
    folders = library.predictions()
    raster = st.session_state.get(_RASTER)
    options = ([Path(raster)] if raster and Path(raster).exists() else []) + folders
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with right.popover("Other raster", icon=":material/folder_open:", width="stretch"):
        _open_raster()
    if not options:
        return None
    current = state.selection().prediction
    start = 0 if raster and options[0] == Path(raster) else options.index(current) if current in options else 0
    chosen = left.selectbox("Prediction", options, index=start, format_func=_title, help="What the outlines are traced from, newest first.")
    if chosen in folders:
        st.session_state.pop(_RASTER, None)
        state.select(prediction=chosen)
        return _from_prediction(library.prediction(chosen))
    return _from_raster(chosen)


def _title(path: Path) -> str:
    return path.name if path.is_file() else library.prediction_title(path)


def _open_raster() -> None:
    path = st.text_input("Class raster", key="map_path", placeholder="/data/landcover.tif", help="A raster with one band of class numbers.")
    if st.button("Open", key="map_open", type="primary", icon=":material/arrow_forward:"):
        with frame.errors() as outcome:
            if not path.strip():
                raise InputError("no path typed", expected="the path of a class raster", do="Type one and press Open")
            _from_raster(Path(path.strip().strip('"')))
        if not outcome.failed:
            st.session_state[_RASTER] = path.strip().strip('"')
            st.rerun()


def _from_prediction(prediction: Prediction) -> Source:
    digest = settings_digest(prediction.scene(LABELS).digest, prediction.scene(CONFIDENCE).digest)
    return Source(
        path=prediction.folder,
        title=library.prediction_title(prediction.folder),
        scheme=prediction.scheme,
        pixels=prediction.height * prediction.width,
        georeferenced=prediction.geo.georeferenced,
        has_confidence=True,
        digest=digest,
        scene=predict_view.source_scene(prediction),
        prediction=prediction.folder,
    )


def _from_raster(path: Path) -> Source:
    from core.vector.sources import open_labels

    labels = open_labels(path)
    pixels = labels.height * labels.width
    digest = open_scene(path, expand_palette=False).digest
    return Source(path, path.stem, labels.scheme, pixels, labels.geo.georeferenced, False, digest, path, None)


def settings_form(source: Source) -> tuple[Settings, bool]:
    """The settings that count now, and whether the button was pressed just now."""
    kept = Settings(**st.session_state.get(_SETTINGS, {}))
    with st.expander("How outlines are drawn", icon=":material/tune:", key="map_settings"), st.form("map_form", border=False):
        a, b, c, d = st.columns(4)
        threshold = a.slider(
            "Confidence from, %", 0, 100, 0, key="map_threshold", persist_state="session", disabled=not source.has_confidence,
            help="Less certain pixels belong to no polygon and stay empty on the map.",
        )  # fmt: skip
        area = b.number_input(
            "Smallest area, px",
            0,
            100_000,
            4,
            key="map_area",
            persist_state="session",
            help="Smaller patches join the neighbour they touch most.",
        )
        simplify = c.slider(
            "Simplify, px", 0.0, 10.0, 1.0, 0.5, key="map_simplify", persist_state="session",
            help="How much detail borders lose. Shared borders are simplified once, so no gaps open; 0 keeps the pixel steps.",
        )  # fmt: skip
        smooth = d.slider(
            "Round corners", 0, 4, 0, key="map_smooth", persist_state="session", help="Passes that round the corners; 0 leaves them."
        )
        e, f = st.columns([3, 1])
        classes = e.multiselect(
            "Classes", source.scheme.names, key="map_classes", placeholder="All classes", persist_state="session", help="Trace only these."
        )
        size = f.number_input(
            "Pixel size, m", 0.0, 1000.0, 0.0, 0.05, key="map_pixel_size", persist_state="session", disabled=source.georeferenced,
            help="For scenes without coordinates: gives areas in square metres. 0 leaves them in pixels.",
        )  # fmt: skip
        pressed = st.form_submit_button("Trace polygons", type="primary", icon=":material/polyline:", key="map_trace")
    if pressed:
        kept = Settings(threshold / 100, f"{area}px", f"{simplify:g}px", smooth, tuple(classes), size or None)
        st.session_state[_SETTINGS] = asdict(kept)
    # What was set for another raster must not fail on this one.
    classes = tuple(name for name in kept.classes if name in source.scheme.names)
    return Settings(
        kept.threshold if source.has_confidence else 0.0,
        kept.min_area,
        kept.simplify,
        kept.smooth,
        classes,
        None if source.georeferenced else kept.pixel_size_m,
    ), pressed


def digest_of(source: Source, settings: Settings) -> str:
    """What names a traced layer: the raster's content and the settings."""
    return settings_digest(source.digest, settings)


def is_traced(digest: str) -> bool:
    """Whether this layer is at hand."""
    return has("layer", digest)


def traced(source: Source, settings: Settings, digest: str) -> VectorResult:
    """The traced layer, made once for each raster and setting: read where a job has written it, else traced with its progress shown."""

    def make(tell: Callable[[int, int, str], None]) -> VectorResult:
        tell(0, 1, "Opening the layer")
        finished = finished_layers.find(source.prediction, settings) if source.prediction else None
        return finished or _trace(source, settings, tell)

    return keep("layer", digest, make, words="Tracing polygons", most=_KEPT_LAYERS)


def _trace(source: Source, settings: Settings, tell: Callable[[int, int, str], None]) -> VectorResult:
    from core.vector.layers import vectorize

    return vectorize(
        source.path,
        threshold=settings.threshold,
        min_area=settings.min_area,
        simplify=settings.simplify,
        smooth=settings.smooth,
        classes=list(settings.classes) or None,
        pixel_size_m=settings.pixel_size_m,
        on_progress=lambda done, total, text: tell(done, total, text.capitalize()),
    )


def summary(result: VectorResult) -> None:
    """What came out, in numbers, and the proof that it tiles the scene."""
    layer = result.layer
    with st.container(horizontal=True):
        st.metric("Polygons", f"{len(layer.frame):,}", border=True)
        st.metric(
            "Area", area_text(float(layer.frame[layer.area_column].sum()), layer.units), border=True, help="Of all polygons together."
        )
        sure = layer.frame["mean_confidence"].mean()
        if sure == sure:
            st.metric("Mean confidence", f"{sure:.2f}", border=True, help="Of the polygons, 0 to 1.")
        st.metric("Traced in", f"{result.seconds:.1f} s", border=True)
        faults = result.invalid or result.gap_area > 0 or result.overlap_area > 0
        told = f"{result.invalid} invalid" if faults else "Clean"
        st.metric("Geometry", told, border=True, help="Clean: every polygon is valid, and there are no gaps and no overlaps between them.")


def map_of(source: Source, layer: PolygonLayer, digest: str) -> None:
    """The map itself, with online base maps when they are wanted and answer."""
    from ui import maps

    wanted = source.georeferenced and bool(st.session_state.get("map_online"))
    online = wanted and maps.online_maps_answer()
    pictures = maps.scene_pictures(source.scene, source.prediction)
    made = maps.polygon_map(layer, digest, pictures=pictures, online=online)
    maps.show(made, key=f"map-{digest}-{'-'.join(picture.layer.id for picture in pictures)}-{int(online)}", height=590)
    if not source.georeferenced:
        st.caption(
            "This scene has no coordinates, so the map counts pixels. Files say so too; give a pixel size above to get square metres."
        )
        return
    st.toggle(
        "Offer online base maps",
        key="map_online",
        persist_state="session",
        help="Adds OpenStreetMap and aerial imagery to the layers button on the map, when they answer.",
    )
    if wanted and not online:
        st.caption(":material/wifi_off: Online base maps do not answer from here; the scene itself is the base map.")


def class_table(layer: PolygonLayer) -> pd.DataFrame:
    """Polygons, area, share and mean confidence of each class."""
    import pandas as pd

    area = layer.area_column
    grouped = layer.frame.groupby("class_id")
    table = pd.DataFrame(
        {
            "class": [layer.scheme.names[k] for k in grouped.size().index],
            "polygons": grouped.size().to_numpy(),
            "area": grouped[area].sum().to_numpy(),
            "share": (100 * grouped[area].sum() / max(1e-9, layer.frame[area].sum())).to_numpy(),
            "largest": grouped[area].max().to_numpy(),
            "mean confidence": grouped["mean_confidence"].mean().to_numpy(),
        }
    )
    return table.sort_values("area", ascending=False, ignore_index=True)


def show_table(layer: PolygonLayer) -> None:
    """The class table with its units."""
    unit = "m²" if layer.units == "m" else "px"
    st.dataframe(
        class_table(layer),
        hide_index=True,
        column_config={
            "polygons": st.column_config.NumberColumn(format="localized"),
            "area": st.column_config.NumberColumn(f"area, {unit}", format="%,.0f"),
            "share": st.column_config.NumberColumn(format="%.1f %%", help="Of the area of all polygons"),
            "largest": st.column_config.NumberColumn(f"largest, {unit}", format="%,.0f", help="The largest polygon of the class"),
            "mean confidence": st.column_config.NumberColumn(format="%.2f", help="Mean over the polygons, 0 to 1"),
        },
    )


def downloads(source: Source, layer: PolygonLayer, digest: str) -> None:
    """A button for each format; the file is written, re-opened and compared when it is pressed."""
    from core.vector.export import FORMATS

    stem = "".join(letter if letter.isalnum() else "-" for letter in source.title).strip("-").replace("---", "-")
    with st.container(horizontal=True):
        for suffix, (media_type, icon) in _DOWNLOADS.items():
            placeless = suffix == ".kml" and not layer.geo.georeferenced
            st.download_button(
                f"{FORMATS[suffix]} (HTML)" if suffix == ".html" else FORMATS[suffix],
                exporter(layer, f"{stem}{suffix}", source.scene if suffix == ".html" else None),
                f"{stem}{suffix}",
                media_type,
                key=f"map_download_{suffix.strip('.').replace('.', '_')}",
                icon=icon,
                on_click="ignore",
                type="primary" if suffix == ".gpkg" else "secondary",
                disabled=placeless,
                help="KML needs coordinates, and this scene has none."
                if placeless
                else f"All {len(layer.frame):,} polygons with their attributes. Made when pressed, then re-opened and compared.",
            )


def exporter(layer: PolygonLayer, name: str, scene: Path | None = None) -> Callable[[], bytes]:
    """A function that writes the layer under `name` in a folder of its own and returns the file's bytes.

    `scene` becomes the picture under the polygons of an .html map.
    """

    def make() -> bytes:
        from core.vector.export import export

        with tempfile.TemporaryDirectory(prefix="groundline-") as folder:
            return Path(export(layer, Path(folder) / name, scene=None if scene is None else open_scene(scene))).read_bytes()

    return make


def area_text(area: float, units: str) -> str:
    """An area with the unit a person would use."""
    if units != "m":
        return f"{area:,.0f} px"
    if area >= 1e6:
        return f"{area / 1e6:,.2f} km²"
    return f"{area / 1e4:,.2f} ha" if area >= 1e4 else f"{area:,.0f} m²"

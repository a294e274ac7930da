"""What the Map page shows: a prediction or class raster, where it lies on the earth, and the pictures below its polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from core.claims import in_turn
from core.classes import ClassScheme
from core.digests import digest_of
from core.errors import GroundlineError, InputError, SettingsError
from core.files import write_json
from core.geo import GeoRef, read_crs
from core.prediction.folder.origin import source_scene
from core.prediction.folder.rasters import CONFIDENCE, LABELS, Prediction
from core.reading.readable import read_again
from core.scenes.opening import open_scene
from core.scenes.scene import Scene, Window
from ui import frame, library, state
from ui.allowed import changing, refuse_if_read_only
from ui.input import typed_path
from ui.viewer import tiles

_RASTER = "gl_map_raster"
_LINK = "prediction"
_NOTHING = "nothing"


@dataclass(frozen=True)
class Place:
    """What the user says of a scene without CRS: its pixel size in m, and where its upper left corner lies (degrees) or None.

    crs: that of a raster which has a transform and names none; nothing else counts then.
    """

    pixel_size_m: float
    latitude: float | None = None
    longitude: float | None = None
    crs: str | None = None

    def geo(self, own: GeoRef | None = None) -> GeoRef:
        """The reference that follows for a raster with the reference `own`. Raises SettingsError for a place that is not on the earth, and
        a CRS that does not hold there."""
        if self.crs is not None:
            return (own or GeoRef.pixels()).named(read_crs(self.crs))
        if self.latitude is None or self.longitude is None:
            return GeoRef.pixels(pixel_size_m=self.pixel_size_m)
        return GeoRef.placed(self.latitude, self.longitude, pixel_size_m=self.pixel_size_m)


@dataclass(frozen=True)
class MapSource:
    """What is traced: a prediction folder or a class raster, with what the page needs to know of it.

    geo: as traced and shown. own_geo: whether the raster itself says where it lies. raster: what names its content alone, wherever it is
    placed.
    """

    path: Path
    title: str
    scheme: ClassScheme
    height: int
    width: int
    geo: GeoRef
    own_geo: bool
    digest: str
    scene: Path | None
    prediction: Path | None
    raster: str

    @property
    def pixels(self) -> int:
        """Pixels of the raster."""
        return self.height * self.width

    @property
    def labels(self) -> Path:
        """The raster of class ids."""
        return self.path / LABELS if self.prediction else self.path


def choose() -> tuple[MapSource | None, MapSource | None]:
    """The prediction or class raster on the map, and the one it is compared with; None where there is none."""
    folders = library.predictions()
    raster = st.session_state.get(_RASTER)
    options = ([Path(raster)] if raster and Path(raster).exists() else []) + folders
    first, second, third = st.columns([4, 3, 2], vertical_alignment="bottom")
    with third.popover("More", icon=":material/more_horiz:", width="stretch", help="Open another raster, or place a scene on the earth"):
        opened = st.container()
        placing = st.container()
    with opened:
        _open_raster()
    if not options:
        return None, None
    opened_raster = Path(raster) if raster and options[0] == Path(raster) else None
    current = state.linked(_LINK, {state.short(path): path for path in options}) or opened_raster or state.selection().prediction
    labels = _titles(options)
    chosen = first.selectbox(
        "Prediction",
        options,
        index=options.index(current) if current in options else 0,
        format_func=labels.get,
        key=_key(options),
        help="What the outlines are traced from, newest first.",
    )
    source = open_source(chosen)
    there = [path for path in folders if path != chosen]
    others = _comparable(source, there)
    other = second.selectbox(
        "Compare with",
        [_NOTHING, *others],
        format_func=lambda path: "Nothing" if path == _NOTHING else labels[path],
        key=f"map_compare_{digest_of(str(chosen))}",
        disabled=not others,
        persist_state="session",
        help="None of the other predictions shows this place."
        if there and not others
        else "Shows two dates or two models of one place side by side, with what changed. Needs a second prediction.",
    )
    state.link(_LINK, state.short(chosen))
    if chosen in folders:
        st.session_state.pop(_RASTER, None)
        state.select(prediction=chosen)
    with placing:
        if not source.own_geo:
            _place(source)
    return open_source(chosen), None if other == _NOTHING else open_source(other)


def _comparable(source: MapSource, paths: Sequence[Path]) -> list[Path]:
    """The predictions that show ground of the same place; where no coordinates tell it, those that are as large."""
    size, placed = (source.height, source.width), bool(_places())
    bounds = tiles.lonlat_bounds(source.geo, *size) if source.geo.georeferenced else None

    def fits(path: Path) -> bool:
        try:
            found = library.prediction(path)
            geo = open_source(path).geo if placed and found.geo.crs is None else found.geo
        except (GroundlineError, OSError):
            return False
        other_size = found.height, found.width
        if geo.georeferenced or bounds is not None:
            return geo.georeferenced and bounds is not None and _overlap(tiles.lonlat_bounds(geo, *other_size), bounds)
        one_plane = (geo.unnamed and source.geo.unnamed) or (geo.crs is not None and geo.crs == source.geo.crs)
        return size == other_size or (one_plane and _overlap(_corners(geo, *other_size), _corners(source.geo, *size)))

    return [path for path in paths if fits(path)]


def _corners(geo: GeoRef, height: int, width: int) -> list[list[float]]:
    """[least, most] of x and y that a raster reaches in its own coordinates."""
    points = [geo.xy(row, column) for row in (0, height) for column in (0, width)]
    return [[side(values) for values in zip(*points, strict=True)] for side in (min, max)]


def _overlap(one: list[list[float]], other: list[list[float]]) -> bool:
    (low, high), (other_low, other_high) = one, other
    return all(a < d and c < b for a, b, c, d in zip(low, high, other_low, other_high, strict=True))


def _key(options: Sequence[Path]) -> str:
    """A new list of predictions starts on the newest or the selected one again."""
    return f"map_source_{digest_of(*map(str, options))}"


def _titles(options: Sequence[Path]) -> dict[Path, str]:
    titles = {path: path.name if path.is_file() else library.prediction_title(path) for path in options}
    double = {title for title in titles.values() if list(titles.values()).count(title) > 1}
    labels = library.prediction_labels(path for path, title in titles.items() if title in double and not path.is_file())
    return {path: labels.get(path, title) for path, title in titles.items()}


def _open_raster() -> None:
    typed = st.text_input("Class raster", key="map_path", placeholder="~/landcover.tif", help="A raster with one band of class numbers.")
    if st.button("Open raster", key="map_open", icon=":material/folder_open:"):
        with frame.errors() as outcome:
            path = typed_path(typed)
            if path is None:
                raise InputError("no path typed", expected="the path of a class raster", do="Type one and press Open raster")
            _from_raster(path)
        if not outcome.failed:
            st.session_state[_RASTER] = str(path)
            st.rerun()


def open_source(path: Path) -> MapSource:
    """A prediction folder or class raster, with the place that the user gave it. Raises InputError or SceneError."""
    found = _from_raster(path) if path.is_file() else _from_prediction(library.prediction(path))
    place = None if found.own_geo else _places().get(found.digest)
    return found if place is None else replace(found, geo=place.geo(found.geo), digest=digest_of(found.digest, place))


def _from_prediction(prediction: Prediction) -> MapSource:
    digest = digest_of(prediction.scene(LABELS).digest, prediction.scene(CONFIDENCE).digest)
    return MapSource(
        path=prediction.folder,
        title=library.prediction_title(prediction.folder),
        scheme=prediction.scheme,
        height=prediction.height,
        width=prediction.width,
        geo=prediction.geo,
        own_geo=prediction.geo.crs is not None,
        digest=digest,
        scene=source_scene(prediction),
        prediction=prediction.folder,
        raster=digest,
    )


def _from_raster(path: Path) -> MapSource:
    from core.vector.tracing.sources import open_labels

    labels = open_labels(path)
    digest = open_scene(path, expand_palette=False).digest
    own = labels.geo.crs is not None
    return MapSource(path, path.stem, labels.scheme, labels.height, labels.width, labels.geo, own, digest, None, None, digest)


# ---- scenes without coordinates ----


def _places_file() -> Path:
    return Path(state.workspace().root) / "places.json"


def _places() -> dict[str, Place]:
    try:
        return {digest: Place(**values) for digest, values in read_again(_places_file(), dict[str, Place]).items()}
    except (OSError, ValueError, TypeError):  # none yet, or cut off by a crash: the user types it again
        return {}


def _place(source: MapSource) -> None:
    """The form that gives a scene without CRS a pixel size, and a place on the earth."""
    bare = _from_raster(source.path) if source.prediction is None else _from_prediction(library.prediction(source.path))
    key, known = bare.digest, _places().get(bare.digest)
    if bare.geo.unnamed:
        _name_crs(key, known, bare.geo)
        return
    st.markdown("**Place this scene** · its file says nothing of coordinates")
    size = st.number_input(
        "Pixel size, m",
        0.0,
        1000.0,
        known.pixel_size_m if known else 0.0,
        0.05,
        format="%g",
        key=f"map_pixel_size_{key}",
        help="The ground sample distance. Alone it turns pixels into metres and square metres.",
    )
    corner = f"{known.latitude:.7g}, {known.longitude:.7g}" if known and known.latitude is not None else ""
    where = st.text_input(
        "Upper left corner: latitude, longitude",
        corner,
        key=f"map_corner_{key}",
        placeholder="25.2048, 55.2708",
        help="In degrees (WGS84), north up. With it the scene lies on the earth, in its UTM zone, and so do all files.",
    )
    a, b = st.columns(2)
    if a.button("Place", key="map_place", icon=":material/pin_drop:", type="primary", width="stretch", **changing()):
        with frame.errors() as outcome:
            place = _read_place(size, where)
            place.geo()
            _keep_place(key, place)
        if not outcome.failed:
            st.rerun()
    if known and b.button("Back to pixels", key="map_unplace", icon=":material/undo:", width="stretch", **changing()):
        _keep_place(key, None)
        st.rerun()


def _keep_place(key: str, place: Place | None) -> None:
    """Write what the user said of where a raster lies, or take it back."""
    refuse_if_read_only()
    with in_turn(_places_file()):
        places = {digest: kept for digest, kept in ({**_places(), key: place}).items() if kept is not None}
        write_json(_places_file(), {digest: asdict(kept) for digest, kept in places.items()})


def _name_crs(key: str, known: Place | None, own: GeoRef) -> None:
    """The form that names the CRS of a raster which has a transform and none."""
    x, y = own.xy(0, 0)
    st.markdown(f"**Name the CRS** · the file places its corner at {x:,.10g}, {y:,.10g} and does not say in which coordinates")
    named = st.text_input(
        "CRS of these coordinates",
        known.crs or "" if known else "",
        key=f"map_crs_of_{key}",
        placeholder="EPSG:2154",
        help="A code or WKT. With it the scene lies on the earth, areas are in m², and all files say where they are.",
    )
    a, b = st.columns(2)
    if a.button("Name", key="map_name_crs", icon=":material/pin_drop:", type="primary", width="stretch", **changing()):
        with frame.errors() as outcome:
            if not named.strip():
                raise SettingsError("no CRS", expected='a code such as "EPSG:2154"', do="Type the CRS")
            place = Place(0.0, crs=named.strip())
            place.geo(own)
            _keep_place(key, place)
        if not outcome.failed:
            st.rerun()
    if known and b.button("Take it back", key="map_unname_crs", icon=":material/undo:", width="stretch", **changing()):
        _keep_place(key, None)
        st.rerun()


def _read_place(size: float, where: str) -> Place:
    if size <= 0:
        raise SettingsError("no pixel size", expected="metres of one pixel, 0.3 say", do="Type the pixel size")
    if not where.strip():
        return Place(size)
    try:
        latitude, longitude = (float(part) for part in where.replace(";", ",").split(","))
    except ValueError as error:
        raise SettingsError(
            f"{where!r} as a corner", expected="latitude, longitude in degrees", do="Type it like 25.2048, 55.2708"
        ) from error
    return Place(size, latitude, longitude)


# ---- pictures ----


def scene_layer(source: MapSource) -> tiles.Picture | None:
    """The scene as a layer of tiles, None when its file is gone or cannot be drawn on this map."""
    from core.scenes.warping import can_warp

    if source.scene is None or not source.scene.exists():
        return None
    opened = open_scene(source.scene)
    if source.geo.georeferenced and not source.own_geo:
        if not opened.path.is_file():
            return None
        return tiles.image_layer(_placed(opened.path, source))
    return tiles.image_layer(source.scene) if can_warp(opened) or not source.geo.georeferenced else None


def class_layer(source: MapSource) -> tiles.Picture:
    """The class raster in the colours that the user chose to see."""
    path = _placed(source.labels, source) if source.geo.georeferenced and not source.own_geo else source.labels
    labels = open_scene(path, expand_palette=False)
    scheme = state.shown(source.scheme)

    def draw(window: Window, shape: tuple[int, int]) -> tuple[Any, None]:
        import numpy as np

        ids = labels.read(window, [1], out_shape=shape, categorical=True)[..., 0].astype(np.uint8)
        return np.repeat(ids[..., None], 3, axis=2), None

    def warp(z: int, x: int, y: int) -> Any:
        from core.scenes.warping import class_tile

        return class_tile(labels, scheme, z, x, y, size_px=tiles.MAP_TILE_PX)

    key = digest_of("classes", labels.digest, scheme)
    return tiles.register(
        tiles.Picture(id=key, height=source.height, width=source.width, geo=labels.geo, scheme=scheme, draw=draw, warp=warp)
    )


def _placed(path: Path, source: MapSource) -> Path:
    from core.scenes.placing import write_placed

    made = state.workspace().layers / "placed" / f"{path.stem}-{digest_of(str(path), path.stat().st_mtime_ns, source.geo)}.vrt"
    if not made.exists():
        made.parent.mkdir(exist_ok=True)
        write_placed(path, made, source.geo)
    return made


def placed_scene(source: MapSource) -> Scene | None:
    """The scene with the coordinates that the map uses, for exports; None when its file is gone."""
    return None if source.scene is None or not source.scene.exists() else open_scene(source.scene).with_geo(source.geo)
